-- The newest migration that was applied, 0 before the first.
select coalesce(max(number), 0) as number from schema_migrations
