import datetime as dt

import pytest

from openwatt.domain.errors import OffPeakError
from openwatt.domain.off_peak import (
    SUMMER_MONTHS,
    WINTER_MONTHS,
    HourRange,
    parse_hour_ranges,
    parse_off_peak_hours,
)


@pytest.mark.parametrize(
    ("printed", "ranges"),
    [
        ("HC (22H30-6H30)", [(22 * 60 + 30, 6 * 60 + 30)]),
        ("HC (22H00-6H00;12h00-14h00)", [(12 * 60, 14 * 60), (22 * 60, 6 * 60)]),
        ("22:00-06:00", [(22 * 60, 6 * 60)]),
        ("HC (02H00-07H00 + 13H00-16H00)", [(2 * 60, 7 * 60), (13 * 60, 16 * 60)]),
        ("1h56-7h56, 14h26-16h26", [(116, 476), (866, 986)]),
        ("22h-6h", [(22 * 60, 6 * 60)]),
        ("16:00-24:00", [(16 * 60, 24 * 60)]),
    ],
)
def test_printed_off_peak_hours_are_read(printed: str, ranges: list[tuple[int, int]]) -> None:
    assert parse_hour_ranges(printed) == tuple(HourRange(*one) for one in ranges)


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("", "no off-peak hours in ''"),
        ("HC ()", "no off-peak hours"),
        ("the night", "'the night' in 'the night' is not a range of hours; write them as 22:30-06:30"),
        ("22:00", "is not a range of hours"),
        ("25:00-06:00", "25:00 in '25:00-06:00' is no time of day"),
        ("22:60-06:00", "22:60 in"),
        ("24:30-06:00", "24:30 in"),
        ("22:00-22:00", "starts where it ends"),
        ("22:00-06:00;05:00-07:00", "overlap"),
        ("from yesterday 22:00-06:00", "'yesterday' in 'from yesterday 22:00-06:00' is no day"),
        ("from 2026-01-01 to 2025-01-01 22:00-06:00", "end before they begin"),
    ],
)
def test_wrong_off_peak_hours_are_refused_with_the_reason(printed: str, reason: str) -> None:
    with pytest.raises(OffPeakError) as refusal:
        parse_off_peak_hours(printed)
    assert reason in str(refusal.value)


def test_off_peak_hours_may_be_dated_and_seasonal() -> None:
    summer = parse_off_peak_hours("summer from 2026-12-01: HC (2H00-6H00;11h00-15h00)")
    assert summer.months == SUMMER_MONTHS == set(range(4, 11))
    assert (summer.applies_from, summer.applies_to) == (dt.date(2026, 12, 1), None)
    assert parse_off_peak_hours("hiver 22:30-06:30").months == WINTER_MONTHS


def test_a_range_over_midnight_excludes_its_end() -> None:
    night = HourRange(22 * 60 + 30, 6 * 60 + 30)
    assert night.length_min == 8 * 60
    assert [minute in night for minute in (1349, 1350, 0, 389, 390)] == [False, True, True, True, False]
