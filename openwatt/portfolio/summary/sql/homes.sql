-- One row a home, its first: `openwatt portfolio` writes the contract that it ranks first at the head of each home.
-- What leaves that order, or is a second time the first row of a home, is found by `checks.sql`.
create table homes as
with in_order as (
    select
        home,
        supplier,
        offer,
        option,
        cast(closed_to_new_customers as boolean) as closed,
        cast({saving_per_year} as decimal(18, 2)) as saving_per_year,
        cast({saving_over_span} as decimal(18, 2)) as saving_over_span,
        cast("start" as date) as start_day,
        cast("end" as date) as end_day,
        cast(whole as boolean) is true as is_whole,
        cast({outdated} as boolean) is true as is_outdated,
        cast(total_ttc_eur as decimal(18, 2)) as total,
        case when is_whole and not is_outdated and unseen_registers is null then total end as total_in_order,
        lag(home) over () as home_before,
        lag(total_in_order) over () as total_before,
        home is not distinct from home_before and total_in_order < total_before as is_disorder
        {result_columns}
    from results
)
select
    hash(in_order.home) as home_hash,
    supplier,
    offer,
    option,
    closed,
    start_day,
    end_day,
    saving_per_year,
    saving_over_span,
    supplier is null as is_failed,
    is_whole and total is not null as is_whole,
    is_outdated,
    is_disorder is true as is_disorder
    {columns}
from in_order {joined}
where in_order.home is distinct from home_before or is_disorder
