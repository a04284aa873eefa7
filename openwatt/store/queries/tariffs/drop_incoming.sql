-- Lets the next publication of the same transaction have its own table.
drop table incoming_tariffs
