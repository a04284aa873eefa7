-- What a reader's connection is bound to: a time limit, and the role that can only read and insert.
select set_config('statement_timeout', %(statement_timeout)s, false),
       (select set_config('role', rolname, false) from pg_roles
         where rolname = 'openwatt_writer'
           and pg_has_role(current_user, oid, case when current_setting('server_version_num')::int < 160000
                                                   then 'member' else 'set' end))
