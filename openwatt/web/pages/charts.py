"""The charts of the home page as SVG geometry; the style sheet has the colours."""

import datetime as dt
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
class MonthColumn:
    """One month of a bill."""

    month: dt.date
    x: int
    amount: Fraction
    y: float
    parts: list[ColumnPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class BillColumns:
    """A bill month by month, each month's registers on top of the subscription."""

    width: int
    height: int
    bar: int
    names: list[str]
    columns: list[MonthColumn]
    lines: list[tuple[float, int]]
    """Where the horizontal lines stand, and the EUR they mark."""


def draw_bill(bill: Bill, height: int = 200, most_months: int = 24) -> BillColumns:
    """The last months of a bill as columns."""
    months: dict[dt.date, dict[str, Fraction]] = {}
    for line in bill.lines:
        name = line.register if isinstance(line, EnergyLine) else SUBSCRIPTION
        if line.amount_ttc is not None:
            amounts = months.setdefault(line.span.start.replace(day=1), {})
            amounts[name] = amounts.get(name, Fraction(0)) + line.amount_ttc
    last = sorted(months)[-most_months:]
    names = [SUBSCRIPTION, *OPTIONS[bill.contract.option]]
    highest = max((sum(months[month].values()) for month in last), default=Fraction(0)) or Fraction(1)
    step = next(one for one in (5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if highest / one <= 6)
    scale = height / float(highest)
    pitch = max(30, min(64, 720 // max(len(last), 1)))
    columns = []
    for index, month in enumerate(last):
        parts, base = [], Fraction(0)
        for name in names:
            amount = months[month].get(name, Fraction(0))
            base += amount
            if amount:
                parts.append(ColumnPart(name, amount, height - float(base) * scale, float(amount) * scale))
        columns.append(MonthColumn(month, _LEFT + index * pitch, base, height - float(base) * scale, parts))
    return BillColumns(
        width=_LEFT + len(last) * pitch,
        height=height,
        bar=pitch - 8,
        names=[name for name in names if any(part.name == name for one in columns for part in one.parts)],
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
