-- One loading of the catalogue at a time for this database; held until the transaction ends.
select pg_advisory_xact_lock(hashtext('openwatt: catalogue'))
