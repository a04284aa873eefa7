-- The tariff of every contract on a day, as it was known at an instant: for each contract the newest
-- observation of the newest period that had begun. When none holds on that day any more, the last known one.
-- Periods are found in an index of their own, so neither old nor corrected rows are read.
-- Contracts are put in order first, so that a page reads no other contract's tariffs: what a filter of tariffs
-- leaves out is followed by more, until the page is full. Further pages read no row beyond the last ones of the first.
select c.supplier, c.offer, c.regulated, c.option, c.power_kva,
       t.applies_from, shown.applies_to,
       t.subscription_eur_per_year_ht, t.subscription_eur_per_year_ttc,
       t.prices_eur_per_kwh_ht, t.prices_eur_per_kwh_ttc,
       t.closed_to_new_customers, t.note, t.observed_at, t.reader,
       t.sheet_url, t.confidence, d.reference, d.kind, d.title, d.url, d.sha256,
       ht.reference as ht_reference, ht.kind as ht_kind, ht.title as ht_title, ht.url as ht_url, ht.sha256 as ht_sha256,
       shown.last_seen_at
from (
    select c.contract_id, s.name as supplier, o.name as offer, o.regulated, not o.regulated as market,
           c.option, c.power_kva
    from contracts c
    join offers o using (offer_id)
    join suppliers s using (supplier_id)
    where (%(supplier)s::text is null or lower(s.name) = lower(%(supplier)s))
      and (%(offer)s::text is null or lower(o.name) = lower(%(offer)s))
      and (%(option)s::text is null or c.option = %(option)s)
      and (%(power_kva)s::int is null or c.power_kva = %(power_kva)s)
      and (%(regulated)s::boolean is null or o.regulated = %(regulated)s)
      and (%(after_offer)s::text is null
           or (not o.regulated, s.name, o.name, c.option, c.power_kva)
            > (not %(after_regulated)s, %(after_supplier)s, %(after_offer)s, %(after_option)s,
               %(after_power_kva)s))
    order by market, s.name, o.name, c.option, c.power_kva
) c
cross join lateral (
    select p.applies_from from tariffs p
     where p.opens_period and p.contract_id = c.contract_id
       and p.applies_from <= %(on)s and p.observed_at <= %(known_at)s
       and p.tariff_id <= coalesce(%(last_tariff)s::bigint, 9223372036854775807)
     order by p.applies_from desc limit 1
) period
cross join lateral (
    select * from tariffs x
     where x.contract_id = c.contract_id and x.applies_from = period.applies_from
       and x.observed_at <= %(known_at)s
       and x.tariff_id <= coalesce(%(last_tariff)s::bigint, 9223372036854775807)
     order by x.observed_at desc limit 1
) t
left join lateral (
    select p.applies_from from tariffs p
     where p.opens_period and p.contract_id = c.contract_id
       and p.applies_from > period.applies_from and p.observed_at <= %(known_at)s
       and p.tariff_id <= coalesce(%(last_tariff)s::bigint, 9223372036854775807)
     order by p.applies_from limit 1
) following on true
join documents d on d.document_id = t.document_id
left join documents ht on ht.document_id = t.ht_document_id
left join lateral (
    select max(g.seen_at) as last_seen_at
    from (select t.document_id
          union all
          (select f.document_id from confirmations f
            where f.tariff_id = t.tariff_id and f.confirmed_at <= %(known_at)s
              and f.confirmation_id <= coalesce(%(last_confirmation)s::bigint, 9223372036854775807)
            order by f.confirmed_at desc limit 1)) stated_in
    cross join lateral (
        select g.seen_at from sightings g
         where g.document_id = stated_in.document_id and g.seen_at <= %(known_at)s
           and g.sighting_id <= coalesce(%(last_sighting)s::bigint, 9223372036854775807)
         order by g.seen_at desc limit 1
    ) g
) seen on true
cross join lateral (
    select least(t.applies_to, following.applies_from - 1) as applies_to,
           coalesce(seen.last_seen_at, t.observed_at) as last_seen_at
) shown
where (%(in_force)s::boolean is not true or coalesce(shown.applies_to, 'infinity') >= %(on)s)
  -- Neither `stale` nor `broken`: the rule of `openwatt.domain.freshness`, to which a test holds this.
  and (%(reliable_on)s::date is null
       or (coalesce(shown.applies_to, 'infinity') >= %(on)s
           and (shown.applies_to < %(reliable_on)s
                or (shown.last_seen_at > %(stale_seen_at)s
                    and (c.supplier, c.offer) not in (
                        select * from unnest(%(failing_suppliers)s::text[], %(failing_offers)s::text[]))
                    and not exists (
                        select from unnest(%(change_days)s::date[]) as change (day)
                         where change.day > t.applies_from
                           and change.day > (shown.last_seen_at at time zone 'Europe/Paris')::date
                           and change.day <= greatest(%(on)s, %(reliable_on)s))))))
order by c.market, c.supplier, c.offer, c.option, c.power_kva
limit %(limit)s
