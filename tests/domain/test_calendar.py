import datetime as dt

import numpy as np
import pytest

from openwatt.catalogue.calendars import calendar_for
from openwatt.domain.announced_days import winters_of
from openwatt.domain.calendar import Home, RegisterCalendar, RegisterRule, Timeline, lay_out
from openwatt.domain.errors import CalendarError, SpanError
from openwatt.domain.legal_time import PARIS, Span, day_number, minutes_of
from openwatt.domain.off_peak import HourRange, parse_off_peak_hours
from openwatt.domain.tariff import OPTIONS
from tests.sentences.refusals import refused

RED = dt.date(2025, 1, 14)
COLOURS = {
    RED - dt.timedelta(days=1): "BLANC",
    RED: "ROUGE",
    RED + dt.timedelta(days=1): "BLEU",
}
HOME = Home(
    (parse_off_peak_hours("22:30-06:30"),),
    chosen_weekday=2,
    colours={
        "TEMPO": COLOURS,
        "OCTOTEMPO": COLOURS,
        "EJP": winters_of([RED]),
        "ZEN_FLEX": {**dict.fromkeys(COLOURS, "ECO"), RED: "SOBRIETE"},
    },
)


def timeline(option: str, day: dt.date, home: Home = HOME, days: int = 2) -> Timeline:
    span = Span(day, day + dt.timedelta(days=days))
    return lay_out(calendar_for(option), home, span.start_min, span.end_min)


def register(option: str, local: str, home: Home = HOME) -> str | None:
    instant = dt.datetime.fromisoformat(local)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=PARIS)
    return timeline(option, instant.date(), home).register_at(minutes_of(instant))


def test_a_red_day_starts_at_six_and_ends_at_six_the_next_morning() -> None:
    hours = {
        "2025-01-14T05:59": "BLANC_HC",
        "2025-01-14T06:00": "ROUGE_HP",
        "2025-01-14T21:59": "ROUGE_HP",
        "2025-01-14T22:00": "ROUGE_HC",
        "2025-01-15T00:00": "ROUGE_HC",
        "2025-01-15T05:59": "ROUGE_HC",
        "2025-01-15T06:00": "BLEU_HP",
    }
    assert {local: register("TEMPO", local) for local in hours} == hours


def test_tempo_ignores_the_off_peak_hours_of_the_home() -> None:
    assert register("HPHC", "2025-01-14T22:15") == "HP"
    assert register("TEMPO", "2025-01-14T22:15") == "ROUGE_HC"


def test_a_day_without_a_colour_is_unknown_and_not_guessed() -> None:
    assert register("TEMPO", "2025-01-16T05:59") == "BLEU_HC"
    assert register("TEMPO", "2025-01-16T06:00") is None


def test_off_peak_hours_change_at_the_half_hour() -> None:
    hours = {"22:29": "HP", "22:30": "HC", "00:00": "HC", "06:29": "HC", "06:30": "HP"}
    assert {hour: register("HPHC", f"2025-01-14T{hour}") for hour in hours} == hours


def test_off_peak_hours_may_start_at_any_minute() -> None:
    home = Home((parse_off_peak_hours("1h56-7h56;14h26-16h26"),))
    assert register("HPHC", "2025-06-01T01:55", home) == "HP"
    assert register("HPHC", "2025-06-01T01:56", home) == "HC"
    assert register("HPHC", "2025-06-01T16:26", home) == "HP"


def test_dated_off_peak_hours_replace_the_older_from_their_day() -> None:
    home = Home(
        (
            parse_off_peak_hours("22:00-06:00"),
            parse_off_peak_hours("from 2025-11-20 to 2026-01-31 13:00-21:00"),
        )
    )
    assert register("HPHC", "2025-11-19T23:00", home) == "HC"
    assert register("HPHC", "2025-11-20T14:00", home) == "HC"
    assert register("HPHC", "2025-11-20T23:00", home) == "HP"
    assert register("HPHC", "2026-02-01T23:00", home) == "HC"
    ended = Home(
        (
            parse_off_peak_hours("to 2025-11-19 22:00-06:00"),
            parse_off_peak_hours("from 2025-11-20 02:00-06:00"),
        )
    )
    assert register("HPHC", "2025-11-19T23:00", ended) == "HC"
    assert register("HPHC", "2025-11-20T23:00", ended) == "HP"


def test_seasonal_off_peak_hours_change_on_the_first_of_april_and_of_november() -> None:
    home = Home(
        (parse_off_peak_hours("winter 22:00-06:00"), parse_off_peak_hours("summer 11:00-17:00;04:00-06:00"))
    )
    hours = {
        "2027-03-31T23:59": "HC",
        "2027-04-01T00:00": "HP",
        "2027-04-01T12:00": "HC",
        "2027-10-31T12:00": "HC",
        "2027-11-01T12:00": "HP",
    }
    assert {local: register("HPHC", local, home) for local in hours} == hours


def test_an_ejp_peak_day_runs_from_seven_to_one_at_night() -> None:
    hours = {"14T06:59": "HN", "14T07:00": "PM", "15T00:59": "PM", "15T01:00": "HN", "15T07:00": "HN"}
    assert {hour: register("EJP", f"2025-01-{hour}") for hour in hours} == hours


def test_the_week_end_starts_on_saturday_at_midnight() -> None:
    hours = {
        "2025-01-17T23:59": "SEM",
        "2025-01-18T00:00": "WE",
        "2025-01-19T23:59": "WE",
        "2025-01-20T00:00": "SEM",
    }
    assert {local: register("WEEKEND", local) for local in hours} == hours
    assert register("WEEKEND_HPHC", "2025-01-18T12:00") == "WE"
    assert register("WEEKEND_HPHC", "2025-01-17T23:59") == "HC"


def test_a_chosen_weekday_joins_the_week_end() -> None:
    wednesday, thursday = "2025-01-15T12:00", "2025-01-16T12:00"
    assert [register("WEEKEND_PLUS", local) for local in (wednesday, thursday)] == ["WE", "SEM"]


def test_the_seasonal_option_has_its_winter_from_november_to_march() -> None:
    hours = {
        "2025-10-31T23:59": "HCB",
        "2025-11-01T00:00": "HCH",
        "2026-03-31T12:00": "HPH",
        "2026-04-01T12:00": "HPB",
    }
    assert {local: register("SAISON", local) for local in hours} == hours


def test_super_off_peak_lies_inside_off_peak() -> None:
    hours = {"01:59": "HC", "02:00": "HSC", "05:59": "HSC", "06:00": "HC", "06:30": "HP"}
    assert {hour: register("SUPER_CREUSES", f"2025-01-14T{hour}") for hour in hours} == hours


@pytest.mark.parametrize(
    ("option", "offer", "registers"),
    [
        (
            "SUPER_CREUSES",
            ("TotalEnergies", "Charge'Heures"),
            {"01-14T22:59": "HP", "01-14T23:00": "HC", "01-15T02:00": "HSC", "01-15T06:30": "HC"},
        ),
        (
            "SAISON",
            ("Enercoop", "Flexibilité 2 saisons"),
            {"01-14T06:59": "HCH", "01-14T07:00": "HPH", "01-14T15:59": "HCH", "01-18T18:00": "HCH"}
            | {"07-14T06:59": "HPB", "07-14T11:00": "HCB", "07-14T17:00": "HPB", "07-13T18:00": "HCB"},
        ),
        (
            "SAISON_SUPER_CREUSES",
            ("EDF", "Zen Estival"),
            {"01-14T06:59": "HIVER_HSC", "01-14T11:00": "HIVER_HC", "01-14T18:00": "HIVER_HP"}
            | {"07-14T22:00": "ETE_HC", "07-14T11:00": "ETE_HSC", "07-14T18:00": "ETE_HP"},
        ),
        (
            "SAISON_SUPER_CREUSES",
            ("Alterna", "Heures Super Creuses"),
            {"01-14T22:30": "HIVER_HP", "01-14T23:00": "HIVER_HSC", "07-14T22:30": "ETE_HP"},
        ),
        (
            "ZEN_FLEX",
            ("EDF", "Zen Week-End Option Flex"),
            {"01-14T07:59": "SOBRIETE_HC", "01-14T08:00": "SOBRIETE_HP", "01-15T12:59": "ECO_HP"}
            | {"01-15T13:00": "ECO_HC", "01-15T19:59": "ECO_HP", "01-15T20:00": "ECO_HC"},
        ),
        (
            "OCTOTEMPO",
            ("Octopus Energy", "OctoTempo"),
            {"01-14T20:59": "ROUGE_HP", "01-14T21:00": "ROUGE_HC", "01-15T12:00": "HIVER_HP"}
            | {"01-16T12:00": None, "07-14T16:59": "ETE_HC", "07-14T17:00": "ETE_HP"},
        ),
    ],
)
def test_an_offer_may_have_hours_of_its_own(
    option: str, offer: tuple[str, str], registers: dict[str, str | None]
) -> None:
    calendar = calendar_for(option, *offer)
    for local, expected in registers.items():
        instant = dt.datetime.fromisoformat(f"2025-{local}").replace(tzinfo=PARIS)
        span = Span(instant.date(), instant.date() + dt.timedelta(days=1))
        laid = lay_out(calendar, HOME, span.start_min, span.end_min)
        assert laid.register_at(minutes_of(instant)) == expected, local


@pytest.mark.parametrize(
    ("day", "half_hours"),
    [(dt.date(2025, 3, 30), 46), (dt.date(2025, 6, 1), 48), (dt.date(2025, 10, 26), 50)],
)
def test_days_of_a_clock_change_have_46_or_50_half_hours(day: dt.date, half_hours: int) -> None:
    span = Span(day, day + dt.timedelta(days=1))
    assert span.end_min - span.start_min == half_hours * 30
    base = timeline("BASE", day, days=1)
    assert set(base.day_numbers.tolist()) == {day_number(day)}


def test_both_two_thirty_of_autumn_are_off_peak_and_the_hour_that_spring_skips_is_none() -> None:
    home = Home((parse_off_peak_hours("02:30-03:00"),))
    autumn = timeline("HPHC", dt.date(2025, 10, 26), home, days=1)
    spring = timeline("HPHC", dt.date(2025, 3, 30), home, days=1)
    lengths = [
        int(np.diff(one.bounds_min)[one.numbers == one.registers.index("HC")].sum())
        for one in (autumn, spring)
    ]
    assert lengths == [60, 0]
    assert register("HPHC", "2025-10-26T02:30+02:00", home) == "HC"
    assert register("HPHC", "2025-10-26T02:00+01:00", home) == "HP"
    assert register("HPHC", "2025-10-26T02:30+01:00", home) == "HC"


def test_every_option_has_a_shipped_calendar_that_names_all_its_registers() -> None:
    assert OPTIONS
    for option, registers in OPTIONS.items():
        calendar = calendar_for(option)
        assert calendar.registers == registers
        assert {rule.register for rule in calendar.rules} == set(registers)
        assert calendar.source


@pytest.mark.parametrize(
    ("option", "home", "reason"),
    [
        ("HPHC", Home(), "option HPHC needs the home's off-peak hours"),
        ("TEMPO", Home(), "option TEMPO needs the announced days"),
        ("WEEKEND_PLUS", Home(), "needs the weekday that the customer chose"),
    ],
)
def test_what_a_calendar_needs_and_a_home_does_not_say_is_named(option: str, home: Home, reason: str) -> None:
    with refused(CalendarError, match=reason):
        timeline(option, RED, home)


def test_a_calendar_that_contradicts_itself_names_every_fault() -> None:
    with pytest.raises(CalendarError) as refusal:
        RegisterCalendar(
            option="HPHC",
            rules=(
                RegisterRule(register="HX", off_peak=True),
                RegisterRule(register="HC", hours=(HourRange(0, 60),)),
            ),
            day_starts_min=360,
        )
    assert "HX is no register of HPHC; no rule names HP; a home's off-peak hours" in str(refusal.value)


def test_moments_before_a_calendar_applies_have_no_register() -> None:
    assert register("WEEKEND_PLUS", "2019-06-19T12:00") is None
    assert register("WEEKEND_PLUS", "2019-06-20T12:00") == "SEM"


def test_a_moment_outside_a_timeline_and_an_empty_span_are_refused() -> None:
    with pytest.raises(CalendarError, match="outside the timeline"):
        timeline("BASE", RED).register_at(0)
    with refused(SpanError, match="holds no day"):
        Span(RED, RED)
    with pytest.raises(CalendarError, match="end after its start"):
        lay_out(calendar_for("BASE"), HOME, 10, 10)


def test_a_span_is_cut_at_the_first_of_each_month() -> None:
    months = list(Span(dt.date(2024, 12, 15), dt.date(2025, 2, 2)).months())
    assert [(m.start.isoformat(), m.days) for m in months] == [
        ("2024-12-15", 17),
        ("2025-01-01", 31),
        ("2025-02-01", 1),
    ]
