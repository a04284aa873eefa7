-- What migrations gave the role openwatt_writer: dumps leave rights out, because roles belong to a server.
do $$
begin
    if not exists (select from pg_roles where rolname = 'openwatt_writer') then
        create role openwatt_writer nologin;
    end if;
    execute format('grant usage on schema %I to openwatt_writer', current_schema());
    execute format('grant select, insert on all tables in schema %I to openwatt_writer', current_schema());
    execute format('alter default privileges in schema %I grant select, insert on tables to openwatt_writer',
                   current_schema());
    revoke insert on data_version from openwatt_writer;
    grant update on fetch_turns to openwatt_writer;
    if not pg_has_role(current_user, 'openwatt_writer', 'member') then
        execute format('grant openwatt_writer to %I', current_user);
    end if;
exception
    when insufficient_privilege then
        raise notice 'the role openwatt_writer cannot be given its rights: the triggers stand alone';
end $$
