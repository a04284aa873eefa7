-- The colour of each day of a span, both ends included; a day of unknown colour has none.
select days.day::date as day, t.colour, t.note, t.observed_at, d.url, d.sha256, d.kind, d.title
from generate_series(%(from)s::date, %(to)s::date, interval '1 day') as days(day)
left join lateral (
    select * from tempo_days x where x.day = days.day::date order by x.observed_at desc limit 1
) t on true
left join documents d on d.document_id = t.document_id
order by days.day
