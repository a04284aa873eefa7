insert into contracts (offer_id, option, power_kva)
select distinct o.offer_id, i.option, i.power_kva
from incoming_tariffs i
join suppliers s on s.name = i.supplier
join offers o on o.supplier_id = s.supplier_id and o.name = i.offer
on conflict (offer_id, option, power_kva) do nothing
