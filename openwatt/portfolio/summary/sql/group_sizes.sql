-- The groups with their homes, those of them that have a cheapest contract, and those that have a figure.
select {columns}count(*), count(*) filter (is_ranked), count({saving}) filter (is_ranked) from ranked group by all
