-- Every declared source with its last look and success, the failures since, and how often each outcome came.
select s.source,
       s.outcome,
       extract(epoch from s.last_look_at)::float8 as last_look_at,
       extract(epoch from s.last_success_at)::float8 as last_success_at,
       s.failures_in_a_row,
       s.cadence_days * 86400 as cadence_s,
       s.reviews_pending,
       counted.runs
from source_states s
join (select source, jsonb_object_agg(outcome, runs) as runs
      from (select source, outcome, count(*) as runs from runs group by source, outcome) each_outcome
      group by source) counted using (source)
-- The source of `openwatt drill` is told of while a drill lasts, and never longer than an hour.
where s.source = any(%(declared)s::text[])
   or (s.source = 'drill' and s.outcome = 'unreachable' and s.last_look_at > now() - interval '1 hour')
order by s.source
