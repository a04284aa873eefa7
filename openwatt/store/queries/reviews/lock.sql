-- Two people cannot decide on one document at the same moment.
select pg_advisory_xact_lock(hashtext('openwatt.reviews'))
