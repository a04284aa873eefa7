-- In each line the contracts that are cheapest for the most homes; that of all homes has no number.
with counted as (
    select case when grouping(line) = 0 then line end as line, supplier, offer, option, count(*) as homes
    from lined
    where is_ranked
    group by grouping sets ((line, supplier, offer, option), (supplier, offer, option))
)
select line, supplier, offer, option, homes
from counted
qualify row_number() over (partition by line order by homes desc, supplier, offer, option) <= $most
order by line, homes desc, supplier, offer, option
