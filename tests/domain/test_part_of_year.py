"""What a span that is no year lacks, and from when a yearly figure is made of it."""

import datetime as dt

import pytest

from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import Coverage
from openwatt.domain.part_of_year import part_of_year, stands_for_a_year

DAY = dt.date(2025, 9, 1)


def measured(span: Span, percent: int = 100) -> Coverage:
    expected = span.end_min - span.start_min
    return Coverage(expected, expected * percent // 100)


@pytest.mark.parametrize(
    ("days", "percent", "stands"),
    [
        (365, 100, True),
        (345, 100, True),
        (344, 100, False),
        (365, 90, True),
        (365, 89, False),
        (730, 89, False),
    ],
)
def test_a_span_stands_for_a_year_when_nearly_all_of_one_was_measured(
    days: int, percent: int, stands: int
) -> None:
    span = Span(DAY, DAY + dt.timedelta(days=days))
    assert stands_for_a_year(span, measured(span, percent)) == stands
    assert (part_of_year(span, measured(span, percent), {}) is None) == stands


@pytest.mark.parametrize(
    ("start", "end", "missing"),
    [
        ("2026-06-01", "2026-06-08", ("winter", "spring", "autumn")),
        ("2026-01-26", "2026-02-09", ("spring", "summer", "autumn")),
        ("2025-11-30", "2025-12-02", ("spring", "summer")),
        ("2025-12-01", "2026-09-02", ()),
    ],
)
def test_the_seasons_without_a_day_are_named(start: str, end: str, missing: tuple[str, ...]) -> None:
    span = Span(dt.date.fromisoformat(start), dt.date.fromisoformat(end))
    part = part_of_year(span, measured(span, 50), {"TEMPO": ("ROUGE_HP",)})
    assert part is not None
    assert (part.days, part.measured_percent) == (span.days, 50)
    assert part.missing_seasons == missing
    assert part.unseen == {"TEMPO": ("ROUGE_HP",)}
