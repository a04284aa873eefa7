-- The state of every source that was looked at, or of those that are declared.
select source, supplier, offers, outcome, last_look_at, last_success_at, failures_in_a_row, cadence_days,
       reviews_pending
from source_states
where %(declared)s::text[] is null
   or source = any(%(declared)s)
-- The source of `openwatt drill` has a state while a drill lasts, and never longer than an hour.
   or (%(drill)s::boolean and source = 'drill' and outcome = 'unreachable'
       and last_look_at > now() - interval '1 hour')
order by source
