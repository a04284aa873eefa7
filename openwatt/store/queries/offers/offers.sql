-- Every offer, with the options and subscribed powers under which it is sold.
select s.name as supplier, o.name, o.regulated, o.url,
       coalesce(array_agg(distinct c.option) filter (where c.option is not null), '{}') as options,
       coalesce(array_agg(distinct c.power_kva) filter (where c.power_kva is not null), '{}') as powers_kva
from offers o
join suppliers s using (supplier_id)
left join contracts c using (offer_id)
where %(supplier)s::text is null or lower(s.name) = lower(%(supplier)s)
group by s.name, o.name, o.regulated, o.url
order by s.name, o.name
