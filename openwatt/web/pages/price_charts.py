"""The charts of prices over time as SVG geometry; the style sheet has the colours."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openwatt.domain.legal_time import MINUTES_PER_DAY, day_start_min, instant_of
from openwatt.prices.intervals import PriceInterval

_WIDTH, _LEFT, _HEIGHT = 720, 44, 150
_ROW_HEIGHT = 30


@dataclass(frozen=True, slots=True)
class PriceBar:
    """A stretch of one price on a chart."""

    interval: PriceInterval
    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTimeline:
    """Prices from left to right, each as high as it costs; what is not known is as high as the chart."""

    width: int
    height: int
    bars: list[PriceBar]
    ticks: list[tuple[float, dt.datetime]]
    now: float


def draw_timeline(intervals: Sequence[PriceInterval], now_min: int) -> PriceTimeline:
    """The prices of a few days, with a line at the present."""
    start_min, end_min = intervals[0].start_min, intervals[-1].end_min
    scale = (_WIDTH - _LEFT) / (end_min - start_min)
    highest = max((float(one.price_ttc) for one in intervals if one.price_ttc is not None), default=0.0)

    def place(minute: int) -> float:
        return round(_LEFT + (minute - start_min) * scale, 1)

    bars = []
    for one in intervals:
        height = (
            _HEIGHT if one.price_ttc is None else round(float(one.price_ttc) / (highest or 1) * _HEIGHT, 1)
        )
        x = place(one.start_min)
        bars.append(PriceBar(one, x, round(place(one.end_min) - x, 1), _HEIGHT - height, height))
    hours = range(start_min, end_min, 60)
    ticks = [
        (place(minute), instant) for minute in hours if (instant := instant_of(minute)).hour in {0, 6, 12, 18}
    ]
    return PriceTimeline(width=_WIDTH, height=_HEIGHT, bars=bars, ticks=ticks, now=place(now_min))


@dataclass(frozen=True, slots=True)
class WeekRow:
    """One legal day: its prices at what clocks show, from 0 to 24 h."""

    day: dt.date
    y: int
    bars: list[PriceBar]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceWeek:
    """Days from top to bottom, hours from left to right."""

    width: int
    height: int
    rows: list[WeekRow]
    hours: list[tuple[float, int]]


def draw_week(intervals: Sequence[PriceInterval]) -> PriceWeek:
    """The prices of some whole legal days, a row each."""
    left = 2 * _LEFT
    scale = (_WIDTH - left) / MINUTES_PER_DAY
    rows: list[WeekRow] = []
    for interval in intervals:
        for day, first, last in _parts_by_day(interval):
            if not rows or rows[-1].day != day:
                rows.append(WeekRow(day, 20 + len(rows) * _ROW_HEIGHT, []))
            row = rows[-1]
            # The hour that autumn repeats is drawn once.
            x, end = round(left + first * scale, 1), round(left + max(first, last) * scale, 1)
            row.bars.append(PriceBar(interval, x, round(end - x, 1), row.y, _ROW_HEIGHT - 6))
    return PriceWeek(
        width=_WIDTH,
        height=20 + len(rows) * _ROW_HEIGHT,
        rows=rows,
        hours=[(left + hour * 60 * scale, hour) for hour in range(0, 25, 6)],
    )


def _parts_by_day(interval: PriceInterval) -> Iterator[tuple[dt.date, int, int]]:
    """The legal days of an interval, and the minutes that clocks show from its part's start to its end."""
    start_min = interval.start_min
    while start_min < interval.end_min:
        start = instant_of(start_min)
        midnight = day_start_min(start.date() + dt.timedelta(days=1))
        last = MINUTES_PER_DAY
        if interval.end_min < midnight:
            end = instant_of(interval.end_min)
            last = end.hour * 60 + end.minute
        yield start.date(), start.hour * 60 + start.minute, last
        start_min = min(midnight, interval.end_min)
