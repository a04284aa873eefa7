-- Every source that was ever looked at, with what its runs mean together.
select source, supplier, offers, outcome, last_look_at, last_success_at, failures_in_a_row, cadence_days,
       reviews_pending
from source_states
order by source
