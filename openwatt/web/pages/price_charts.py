"""The charts of prices over time as SVG geometry; the style sheet has the colours.

What runs from left to right is in hundredths of a chart's width, so that a chart is as wide as its
screen and its text keeps its size.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openwatt.domain.legal_time import MINUTES_PER_DAY, day_start_min, instant_of
from openwatt.prices.intervals import PriceInterval

_HEIGHT = 150
#: Of a day's row, in pixels.
WEEK_ROW_HEIGHT = 24


@dataclass(frozen=True, slots=True)
class PriceBar:
    """A stretch of one price on a chart: x and width in hundredths, y and height in pixels."""

    interval: PriceInterval
    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTimeline:
    """Prices from left to right, each as high as it costs; what is not known is as high as the chart."""

    height: int
    bars: list[PriceBar]
    ticks: list[tuple[float, dt.datetime]]
    now: float


def draw_timeline(intervals: Sequence[PriceInterval], now_min: int) -> PriceTimeline:
    """The prices of a few days, with a line at the present."""
    start_min, end_min = intervals[0].start_min, intervals[-1].end_min
    scale = 100 / (end_min - start_min)
    highest = max((float(one.price_ttc) for one in intervals if one.price_ttc is not None), default=0.0)

    def place(minute: int) -> float:
        return round((minute - start_min) * scale, 2)

    bars = []
    for one in intervals:
        height = (
            _HEIGHT if one.price_ttc is None else round(float(one.price_ttc) / (highest or 1) * _HEIGHT, 1)
        )
        x = place(one.start_min)
        bars.append(PriceBar(one, x, round(place(one.end_min) - x, 2), _HEIGHT - height, height))
    hours = range(start_min, end_min, 60)
    ticks = [
        (place(minute), instant) for minute in hours if (instant := instant_of(minute)).hour in {0, 6, 12, 18}
    ]
    return PriceTimeline(height=_HEIGHT, bars=bars, ticks=ticks, now=place(now_min))


@dataclass(frozen=True, slots=True)
class WeekRow:
    """One legal day: its prices at what clocks show, from 0 to 24 h."""

    day: dt.date
    bars: list[PriceBar]


def draw_week(intervals: Sequence[PriceInterval]) -> list[WeekRow]:
    """The prices of some whole legal days, a row each: days from top to bottom, hours from left to right."""
    scale = 100 / MINUTES_PER_DAY
    rows: list[WeekRow] = []
    for interval in intervals:
        for day, first, last in _parts_by_day(interval):
            if not rows or rows[-1].day != day:
                rows.append(WeekRow(day, []))
            # The hour that autumn repeats is drawn once.
            x, end = round(first * scale, 2), round(max(first, last) * scale, 2)
            rows[-1].bars.append(PriceBar(interval, x, round(end - x, 2), 0, WEEK_ROW_HEIGHT))
    return rows


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
