-- A document that says what the stored tariff says, and is not the one it was read from, confirms it.
-- Runs after publish, so that what it has just added is its own newest observation.
-- Periods that are over need no confirmation: they change no more.
insert into confirmations (tariff_id, document_id, confirmed_at)
select known.tariff_id, d.document_id, i.observed_at
from incoming_tariffs i
join suppliers s on s.name = i.supplier
join offers o on o.supplier_id = s.supplier_id and o.name = i.offer
join contracts c on c.offer_id = o.offer_id and c.option = i.option and c.power_kva = i.power_kva
join documents d on d.reference = i.document
join lateral (
    select * from tariffs t
     where t.contract_id = c.contract_id and t.applies_from = i.applies_from and t.observed_at <= i.observed_at
     order by t.observed_at desc limit 1
) known on true
left join lateral (
    select f.document_id from confirmations f
     where f.tariff_id = known.tariff_id and f.confirmed_at <= i.observed_at
     order by f.confirmed_at desc limit 1
) newest on true
where known.observed_at < i.observed_at
  and coalesce(i.applies_to, 'infinity') >= (i.observed_at at time zone 'Europe/Paris')::date
  and coalesce(newest.document_id, known.document_id) <> d.document_id
on conflict (tariff_id, confirmed_at) do nothing
