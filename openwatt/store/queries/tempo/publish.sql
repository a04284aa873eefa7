insert into tempo_days (day, observed_at, colour, document_id, note)
select i.day, i.observed_at, i.colour, d.document_id, i.note
from incoming_tempo_days i
join documents d on d.reference = i.document
left join lateral (
    select t.colour from tempo_days t
     where t.day = i.day and t.observed_at <= i.observed_at order by t.observed_at desc limit 1
) known on true
where known.colour is distinct from i.colour
order by i.day
