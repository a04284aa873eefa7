-- What is counted and added up of each line; that of all homes has no number.
select
    case when grouping(line) = 0 then line end,
    count(*),
    count(*) filter (is_failed),
    count(*) filter (not is_failed and not is_ranked),
    count(*) filter (is_ranked),
    count(*) filter (is_ranked and closed),
    count(saving),
    count(*) filter (saving > 0),
    sum(saving)
from lined
group by grouping sets ((line), ())
