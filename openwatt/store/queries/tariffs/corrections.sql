-- How often what a contract costs from a day on was corrected after it was first observed, by that day.
select t.applies_from, count(*) - 1 as corrections
from tariffs t
join contracts c using (contract_id)
join offers o using (offer_id)
join suppliers s using (supplier_id)
where s.name = %(supplier)s and o.name = %(offer)s and c.option = %(option)s and c.power_kva = %(power_kva)s
group by t.applies_from
