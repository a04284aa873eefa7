-- The homes that failed, those with a figure for a year and with one for their span, and the days that the ranked homes' bills are of.
select
    count(*) filter (is_failed),
    count(saving_per_year) filter (is_ranked),
    count(saving_over_span) filter (is_ranked),
    min(start_day) filter (is_ranked),
    max(end_day) filter (is_ranked),
    min(end_day - start_day) filter (is_ranked),
    max(end_day - start_day) filter (is_ranked)
from ranked
