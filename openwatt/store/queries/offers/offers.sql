-- Every offer, with the options and subscribed powers under which it is sold, or why no price is known.
select s.name as supplier, o.name, o.regulated, o.url,
       coalesce(array_agg(distinct c.option) filter (where c.option is not null), '{}') as options,
       coalesce(array_agg(distinct c.power_kva) filter (where c.power_kva is not null), '{}') as powers_kva,
       case when count(c.contract_id) = 0 then o.no_price end as no_price
from offers o
join suppliers s using (supplier_id)
left join contracts c using (offer_id)
where %(supplier)s::text is null or lower(s.name) = lower(%(supplier)s)
group by s.name, o.name, o.regulated, o.url, o.no_price
order by s.name, o.name
