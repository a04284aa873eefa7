-- Takes the next turn of requests to a host and returns how many seconds to wait for it.
insert into fetch_turns as turns (host, next_at)
values (%(host)s, clock_timestamp() + make_interval(secs => %(interval_s)s))
on conflict (host) do update
    set next_at = greatest(clock_timestamp(), turns.next_at) + make_interval(secs => %(interval_s)s)
returning greatest(0, extract(epoch from
    next_at - make_interval(secs => %(interval_s)s) - clock_timestamp()))::float8 as wait_s
