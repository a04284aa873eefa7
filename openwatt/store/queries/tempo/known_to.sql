-- The last day whose Tempo colour is known.
select max(day) as day from tempo_days
