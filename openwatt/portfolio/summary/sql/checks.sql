-- How many homes begin more than once, whether a home's rows are not from the cheapest, and whether
-- outdated prices are ranked among the others: only then do they have savings.
select
    count(*) - count(distinct home_hash),
    coalesce(bool_or(is_disorder), false),
    coalesce(bool_or(is_outdated and coalesce(saving_per_year, saving_over_span) is not null), false)
from homes
