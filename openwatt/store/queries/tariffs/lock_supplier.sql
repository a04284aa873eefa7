-- One merging publication of a supplier at a time; held until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('openwatt: merge ' || %(supplier)s, 0))
