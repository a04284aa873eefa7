-- Every supplier, with how much is known of it.
select s.name, count(distinct o.offer_id) as offers, count(c.contract_id) as contracts
from suppliers s
left join offers o using (supplier_id)
left join contracts c using (offer_id)
group by s.name
order by s.name
