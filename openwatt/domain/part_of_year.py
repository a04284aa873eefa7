"""What a span that is no year lacks: on less, contracts are ranked for the span itself and not for a year."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import Coverage

#: Twenty days less than a year: what is missing then is at most 6 % of what is scaled to 365 days.
LEAST_YEAR_DAYS = 345
#: Of the half hours of such a span, so many hundredths have to be measured.
LEAST_MEASURED_PERCENT = 90

Season = Literal["winter", "spring", "summer", "autumn"]
#: The seasons of the weather, in which a home's consumption differs: heating, Tempo's red days.
SEASONS: Mapping[Season, frozenset[int]] = {
    "winter": frozenset({12, 1, 2}),
    "spring": frozenset({3, 4, 5}),
    "summer": frozenset({6, 7, 8}),
    "autumn": frozenset({9, 10, 11}),
}


@dataclass(frozen=True, slots=True)
class PartOfYear:
    """A span that cannot stand for a year: its days, the measured part, and the seasons with no day in it.

    `unseen` holds the registers that did not run in the span, by option: Tempo's white
    and red days in a week of June.
    """

    days: int
    measured_percent: int
    missing_seasons: tuple[Season, ...]
    unseen: Mapping[str, Sequence[str]] = field(default_factory=dict)


def stands_for_a_year(span: Span, coverage: Coverage) -> bool:
    """Whether a yearly figure can be made of the totals of a span."""
    measured = coverage.present_min * 100 >= coverage.expected_min * LEAST_MEASURED_PERCENT
    return span.days >= LEAST_YEAR_DAYS and measured


def part_of_year(span: Span, coverage: Coverage, unseen: Mapping[str, Sequence[str]]) -> PartOfYear | None:
    """What a span lacks of a year; None where it can stand for one."""
    if stands_for_a_year(span, coverage):
        return None
    months = {month.start.month for month in span.months()}
    missing = tuple(season for season, of in SEASONS.items() if not months & of)
    return PartOfYear(span.days, coverage.present_min * 100 // coverage.expected_min, missing, unseen)
