-- The offers whose source fails or was refused: those of the newest run of each declared source.
select s.supplier, named.offer, s.outcome, s.failures_in_a_row
from source_states s cross join lateral unnest(s.offers) as named(offer)
where s.failures_in_a_row > 0 and s.source = any(%(declared)s::text[])
