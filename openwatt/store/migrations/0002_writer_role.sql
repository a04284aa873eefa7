-- The service works as a role that can read and insert, nothing more, so that the
-- history is protected by privileges as well as by triggers. Roles belong to the
-- whole server: where the migrating user may not create one, the triggers stand alone.
do $$
begin
    if not exists (select from pg_roles where rolname = 'openwatt_writer') then
        create role openwatt_writer nologin;
    end if;
exception
    when insufficient_privilege then
        raise notice 'role openwatt_writer is missing and this user may not create it';
    when duplicate_object or unique_violation then
        null;  -- another database of this server was migrated at the same moment
end $$;

do $$
begin
    if exists (select from pg_roles where rolname = 'openwatt_writer') then
        execute format('grant usage on schema %I to openwatt_writer', current_schema());
        execute format('grant select, insert on all tables in schema %I to openwatt_writer', current_schema());
        execute format('alter default privileges in schema %I grant select, insert on tables to openwatt_writer',
                       current_schema());
        revoke insert on data_version from openwatt_writer;
        -- From PostgreSQL 16 on, who creates a role is a member of it and yet may not take it on.
        if not pg_has_role(current_user, 'openwatt_writer',
                           case when current_setting('server_version_num')::int < 160000
                                then 'member' else 'set' end) then
            execute format('grant openwatt_writer to %I', current_user);
        end if;
    end if;
exception
    when insufficient_privilege then
        raise notice 'user % may not be made a member of openwatt_writer', current_user;
end $$;
