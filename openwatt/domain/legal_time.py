"""Legal time in France: whole minutes since 1970-01-01 UTC, and what clocks in Paris show then."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from openwatt.domain.errors import SpanError
from openwatt.domain.messages import Message

Minutes = npt.NDArray[np.int64]

PARIS = ZoneInfo("Europe/Paris")
MINUTES_PER_DAY = 1440
_EPOCH = dt.date(1970, 1, 1)
_EPOCH_AT = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: The two offsets of French legal time since 1976: winter, summer.
WINTER_OFFSET_MIN, SUMMER_OFFSET_MIN = 60, 120


@dataclass(frozen=True, slots=True)
class Span:
    """Legal days from `start` to `end`; the end is excluded.

    Raises:
        SpanError: at construction, when no day lies between them.
    """

    start: dt.date
    end: dt.date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise SpanError(
                Message.of("question.no_day", start=Message.day(self.start), end=Message.day(self.end))
            )

    @property
    def days(self) -> int:
        """How many legal days, whatever their length in hours."""
        return (self.end - self.start).days

    @property
    def last(self) -> dt.date:
        """The last legal day."""
        return self.end - dt.timedelta(days=1)

    @property
    def start_min(self) -> int:
        """The first instant, in minutes UTC."""
        return day_start_min(self.start)

    @property
    def end_min(self) -> int:
        """The first instant after the span, in minutes UTC."""
        return day_start_min(self.end)

    def months(self) -> Iterator["Span"]:
        """The span cut at every first of a month."""
        start = self.start
        while start < self.end:
            following = (start.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
            yield Span(start, min(following, self.end))
            start = following


def year_on(day: dt.date, years: int) -> dt.date:
    """The same day of another year; that of 29 February is 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return dt.date(day.year + years, 3, 1)


def day_number(day: dt.date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def day_of(number: int) -> dt.date:
    """The date that is `number` days after 1970-01-01."""
    return _EPOCH + dt.timedelta(days=number)


def minutes_of(instant: dt.datetime) -> int:
    """Whole minutes since 1970-01-01 UTC of an aware instant; seconds are dropped."""
    return int((instant - _EPOCH_AT).total_seconds() // 60)


def instant_of(minutes: int) -> dt.datetime:
    """The instant in Paris time, with its offset."""
    return (_EPOCH_AT + dt.timedelta(minutes=minutes)).astimezone(PARIS)


def day_start(day: dt.date) -> dt.datetime:
    """When the legal day begins: midnight in Paris."""
    return dt.datetime(day.year, day.month, day.day, tzinfo=PARIS)


@lru_cache(maxsize=4096)
def day_start_min(day: dt.date) -> int:
    """When the legal day begins in Paris, in minutes UTC."""
    return minutes_of(day_start(day))


def local_minutes(utc_min: Minutes) -> Minutes:
    """What clocks in Paris show, in minutes since 1970-01-01 00:00 on the wall."""
    if utc_min.size == 0:
        return utc_min.copy()
    changes, offsets = clock_changes(_year(int(utc_min.min())), _year(int(utc_min.max())))
    return utc_min + offsets[np.searchsorted(changes, utc_min, side="right")]


def utc_candidates(wall_min: Minutes) -> Minutes:
    """Every instant at which clocks in Paris show one of the given readings, in no order.

    A reading of the spring hour that does not exist has none; one of the autumn hour has two.
    """
    both = np.concatenate([wall_min - SUMMER_OFFSET_MIN, wall_min - WINTER_OFFSET_MIN])
    wanted = np.concatenate([wall_min, wall_min])
    candidates: Minutes = both[local_minutes(both) == wanted]
    return candidates


@lru_cache(maxsize=64)
def clock_changes(first_year: int, last_year: int) -> tuple[Minutes, Minutes]:
    """The instants of the clock changes of some years, and the offsets before, between and after them."""
    days = [
        dt.datetime(first_year, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=n)
        for n in range(366 * (last_year - first_year + 1) + 1)
    ]
    instants, offsets = [], [_offset_min(days[0])]
    for day, following in pairwise(days):
        if _offset_min(day) != _offset_min(following):
            hours = (day + dt.timedelta(hours=h) for h in range(1, 25))
            change = next(hour for hour in hours if _offset_min(hour) != _offset_min(day))
            instants.append(minutes_of(change))
            offsets.append(_offset_min(change))
    return np.array(instants, dtype=np.int64), np.array(offsets, dtype=np.int64)


def _offset_min(instant: dt.datetime) -> int:
    offset = instant.astimezone(PARIS).utcoffset()
    return int(offset.total_seconds()) // 60 if offset is not None else 0


def _year(minutes: int) -> int:
    return instant_of(minutes).year
