-- The groups that have a line of their own, with its number.
create table shown as
select {columns} cast(unnest($lines) as integer) as line
