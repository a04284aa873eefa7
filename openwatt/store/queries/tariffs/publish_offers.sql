insert into offers (supplier_id, name, regulated, url)
select distinct on (s.supplier_id, i.offer) s.supplier_id, i.offer, i.regulated, i.offer_url
from incoming_tariffs i join suppliers s on s.name = i.supplier
on conflict (supplier_id, name) do nothing
