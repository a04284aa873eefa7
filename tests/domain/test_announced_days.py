"""Which days EJP's and Zen Flex's known announcements cover, and what a meter then does."""

import csv
import datetime as dt
from collections import Counter

import pytest

from openwatt.catalogue.calendars import calendar_for
from openwatt.catalogue.market import shipped_colours, shipped_words
from openwatt.catalogue.shipped_facts import shipped_tempo_colours
from openwatt.domain.announced_days import AnnouncedDays, winters_of, words_by_day
from openwatt.domain.calendar import Home, lay_out
from openwatt.domain.legal_time import PARIS, Span, minutes_of
from tests.shared_data import SHARED, needs_shared_data


def registers(option: str, *stamps: str, home: Home | None = None) -> list[str | None]:
    found = []
    for stamp in stamps:
        instant = dt.datetime.fromisoformat(stamp).replace(tzinfo=PARIS)
        span = Span(instant.date(), instant.date() + dt.timedelta(days=1))
        line = lay_out(
            calendar_for(option), home or Home(colours=shipped_colours()), span.start_min, span.end_min
        )
        found.append(line.register_at(minutes_of(instant)))
    return found


@needs_shared_data
@pytest.mark.parametrize(
    ("option", "file", "column", "word"),
    [
        ("EJP", "ejp_days.csv", "colour", "PM"),
        ("ZEN_FLEX", "zenflex_sobriety_days.csv", "kind", "SOBRIETE"),
    ],
)
def test_every_announced_day_is_shipped_and_no_other_one(
    option: str, file: str, column: str, word: str
) -> None:
    with (SHARED / "tempo" / file).open(encoding="utf-8", newline="") as lines:
        given = {dt.date.fromisoformat(row["date"]): row[column] for row in csv.DictReader(lines)}
    assert len(given) > 60
    assert {day: said for day, said in shipped_words()[option].items() if said == word} == given


@needs_shared_data
def test_the_colours_of_2026_are_those_that_are_shipped_and_later_days_have_none() -> None:
    shipped = {day.date: day.colour for day in shipped_tempo_colours()}
    with (SHARED / "tempo/tempo_2026.csv").open(encoding="utf-8", newline="") as lines:
        rows = {dt.date.fromisoformat(row["date"]): row["colour"] for row in csv.DictReader(lines)}
    assert len(rows) >= 80
    assert {day: shipped.get(day, "") for day in rows} == rows
    assert max(shipped) == dt.date(2026, 10, 3)


def test_each_known_winter_of_ejp_has_its_22_peak_days() -> None:
    winters = Counter(
        day.year - (day.month < 8) for day, word in shipped_words()["EJP"].items() if word == "PM"
    )
    assert winters == dict.fromkeys(range(2020, 2026), 22)


def test_a_peak_day_comes_out_of_the_box_and_lasts_until_one_at_night() -> None:
    # 2026-03-16 is the last peak day known, a Monday.
    stamps = ("2026-03-16T06:59", "2026-03-16T07:00", "2026-03-17T00:59", "2026-03-17T01:00")
    assert registers("EJP", *stamps) == ["HN", "PM", "PM", "HN"]


def test_summer_needs_no_announcement_and_a_winter_day_after_the_last_known_one_has_no_register() -> None:
    assert registers("EJP", "2026-03-31T23:00", "2026-04-01T06:00", "2026-10-31T12:00") == ["HN"] * 3
    # The day of 31 October ends at 07:00.
    assert registers("EJP", "2026-11-01T06:59", "2026-11-01T07:00", "2026-12-01T03:00") == ["HN", None, None]
    assert registers("EJP", "2020-03-01T12:00", "2035-07-01T12:00") == [None, "HN"]
    assert registers("ZEN_FLEX", "2026-09-30T12:00", "2026-10-01T12:00", "2026-07-01T03:00") == [
        "ECO_HP",
        None,
        "ECO_HC",
    ]


def test_a_sobriety_day_comes_out_of_the_box() -> None:
    assert registers("ZEN_FLEX", "2026-03-26T09:00", "2026-03-26T14:00", "2026-03-27T09:00") == [
        "SOBRIETE_HP",
        "SOBRIETE_HC",
        "ECO_HP",
    ]


def test_given_peak_days_decide_for_their_winter_alone() -> None:
    words = {**shipped_words()["EJP"], **winters_of([dt.date(2026, 11, 3)])}
    home = Home(colours={"EJP": words})
    stamps = ("2026-11-02T12:00", "2026-11-03T12:00", "2027-03-31T12:00", "2026-03-16T12:00")
    assert registers("EJP", *stamps, home=home) == ["HN", "PM", "HN", "PM"]
    assert registers("EJP", "2027-11-01T12:00", home=home) == [None]


def test_of_two_ranges_the_shorter_one_names_a_day() -> None:
    day = dt.date(2025, 1, 2)
    ranges = [
        AnnouncedDays(option="EJP", first_day=day, last_day=day, word="PM", sources=()),
        AnnouncedDays(
            option="EJP", first_day=dt.date(2025, 1, 1), last_day=dt.date(2025, 1, 3), word="HN", sources=()
        ),
    ]
    assert list(words_by_day(ranges)["EJP"].values()) == ["HN", "PM", "HN"]
