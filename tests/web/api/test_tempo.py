"""Tempo colours over HTTP: said, or said to be unknown."""

from collections.abc import Callable
from typing import Any

Ask = Callable[..., Any]


def test_a_span_has_a_colour_a_day(ask: Ask) -> None:
    page = ask("/v1/tempo?from=2024-12-30&to=2025-01-15")
    days = page["days"]
    assert (page["from"], page["to"], page["next"]) == ("2024-12-30", "2025-01-15", None)
    assert len(days) == 17
    assert {day["day"]: day["colour"] for day in days}["2025-01-15"] == "ROUGE"
    assert days[0]["source"]["title"]


def test_a_tempo_day_runs_from_six_to_six_by_the_clock(ask: Ask) -> None:
    (day,) = ask("/v1/tempo?from=2025-03-29&to=2025-03-29")["days"]
    assert day["starts_at"] == "2025-03-29T06:00:00+01:00"
    assert day["ends_at"] == "2025-03-30T06:00:00+02:00"  # 23 hours: the clocks went forward


def test_a_colour_that_nobody_has_said_is_unknown(ask: Ask) -> None:
    today, tomorrow = ask("/v1/tempo/today"), ask("/v1/tempo/tomorrow")
    assert (today["day"], today["colour"]) == ("2026-11-22", "unknown")
    assert (tomorrow["day"], tomorrow["colour"], tomorrow["source"]) == ("2026-11-23", "unknown", None)


def test_a_long_span_comes_in_pages(ask: Ask) -> None:
    address = "/v1/tempo?from=2023-09-01&to=2024-08-31&limit=100"
    joined = []
    while address:
        page = ask(address)
        joined += page["days"]
        address = page["next"]
    colours = [day["colour"] for day in joined]
    assert len(colours) == 366
    assert (colours.count("ROUGE"), colours.count("BLANC")) == (22, 43)


def test_only_red_days_of_winter_weekdays_exist(ask: Ask) -> None:
    days = ask("/v1/tempo?from=2025-09-01&to=2026-08-31&limit=1000")["days"]
    red = [day["day"] for day in days if day["colour"] == "ROUGE"]
    assert red
    assert {day[5:7] for day in red} <= {"11", "12", "01", "02", "03"}
