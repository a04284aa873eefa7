-- What the server is, and what time it has.
select current_setting('server_version') as version, clock_timestamp() as server_at
