-- One process a source, whatever host it runs on; held until the session ends or gives it back.
select pg_try_advisory_lock(hashtextextended('openwatt: ingest ' || %(source)s, 0)) as held
