-- What a reader's connection is bound to: a time limit, and the role that can only read and insert. It is taken on
-- where the session may and the role can do its work here: with a right too few each request would be refused.
select set_config('statement_timeout', %(statement_timeout)s, false),
       (select set_config('role', rolname, false) from pg_roles writer
         where rolname = 'openwatt_writer'
           and pg_has_role(session_user, oid, case when current_setting('server_version_num')::int < 160000
                                                   then 'member' else 'set' end)
           and has_schema_privilege(oid, current_schema(), 'usage')
           and has_table_privilege(oid, to_regclass('fetch_turns'), 'update')
           and not exists (select from pg_class ours, pg_class known
                            where known.oid = to_regclass('schema_migrations')
                              and ours.relnamespace = known.relnamespace and ours.relowner = known.relowner
                              and ours.relkind in ('r', 'v')
                              and not (has_table_privilege(writer.oid, ours.oid, 'select')
                                       and (has_table_privilege(writer.oid, ours.oid, 'insert')
                                            or ours.relkind = 'v'
                                            or ours.relname in ('data_version', 'schema_migrations'))))) as role
