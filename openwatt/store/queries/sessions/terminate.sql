-- Terminates the sessions in a database, as far as this user may. PostgreSQL ends its own helpers by itself,
-- and says who is left when the database is to be renamed.
select pg_terminate_backend(pid)
  from pg_stat_activity, pg_roles us
 where datname = %(database)s and pid <> pg_backend_pid() and backend_type = 'client backend'
   and us.rolname = current_user
   and (us.rolsuper or ((pg_has_role(us.oid, usesysid, 'usage') or pg_has_role(us.oid, 'pg_signal_backend', 'usage'))
                        and not (select rolsuper from pg_roles them where them.oid = usesysid)))
