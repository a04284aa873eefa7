select pg_advisory_unlock(hashtextextended('openwatt: ingest ' || %(source)s, 0)) as released
