-- Every declared source that was looked at, with what its runs mean together.
select source, supplier, offers, outcome, last_look_at, last_success_at, failures_in_a_row, cadence_days,
       reviews_pending
from source_states
where source = any(%(declared)s::text[])
order by source
