-- The known days from a day on, each as it was last observed, with how many other colours it had before.
select distinct on (t.day) t.day, t.colour, t.observed_at, d.url,
       count(*) over (partition by t.day) - 1 as corrections
from tempo_days t
join documents d using (document_id)
where t.day >= %(since)s
order by t.day, t.observed_at desc
