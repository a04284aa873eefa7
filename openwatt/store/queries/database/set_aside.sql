-- The databases that restores have put aside.
select datname::text from pg_database where datname ~ %(pattern)s order by datname
