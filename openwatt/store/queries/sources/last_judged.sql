-- When the last look at any source ended, or the last decision on a document was taken; null before the first.
select greatest((select finished_at from runs order by run_id desc limit 1), (select max(decided_at) from reviews)) as at
