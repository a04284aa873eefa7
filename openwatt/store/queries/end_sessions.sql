-- Ends every other session of a database, which must be alone to be renamed.
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = %(database)s and pid <> pg_backend_pid()
