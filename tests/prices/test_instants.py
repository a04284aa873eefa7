import datetime as dt
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwatt.domain.legal_time import PARIS
from openwatt.prices.instants import InstantError, parse_instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-02-01", "2026-01-31T23:00:00Z"),
        ("2026-07-01", "2026-06-30T22:00:00Z"),
        ("2026-02-01T08:30", "2026-02-01T07:30:00Z"),
        ("2026-02-01t08:30:15", "2026-02-01T07:30:15Z"),
        ("2026-02-01 08:30:15.25", "2026-02-01T07:30:15.25Z"),
        ("2026-02-01T08:30:00Z", "2026-02-01T08:30:00Z"),
        ("2026-02-01T08:30:00-05:00", "2026-02-01T13:30:00Z"),
        # The + of an offset that an address does not write as %2B arrives as a space.
        ("2026-02-01T08:30:00 01:00", "2026-02-01T07:30:00Z"),
        ("2026-02-01T08:30+01:00", "2026-02-01T07:30:00Z"),
        # The hour that exists twice, with its offset.
        ("2026-10-25T02:30+02:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30:00Z"),
        ("2026-10-25T03:00", "2026-10-25T02:00:00Z"),
        ("2026-10-25T01:59", "2026-10-24T23:59:00Z"),
        # What clocks never show is an instant all the same where the offset is said.
        ("2026-03-29T02:30+01:00", "2026-03-29T01:30:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
    ],
)
def test_an_instant_is_read(text: str, instant: str) -> None:
    read = parse_instant(text)
    assert read.tzinfo is PARIS
    assert read.astimezone(dt.UTC) == dt.datetime.fromisoformat(instant)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("2026-03-29T02:00", "instant.skipped"),
        ("2026-03-29T02:59:59", "instant.skipped"),
        ("2026-10-25T02:00", "instant.twice"),
        ("2026-10-25T02:59:59", "instant.twice"),
        ("2026-02-30", "instant.not_in_calendar"),
        ("2026-02-01T24:00", "instant.not_in_calendar"),
        ("2026-02-01T08:60", "instant.not_in_calendar"),
        ("9999-12-31T23:59:00-05:00", "instant.not_in_calendar"),
        ("0001-01-01T00:00:00+05:00", "instant.not_in_calendar"),
        ("2026-02-01T08:30:00+25:00", "instant.not_in_calendar"),
        ("tomorrow", "instant.malformed"),
        ("2026-2-1", "instant.malformed"),
        ("1769930000", "instant.malformed"),
        ("2026-02-01T08", "instant.malformed"),
        ("2026-02-01T08:30:00 CET", "instant.malformed"),
        ("２026-02-01", "instant.malformed"),
    ],
)
def test_what_is_no_instant_says_why(text: str, key: str) -> None:
    with pytest.raises(InstantError) as raised:
        parse_instant(text)
    assert raised.value.message is not None
    assert raised.value.message.key == key
    assert raised.value.malformed == (key == "instant.malformed")


@given(st.integers(0, 15 * 366 * 86400))
def test_what_is_written_with_its_offset_is_read_again(seconds: int) -> None:
    instant = dt.datetime(2012, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    assert parse_instant(instant.astimezone(PARIS).isoformat()) == instant


@given(st.text("0123456789-:TtZz+ .", max_size=30))
def test_any_text_is_an_instant_or_a_fault(text: str) -> None:
    with suppress(InstantError):
        assert parse_instant(text).tzinfo is PARIS
