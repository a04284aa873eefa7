import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwatt.domain.errors import OffPeakError
from openwatt.domain.legal_time import MINUTES_PER_DAY, Span
from openwatt.domain.off_peak import (
    SUMMER_MONTHS,
    WINTER_MONTHS,
    HourRange,
    OffPeakHours,
    parse_hour_ranges,
    parse_off_peak_hours,
    parse_off_peak_text,
    unsaid_day,
)
from openwatt.sentences.catalogue import sentence

NIGHT = "22:00-06:00"


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
        # As real bills and customers write them.
        ("de 23h30 à 07h30", [(1410, 450)]),
        ("22h30 à 06h30 et de 12h30 à 14h30", [(750, 870), (1350, 390)]),
        ("Heures creuses : 22h30 - 6h30", [(1350, 390)]),
        ("22H30/6H30", [(1350, 390)]),
        ("1h/7h30 & 13h/14h30", [(60, 450), (780, 870)]),
        ("22h30-6h30 / 12h30-14h30", [(750, 870), (1350, 390)]),
        ("22h30-6h30 puis 12h30-14h30", [(750, 870), (1350, 390)]),
        ("22h30 -> 6h30", [(1350, 390)]),
        ("22h30 → 6h30", [(1350, 390)]),
        ("22h30\u00a0–\u202f6h30", [(1350, 390)]),
        ("entre 22h et 6h", [(22 * 60, 6 * 60)]),
        ("from 22:00 to 06:00", [(22 * 60, 6 * 60)]),
        ("de minuit à 6h, de midi à 14h", [(0, 6 * 60), (12 * 60, 14 * 60)]),
        ("22h30 min - 6h30 min", [(1350, 390)]),
        ("22:00:00-05:59:59", [(22 * 60, 6 * 60)]),
        # The last minute within, not the first after; but a range may begin and end at any minute.
        ("22h00-23h59, 00h00-06h00", [(0, 6 * 60), (22 * 60, 24 * 60)]),
        ("1h59-7h59, 13h59-15h59", [(119, 479), (839, 959)]),
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
        ("22:00-06:00-12:00-14:00", "'12:00' in '22:00-06:00-12:00-14:00' is not a range"),
        ("22h-6h sauf dimanche", "'sauf dimanche' in '22h-6h sauf dimanche' is not a range"),
        ("heures pleines 6h-22h", "'heures pleines' in"),
        ("22h et 6h", "'22h' in '22h et 6h' is not a range"),
        ("22h-6h, 12h", "'12h' in '22h-6h, 12h' is not a range"),
        ("été hiver 22h-6h", "names two seasons for the same hours"),
        ("01/11/2025 22h-6h", "does not say whether its hours hold from or to 01/11/2025"),
        ("from 31/02/2025 22h-6h", "'31/02/2025' in 'from 31/02/2025 22h-6h' is no day"),
        ("été 2h-6h, hiver 22h-6h", "names the hours of several seasons or dates"),
        ("été :", "no off-peak hours in"),
        ("\u0130 22h-6h", "is not a range"),
    ],
)
def test_wrong_off_peak_hours_are_refused_with_the_reason(printed: str, reason: str) -> None:
    with pytest.raises(OffPeakError) as refusal:
        parse_off_peak_hours(printed)
    assert reason in sentence(refusal.value)


def test_off_peak_hours_may_be_dated_and_seasonal() -> None:
    summer = parse_off_peak_hours("summer from 2026-12-01: HC (2H00-6H00;11h00-15h00)")
    assert summer.months == SUMMER_MONTHS == set(range(4, 11))
    assert (summer.applies_from, summer.applies_to) == (dt.date(2026, 12, 1), None)
    assert parse_off_peak_hours("hiver 22:30-06:30").months == WINTER_MONTHS


@pytest.mark.parametrize(
    ("printed", "entries"),
    [
        (
            "ete 2h-6h et 11h-15h ; hiver 22h30-6h30",
            [("summer", "02:00-06:00; 11:00-15:00"), ("winter", "22:30-06:30")],
        ),
        ("22h-6h l'hiver, 2h-10h l’été", [("winter", NIGHT), ("summer", "02:00-10:00")]),
        (
            """Heures creuses été (du 1er avril au 31 octobre) : de 02h00 à 06h00 et de 11h00 à 15h00.
            Heures creuses hiver (du 1er novembre au 31 mars) : de 22h30 à 06h30.""",
            [("summer", "02:00-06:00; 11:00-15:00"), ("winter", "22:30-06:30")],
        ),
        (
            "avril à octobre 2h-10h\n01/11 au 31/03 22h-6h",
            [("summer", "02:00-10:00"), ("winter", NIGHT)],
        ),
        ("from 01/11/2025 22h-6h", [("from 2025-11-01", "22:00-06:00")]),
        (
            "22h-6h puis à partir du 1er décembre 2026 : 1h-9h",
            [("", "22:00-06:00"), ("from 2026-12-01", "01:00-09:00")],
        ),
        ("22h-6h jusqu'au 30/11/2026", [("to 2026-11-30", "22:00-06:00")]),
        ("du 01/11/2025 au 31/10/2026 : 22h-6h", [("from 2025-11-01 to 2026-10-31", "22:00-06:00")]),
        # A date before the first season is of all of them, one after a season is its own.
        (
            "à partir du 01/12/2026, été : 2h-10h, hiver : 22h-6h",
            [("summer from 2026-12-01", "02:00-10:00"), ("winter from 2026-12-01", "22:00-06:00")],
        ),
        (
            "été à partir du 01/12/2026 : 2h-10h, hiver : 22h-6h",
            [("summer from 2026-12-01", "02:00-10:00"), ("winter", NIGHT)],
        ),
        (
            "22:00-06:00; winter from 2026-12-01 1h-9h",
            [("", "22:00-06:00"), ("winter from 2026-12-01", "01:00-09:00")],
        ),
    ],
)
def test_one_text_may_hold_the_hours_of_both_seasons_and_of_days_of_change(
    printed: str, entries: list[tuple[str, str]]
) -> None:
    assert [described(entry) for entry in parse_off_peak_text(printed)] == entries


def described(entry: OffPeakHours) -> tuple[str, str]:
    """When an entry applies, in the words of the API, and its ranges."""
    season = {SUMMER_MONTHS: ["summer"], WINTER_MONTHS: ["winter"]}.get(entry.months, [])
    days = [f"{word} {day}" for word, day in (("from", entry.applies_from), ("to", entry.applies_to)) if day]
    return " ".join([*season, *days]), str(entry)


TIMES = st.integers(0, MINUTES_PER_DAY - 1)
#: One way to write a time, a range's middle, what stands between ranges, and what stands around them.
WRITTEN = st.sampled_from(["{:02}h{:02}", "{}H{:02}", "{:02}:{:02}", "{} h {:02}"])
MIDDLES = st.sampled_from(["-", " - ", " à ", "/", " / ", "->", " – ", " to ", " jusqu’à "])
BETWEEN = st.sampled_from([";", " ; ", ", ", " et ", " + ", " & ", " / ", " puis ", " et de ", "\n"])
AROUND = st.sampled_from(["{}", "HC ({})", "Heures creuses : {}", "de {}", "{}."])
WHEN = st.sampled_from(["", "été : ", "winter ", "from 2025-11-01 ", "hiver à partir du 01/12/2026 : "])


@given(st.lists(TIMES, min_size=2, max_size=8, unique=True), WRITTEN, MIDDLES, BETWEEN, AROUND, WHEN)
def test_hours_mean_the_same_however_they_are_written(
    times: list[int], written: str, middle: str, between: str, around: str, when: str
) -> None:
    # Neighbours of sorted times are ranges that do not overlap; the last may cross midnight.
    ends = sorted(times[: len(times) // 2 * 2])
    ends = [*ends[1:], ends[0]]
    pairs = list(zip(ends[::2], ends[1::2], strict=True))
    text = between.join(middle.join(written.format(*divmod(one, 60)) for one in pair) for pair in pairs)
    (entry,) = parse_off_peak_text(when + around.format(text))
    expected = {m for one in pairs for m in minutes(*one)}
    assert {m for one in entry.ranges for m in range(MINUTES_PER_DAY) if m in one} == expected
    assert entry.length_min == len(expected)
    assert parse_off_peak_text(" ".join(described(entry))) == (entry,)


def minutes(start: int, end: int) -> set[int]:
    """The minutes of a range as it is meant: an end at the last minute of an hour lies within."""
    end += end % 60 == 59 and start % 60 != 59
    return {
        minute % MINUTES_PER_DAY for minute in range(start, end if end > start else end + MINUTES_PER_DAY)
    }


@given(
    st.text(st.sampled_from([*"0123456789hH:-/;, \n.()é", *map(chr, (0x130, 0x661, 0x2009))]), max_size=40)
)
def test_any_text_gives_hours_of_one_day_or_a_reason(text: str) -> None:
    try:
        entries = parse_off_peak_text(text)
    except OffPeakError:
        return
    assert all(0 < entry.length_min <= MINUTES_PER_DAY for entry in entries)


@pytest.mark.parametrize(
    ("texts", "day"),
    [
        (["22h-6h"], None),
        (["été 2h-10h"], dt.date(2026, 11, 1)),
        (["été 2h-10h", "hiver 22h-6h"], None),
        (["from 2026-10-15 22h-6h"], dt.date(2026, 10, 1)),
        (["22h-6h", "from 2026-10-15 23h-7h"], None),
        (["to 2026-11-10 22h-6h", "from 2026-11-12 23h-7h"], dt.date(2026, 11, 11)),
    ],
)
def test_a_day_without_hours_is_found(texts: list[str], day: dt.date | None) -> None:
    span = Span(dt.date(2026, 10, 1), dt.date(2026, 12, 1))
    assert unsaid_day([one for text in texts for one in parse_off_peak_text(text)], span) == day


def test_a_range_over_midnight_excludes_its_end() -> None:
    night = HourRange(22 * 60 + 30, 6 * 60 + 30)
    assert night.length_min == 8 * 60
    assert [minute in night for minute in (1349, 1350, 0, 389, 390)] == [False, True, True, True, False]
