-- Which migrations this database has seen. Who may not create tables need not: the owner has migrated it before.
do $$
begin
    if current_setting('transaction_read_only')::boolean then
        raise exception 'cannot execute a migration in a read-only transaction' using errcode = 'read_only_sql_transaction';
    end if;
    if to_regclass(quote_ident(current_schema()) || '.schema_migrations') is null then
        create table schema_migrations (
            number     integer primary key,
            name       text not null,
            applied_at timestamptz not null default now()
        );
    end if;
end $$
