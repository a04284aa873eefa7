-- Which periods of a supplier's contracts were published, or confirmed by another document, after an instant.
select distinct o.name as offer, c.option, c.power_kva, t.applies_from
from tariffs t
join contracts c using (contract_id)
join offers o using (offer_id)
join suppliers s using (supplier_id)
where s.name = %(supplier)s
  and (t.observed_at > %(since)s
       or exists (select from confirmations f where f.tariff_id = t.tariff_id and f.confirmed_at > %(since)s))
