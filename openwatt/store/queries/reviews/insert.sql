insert into reviews (run_id, decision, reviewer, reason, decided_at, published_run_id)
values (%(run_id)s, %(decision)s, %(reviewer)s, %(reason)s, %(decided_at)s, %(published_run_id)s)
