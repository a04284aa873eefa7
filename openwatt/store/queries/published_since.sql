-- Which periods of a supplier's contracts were observed after an instant.
select o.name as offer, c.option, c.power_kva, t.applies_from
from tariffs t
join contracts c using (contract_id)
join offers o using (offer_id)
join suppliers s using (supplier_id)
where s.name = %(supplier)s and t.observed_at > %(since)s
