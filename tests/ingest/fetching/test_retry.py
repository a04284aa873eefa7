import datetime as dt
from email.utils import format_datetime
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwatt.ingest.fetching.retry import TransientError, generate_waits, parse_retry_after

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


@given(st.integers(0, 10**9))
def test_a_number_of_seconds_is_that_wait(seconds: int) -> None:
    assert parse_retry_after(str(seconds), NOW) == seconds
    assert parse_retry_after(f"  {seconds} ", NOW) == seconds


@given(st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2090, 1, 1), timezones=st.just(dt.UTC)))  # noqa: DTZ001 - bounds are naive
def test_a_day_and_hour_is_the_wait_until_then(moment: dt.datetime) -> None:
    moment = moment.replace(microsecond=0)
    expected = max((moment - NOW).total_seconds(), 0)
    assert parse_retry_after(format_datetime(moment, usegmt=True), NOW) == expected
    assert parse_retry_after(moment.strftime("%a %b %d %H:%M:%S %Y"), NOW) == expected, (
        "the old form of asctime"
    )


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "1e3", "١٢", "Sun, 99 Nov 2026", "+10"])
def test_what_cannot_be_understood_asks_for_nothing(header: str | None) -> None:
    assert parse_retry_after(header, NOW) is None


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ .{0,6}"))
def test_whatever_is_sent_is_a_wait_or_nothing(header: str) -> None:
    seconds = parse_retry_after(header, NOW)
    assert seconds is None or seconds >= 0


def test_a_wait_without_end_is_still_a_number() -> None:
    assert parse_retry_after("9" * 5000, NOW) == 1e9


def drawn(*, asked: float | None, count: int = 8) -> list[float]:
    wait = generate_waits(first_s=2.0, longest_s=60.0)
    next(wait)
    fault = TransientError("fault", retry_after_s=asked)
    return [wait.send(fault) for _ in range(count)]


def test_waits_grow_from_anywhere_below_twice_the_last_to_a_longest() -> None:
    ceilings = [2, 4, 8, 16, 32, 60, 60, 60]
    runs = [drawn(asked=None) for _ in range(300)]
    for run in runs:
        assert all(0 <= wait <= ceiling for wait, ceiling in zip(run, ceilings, strict=True))
    for index, ceiling in enumerate(ceilings):
        column = [run[index] for run in runs]
        assert min(column) < 0.1 * ceiling, "full jitter begins at none"
        assert max(column) > 0.9 * ceiling


def test_what_a_server_asks_for_is_a_floor() -> None:
    found = list(islice(drawn(asked=30.0), 8))
    assert found
    assert min(found) >= 30.0
    assert len(set(found)) == len(found), "who were told the same do not come back together"
