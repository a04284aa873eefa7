-- Every observation of every tariff, with what it was read from; corrections follow what they correct.
with seen as (select document_id, max(seen_at) as last_seen_at from sightings group by document_id)
select s.name as supplier, o.name as offer, o.regulated, c.option, c.power_kva,
       t.applies_from, t.applies_to,
       t.subscription_eur_per_year_ht, t.subscription_eur_per_year_ttc,
       t.prices_eur_per_kwh_ht, t.prices_eur_per_kwh_ttc,
       t.closed_to_new_customers, t.note, t.observed_at, t.reader,
       t.sheet_url, t.confidence, d.reference, d.kind, d.title, d.url, d.sha256,
       ht.reference as ht_reference, ht.kind as ht_kind, ht.title as ht_title, ht.url as ht_url, ht.sha256 as ht_sha256,
       coalesce(greatest(seen.last_seen_at, confirmed.last_seen_at), t.observed_at) as last_seen_at
from tariffs t
join contracts c using (contract_id)
join offers o using (offer_id)
join suppliers s using (supplier_id)
join documents d on d.document_id = t.document_id
left join documents ht on ht.document_id = t.ht_document_id
left join seen on seen.document_id = t.document_id
left join (select distinct on (tariff_id) tariff_id, document_id from confirmations
           order by tariff_id, confirmed_at desc) confirming on confirming.tariff_id = t.tariff_id
left join seen confirmed on confirmed.document_id = confirming.document_id
order by t.contract_id, t.applies_from, t.observed_at
