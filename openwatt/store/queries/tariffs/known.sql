-- Every period of some offers as it was last observed, with the documents of both tax sides: that of the
-- prices with all taxes is the one that confirmed them last.
select distinct on (t.contract_id, t.applies_from)
       s.name as supplier, o.name as offer, c.option, c.power_kva, t.applies_from, t.applies_to,
       t.subscription_eur_per_year_ht, t.subscription_eur_per_year_ttc,
       t.prices_eur_per_kwh_ht, t.prices_eur_per_kwh_ttc, t.closed_to_new_customers, t.note,
       o.regulated, t.observed_at, t.reader,
       t.sheet_url, t.confidence, d.reference, d.kind, d.title, d.url, d.sha256,
       ht.reference as ht_reference, ht.kind as ht_kind, ht.title as ht_title, ht.url as ht_url, ht.sha256 as ht_sha256,
       t.observed_at as last_seen_at
from tariffs t
join contracts c using (contract_id)
join offers o using (offer_id)
join suppliers s using (supplier_id)
left join lateral (
    select f.document_id from confirmations f where f.tariff_id = t.tariff_id
     order by f.confirmed_at desc limit 1
) confirming on true
join documents d on d.document_id = coalesce(confirming.document_id, t.document_id)
left join documents ht on ht.document_id = t.ht_document_id
where s.name = %(supplier)s and o.name = any(%(offers)s)
order by t.contract_id, t.applies_from, t.observed_at desc
