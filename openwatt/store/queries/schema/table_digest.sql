-- How many rows a table has, and a number that moves with any of them, whatever their order.
-- The name is put in by psycopg.sql, as an identifier.
select count(*)::bigint as rows,
       coalesce(sum(hashtextextended(row_of::text, 0)), 0)::text as digest
from {table} as row_of
