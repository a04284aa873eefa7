-- Every source with its last success and how often each outcome came.
select source,
       extract(epoch from max(last_at) filter (where outcome in ('published', 'unchanged')))::float8
           as last_success_at,
       jsonb_object_agg(outcome, runs) as runs
from (select source, outcome, count(*) as runs, max(finished_at) as last_at
      from runs group by source, outcome) counted
group by source
order by source
