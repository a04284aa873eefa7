-- Adds each incoming tariff that says something else than the newest observation before it, or that says
-- the same where only a secondary source had said it.
insert into tariffs (contract_id, applies_from, applies_to, observed_at, opens_period,
                     subscription_eur_per_year_ht, subscription_eur_per_year_ttc,
                     prices_eur_per_kwh_ht, prices_eur_per_kwh_ttc,
                     closed_to_new_customers, note, document_id, ht_document_id, reader,
                     sheet_url, confidence)
select c.contract_id, i.applies_from, i.applies_to, i.observed_at, known.tariff_id is null,
       i.subscription_eur_per_year_ht, i.subscription_eur_per_year_ttc,
       i.prices_eur_per_kwh_ht, i.prices_eur_per_kwh_ttc,
       i.closed_to_new_customers, i.note, d.document_id, ht.document_id, i.reader, i.sheet_url, i.confidence
from incoming_tariffs i
join suppliers s on s.name = i.supplier
join offers o on o.supplier_id = s.supplier_id and o.name = i.offer
join contracts c on c.offer_id = o.offer_id and c.option = i.option and c.power_kva = i.power_kva
join documents d on d.reference = i.document
left join documents ht on ht.reference = i.ht_document
left join lateral (
    select t.*, document.kind, coalesce(ht_document.kind, document.kind) as ht_kind
      from tariffs t
      join documents document on document.document_id = t.document_id
      left join documents ht_document on ht_document.document_id = t.ht_document_id
     where t.contract_id = c.contract_id and t.applies_from = i.applies_from and t.observed_at <= i.observed_at
     order by t.observed_at desc limit 1
) known on true
where known.tariff_id is null
   or (known.kind = 'secondary' and d.kind <> 'secondary')
   or (known.ht_kind = 'secondary' and coalesce(ht.kind, d.kind) <> 'secondary')
   or (known.applies_to, known.subscription_eur_per_year_ht, known.subscription_eur_per_year_ttc,
       known.prices_eur_per_kwh_ht, known.prices_eur_per_kwh_ttc, known.closed_to_new_customers)
      is distinct from
      (i.applies_to, i.subscription_eur_per_year_ht, i.subscription_eur_per_year_ttc,
       i.prices_eur_per_kwh_ht, i.prices_eur_per_kwh_ttc, i.closed_to_new_customers)
   -- The catalogue corrects where its figures come from, too: derived ones that a document now gives.
   or (known.reader = 'catalogue' and i.reader = 'catalogue' and known.observed_at < i.observed_at
       and (known.document_id, known.ht_document_id, known.note)
           is distinct from (d.document_id, ht.document_id, i.note))
order by c.contract_id, i.applies_from, i.observed_at
