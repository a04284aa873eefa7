"""The figures of a summary, as its JSON gives them; a picture and a table are made of the same."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct

#: What savings are counted from: regulated Base of the home's power, or the regulated tariff of the option.
Against = Literal["base", "option"]
#: What savings are of: a year of 365 days, or the days of each home's bills.
SavingsPeriod = Literal["year", "span"]
#: The column and value of each of a group's properties; None is unknown.
GroupKey = Mapping[str, str | None]


class CheapestOffer(Struct, frozen=True):
    """A contract that is the cheapest of so many homes; the share is of those whose cheapest is known."""

    supplier: str
    offer: str
    option: str
    homes: int
    share_percent: Decimal


class QuantileOfSavings(Struct, frozen=True):
    """The smallest saving that at least so many hundredths of the homes do not exceed."""

    percent: Decimal
    eur: Decimal


class GroupSavings(Struct, frozen=True):
    """What the homes of a group would save with their cheapest contracts; negative where they would pay more.

    The share is of those that have a figure, `homes`.
    """

    homes: int
    would_save: int
    would_save_percent: Decimal
    mean_eur: Decimal
    sum_eur: Decimal
    quantiles: Sequence[QuantileOfSavings]


class GroupFigures(Struct, frozen=True):
    """One line of a summary: `group` is None for all homes and for groups without a line of their own.

    Homes without a figure are `failed`, have no whole contract in their ranking
    (`unranked`), or have a cheapest contract that cannot be compared (`uncompared`).
    `savings` is None where no home has a figure.
    """

    group: GroupKey | None
    merged_groups: int
    homes: int
    failed: int
    unranked: int
    uncompared: int
    closed_to_new_customers: int
    cheapest: Sequence[CheapestOffer]
    savings: GroupSavings | None


class SummaryDays(Struct, frozen=True):
    """The days that bills are of, `end` excluded, and how many the shortest and the longest have."""

    start: dt.date
    end: dt.date
    fewest: int
    most: int


class PortfolioSummary(Struct, frozen=True):
    """The figures of all groups, and what they rest on.

    `made_on` and `market` (its checksum) are those of the run, where the results say them.
    `homes_without_group` are not in the file of groups, `groups_without_home` only there.
    """

    made_on: dt.date | None
    market: str | None
    against: Against
    period: SavingsPeriod
    days: SummaryDays | None
    by: Sequence[str]
    percents: Sequence[Decimal]
    least_homes: int
    total: GroupFigures
    groups: Sequence[GroupFigures]
    others: GroupFigures | None
    unknown_homes: int = 0
