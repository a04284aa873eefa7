-- What the role openwatt_writer needs in this database: to exist, its rights on our tables, and that this user may
-- take it on. Roles belong to a server and dumps leave rights out, so it is seen to after each migration and restore.
-- Each part stands alone: a user may lack the right to one of them that an administrator has done already.
do $$
declare
    newer boolean := current_setting('server_version_num')::int >= 160000;
    ours  record;
begin
    begin
        if not exists (select from pg_roles where rolname = 'openwatt_writer') then
            create role openwatt_writer nologin;
        end if;
    exception
        when insufficient_privilege then
            return;
        when duplicate_object or unique_violation then
            null;  -- another database of this server was migrated at the same moment
    end;

    begin
        -- From PostgreSQL 16 on a member may lack the right to take the role on, as who has created it does.
        if not pg_has_role(session_user, 'openwatt_writer', case when newer then 'set' else 'member' end) then
            execute format('grant openwatt_writer to %I %s', current_user, case when newer then 'with set true' end);
        end if;
    exception
        when insufficient_privilege or duplicate_object or unique_violation then
            null;
    end;

    begin
        if not has_schema_privilege('openwatt_writer', current_schema(), 'usage') then
            execute format('grant usage on schema %I to openwatt_writer', current_schema());
        end if;
        for ours in
            select relation.oid::regclass as name,
                   relation.relkind = 'r' and relname not in ('data_version', 'schema_migrations') as is_written,
                   relname = 'fetch_turns' as is_changed
              from pg_class relation
             where relnamespace = (select oid from pg_namespace where nspname = current_schema()) and relkind in ('r', 'v')
               and pg_has_role(current_user, relowner, 'usage')
        loop
            if not has_table_privilege('openwatt_writer', ours.name, 'select') then
                execute format('grant select on %s to openwatt_writer', ours.name);
            end if;
            if ours.is_written and not has_table_privilege('openwatt_writer', ours.name, 'insert') then
                execute format('grant insert on %s to openwatt_writer', ours.name);
            end if;
            if ours.is_changed and not has_table_privilege('openwatt_writer', ours.name, 'update') then
                execute format('grant update on %s to openwatt_writer', ours.name);
            end if;
        end loop;
        if not exists (select from pg_default_acl
                        join pg_namespace namespace on namespace.oid = defaclnamespace
                        where defaclobjtype = 'r' and nspname = current_schema()
                          and pg_get_userbyid(defaclrole) = current_user) then
            execute format('alter default privileges in schema %I grant select, insert on tables to openwatt_writer',
                           current_schema());
        end if;
    exception
        when insufficient_privilege then
            null;
    end;
end $$
