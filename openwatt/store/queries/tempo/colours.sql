-- Every day whose colour somebody has said, as it was last observed.
select distinct on (day) day, colour from tempo_days order by day, observed_at desc
