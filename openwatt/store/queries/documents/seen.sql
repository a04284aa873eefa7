-- Every document that tariffs with all taxes come from, or that has confirmed them last: how many, and when
-- it was last seen; the newest first.
select d.kind, d.title, d.url, d.sha256 as document_sha256, count(*) as tariffs, max(seen.last_seen_at) as last_seen_at
from tariffs t
left join (select distinct on (tariff_id) tariff_id, document_id from confirmations
           order by tariff_id, confirmed_at desc) confirming using (tariff_id)
join documents d on d.document_id = coalesce(confirming.document_id, t.document_id)
left join lateral (
    select g.seen_at as last_seen_at from sightings g
     where g.document_id = d.document_id order by g.seen_at desc limit 1
) seen on true
group by d.document_id, d.kind, d.title, d.url, d.sha256
order by last_seen_at desc nulls last, d.title
