insert into suppliers (name)
select distinct supplier from incoming_tariffs
on conflict (name) do nothing
