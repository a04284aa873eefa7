-- The colour of every day that somebody has said, as it was last observed, oldest first.
select distinct on (t.day) t.day, t.colour, t.note, t.observed_at, d.url, d.sha256, d.kind, d.title
from tempo_days t
join documents d on d.document_id = t.document_id
order by t.day, t.observed_at desc
