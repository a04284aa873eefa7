"""The charts of the home page as SVG geometry; the style sheet has the colours."""

import datetime as dt
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from openwatt.domain.bill import Bill, EnergyLine
from openwatt.domain.heat_map import HOURS, HeatMap
from openwatt.domain.legal_time import Span
from openwatt.domain.tariff import OPTIONS

#: Shades of a heat map, from the lightest.
SHADES = 7
_HOUR_HEIGHT = 8
_LEFT = 44
SUBSCRIPTION = "SUBSCRIPTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPicture:
    """Days from left to right, hours from top to bottom; one path for each shade."""

    first: dt.date
    width: int
    height: int
    paths: list[str]
    months: list[tuple[int, dt.date]]
    hours: list[tuple[int, int]]
    bounds_w: list[int]
    """The power from which each shade is used."""


def draw_heat(found: HeatMap) -> HeatPicture:
    """A heat map whose darkest shade begins at a power that 2 % of the hours pass."""
    days = len(found.watts)
    step = max(2, min(24, 720 // max(days, 1)))
    measured = found.watts[found.watts >= 0]
    top = max(int(np.percentile(measured, 98)), SHADES) if len(measured) else SHADES
    bounds = [top * shade // SHADES for shade in range(SHADES)]
    shades = np.where(found.watts < 0, -1, np.minimum(found.watts * SHADES // top, SHADES - 1))
    runs: list[list[str]] = [[] for _ in range(SHADES)]
    for day, row in enumerate(shades.tolist()):
        hour = 0
        while hour < HOURS:
            end = next((one for one in range(hour, HOURS) if row[one] != row[hour]), HOURS)
            if row[hour] >= 0:
                place = f"M{_LEFT + day * step} {hour * _HOUR_HEIGHT}"
                runs[row[hour]].append(f"{place}h{step}v{(end - hour) * _HOUR_HEIGHT}h-{step}z")
            hour = end
    months = [(_LEFT + row * step, found.day(row)) for row in range(days) if found.day(row).day == 1]
    if not months or (months[0][0] - _LEFT) > 60:
        months.insert(0, (_LEFT, found.first))
    return HeatPicture(
        first=found.first,
        width=_LEFT + days * step,
        height=HOURS * _HOUR_HEIGHT,
        paths=["".join(run) for run in runs],
        months=months,
        hours=[(hour * _HOUR_HEIGHT, hour) for hour in (0, 6, 12, 18)],
        bounds_w=bounds,
    )


@dataclass(frozen=True, slots=True)
class ColumnPart:
    """A part of a column: a register, or the subscription, and its EUR."""

    name: str
    amount: Fraction
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class BilledMonth:
    """One month of a bill: EUR by part, and how many days were billed where that is not all of them."""

    month: dt.date
    amounts: Mapping[str, Fraction]
    days: int | None

    @property
    def amount(self) -> Fraction:
        """All its parts."""
        return sum(self.amounts.values(), Fraction(0))


@dataclass(frozen=True, slots=True)
class MonthColumn:
    """One month of a bill as it is drawn."""

    billed: BilledMonth
    x: int
    y: float
    parts: list[ColumnPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class BillColumns:
    """A bill month by month, each month's registers on top of the subscription."""

    width: int
    height: int
    bar: int
    names: list[str]
    months: list[BilledMonth]
    """Every month; `columns` are those of the last two years."""
    columns: list[MonthColumn]
    lines: list[tuple[float, int]]
    """Where the horizontal lines stand, and the EUR they mark."""

    def sum_of(self, name: str) -> Fraction:
        """One part of all months."""
        return sum((one.amounts.get(name, Fraction(0)) for one in self.months), Fraction(0))

    @property
    def total(self) -> Fraction:
        """All parts of all months."""
        return sum((one.amount for one in self.months), Fraction(0))


def draw_bills(bills: Sequence[Bill], height: int = 200, most_months: int = 24) -> list[BillColumns]:
    """The last months of some bills as columns, all on one scale, so that they can be compared by eye."""
    months = [_billed_months(bill) for bill in bills]
    drawn = [found[-most_months:] for found in months]
    highest = max((one.amount for found in drawn for one in found), default=Fraction(0)) or Fraction(1)
    return [
        _draw_bill(bill, every, columns, highest, height)
        for bill, every, columns in zip(bills, months, drawn, strict=True)
    ]


def _billed_months(bill: Bill) -> list[BilledMonth]:
    """The months of a bill that have a known amount, in their order."""
    amounts: dict[dt.date, dict[str, Fraction]] = {}
    days: dict[dt.date, int] = {}
    for line in bill.lines:
        month = line.span.start.replace(day=1)
        name = line.register if isinstance(line, EnergyLine) else SUBSCRIPTION
        if line.amount_ttc is not None:
            parts = amounts.setdefault(month, {})
            parts[name] = parts.get(name, Fraction(0)) + line.amount_ttc
            if name == SUBSCRIPTION:
                days[month] = days.get(month, 0) + line.span.days
    return [
        BilledMonth(month, parts, _part_of(month, days.get(month, 0)))
        for month, parts in sorted(amounts.items())
    ]


def _part_of(month: dt.date, days: int) -> int | None:
    """How many days of a month were billed; None where all were."""
    return days if days < monthrange(month.year, month.month)[1] else None


def _draw_bill(
    bill: Bill, months: list[BilledMonth], drawn: Sequence[BilledMonth], highest: Fraction, height: int
) -> BillColumns:
    names = [SUBSCRIPTION, *OPTIONS[bill.contract.option]]
    step = next(one for one in (5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if highest / one <= 6)
    scale = height / float(highest)
    pitch = max(30, min(64, 720 // max(len(drawn), 1)))
    columns = []
    for index, billed in enumerate(drawn):
        parts, base = [], Fraction(0)
        for name in names:
            amount = billed.amounts.get(name, Fraction(0))
            base += amount
            if amount:
                parts.append(ColumnPart(name, amount, height - float(base) * scale, float(amount) * scale))
        columns.append(MonthColumn(billed, _LEFT + index * pitch, height - float(base) * scale, parts))
    return BillColumns(
        width=_LEFT + len(drawn) * pitch,
        height=height,
        bar=pitch - 8,
        names=[name for name in names if any(one.amounts.get(name) for one in months)],
        months=months,
        columns=columns,
        lines=[(height - one * scale, one) for one in range(0, int(highest) + 1, step)],
    )


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """One month of the Tempo calendar: its days with their colour, None where no source states it."""

    month: dt.date
    days: list[tuple[dt.date, str | None]]


def draw_calendar(colours: Mapping[dt.date, str], span: Span, most_months: int = 13) -> list[CalendarRow]:
    """The colours of the last months of a span."""
    rows: dict[dt.date, CalendarRow] = {}
    for number in range(span.days):
        day = span.start + dt.timedelta(days=number)
        month = day.replace(day=1)
        rows.setdefault(month, CalendarRow(month, [])).days.append((day, colours.get(day)))
    return list(rows.values())[-most_months:]


def counts_of(rows: Sequence[CalendarRow]) -> dict[str, int]:
    """How many days of each colour a calendar shows."""
    shown = [colour for row in rows for _, colour in row.days]
    return {colour: shown.count(colour) for colour in ("BLEU", "BLANC", "ROUGE")}
