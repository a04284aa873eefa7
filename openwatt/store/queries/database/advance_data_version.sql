-- A restored database must not count on from a number that readers have already cached other data under:
-- the clock is ahead of any count of publications.
update data_version set version = greatest(version + 1, extract(epoch from clock_timestamp())::bigint)
