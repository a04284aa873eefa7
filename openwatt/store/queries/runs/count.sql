-- How often each outcome came of each source's runs.
select source, outcome, count(*) as runs from runs group by source, outcome
