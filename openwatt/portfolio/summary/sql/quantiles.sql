-- The quantiles of each line: the smallest saving that so many hundredths of its homes do not exceed.
-- Homes are counted by saving, so that the memory is that of the different amounts and not of the homes.
with histogram as (
    select case when grouping(line) = 0 then line end as line, saving, count(*) as homes
    from lined
    where saving is not null
    group by grouping sets ((line, saving), (saving))
),
running as (
    select
        line,
        saving,
        cast(sum(homes) over (partition by line order by saving) as decimal(18, 0)) as up_to,
        cast(sum(homes) over (partition by line) as decimal(18, 0)) as of_all
    from histogram
),
wanted as (select unnest($percents)::decimal(6, 3) as percent)
select line, percent, min(saving)
from running cross join wanted
where up_to * 100 >= of_all * percent
group by line, percent
