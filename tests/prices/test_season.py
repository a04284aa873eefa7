import datetime as dt

import pytest

from openwatt.catalogue.market import shipped_colours
from openwatt.prices.season import count_season, season_span

COLOURS = shipped_colours()["TEMPO"]


@pytest.mark.parametrize(
    ("day", "first", "days"),
    [
        ("2025-08-31", "2024-09-01", 365),
        ("2025-09-01", "2025-09-01", 365),
        ("2024-02-29", "2023-09-01", 366),
    ],
)
def test_a_season_runs_from_september_to_august(day: str, first: str, days: int) -> None:
    span = season_span(dt.date.fromisoformat(day))
    assert span.start == dt.date.fromisoformat(first)
    assert span.days == days


@pytest.mark.parametrize(
    ("on", "used", "left"),
    [
        # Of RTE's calendar: a usual season to its end, in a leap year too.
        ("2025-08-31", (300, 43, 22), (0, 0, 0)),
        ("2024-08-31", (301, 43, 22), (0, 0, 0)),
        # The mild winter of 2019-20 had 18 red days, and 47 white ones in their place.
        ("2020-08-31", (301, 47, 18), (0, 0, 4)),
        # The first day of a season is counted.
        ("2025-09-01", (1, 0, 0), (299, 43, 22)),
    ],
)
def test_days_are_used_and_left(on: str, used: tuple[int, int, int], left: tuple[int, int, int]) -> None:
    season = count_season(COLOURS, dt.date.fromisoformat(on))
    assert tuple(season.used.values()) == used
    assert tuple(season.left.values()) == left
    assert season.unknown == 0


def test_days_without_a_colour_are_counted_apart() -> None:
    season = count_season(COLOURS, dt.date(2026, 11, 28))
    known = [day for day in COLOURS if day >= dt.date(2026, 9, 1)]
    assert sum(season.used.values()) == len(known)
    assert season.unknown == 89 - len(known)  # 30 + 31 + 28 days from September to 28 November
    assert season.unknown > 0
