-- Who owns our tables; no row where there are none.
select pg_get_userbyid(relowner) from pg_class where oid = to_regclass('schema_migrations')
