-- What the server is, and what time it has.
select current_setting('server_version') as version,
       current_setting('server_version_num')::int / 10000 as major,
       clock_timestamp() as server_at
