-- The tables of the schema, in an order that does not change: what a backup is held against.
select table_name::text as name from information_schema.tables
where table_schema = current_schema() and table_type = 'BASE TABLE'
order by table_name
