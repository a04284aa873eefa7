"""The off-peak hours of a home as the grid operator prints them, with their seasons and dates."""

import datetime as dt
import re
from dataclasses import dataclass

from openwatt.domain.errors import OffPeakError
from openwatt.domain.legal_time import MINUTES_PER_DAY

#: Summer of the grid tariff, as the operator seasons off-peak hours from December 2026: April to October.
SUMMER_MONTHS = frozenset(range(4, 11))
WINTER_MONTHS = frozenset(range(1, 13)) - SUMMER_MONTHS

_RANGE = re.compile(r"(\d{1,2})\s*[Hh:]\s*(\d{2})?\s*(?:-|–|à|to)\s*(\d{1,2})\s*[Hh:]\s*(\d{2})?")
_WRAPPING = re.compile(r"^\s*(?:HC\s*)?\(?(.*?)\)?\s*$", re.IGNORECASE | re.DOTALL)
_SEPARATOR = re.compile(r"\s*(?:[;+,]|\bet\b|\band\b)\s*")
_EXAMPLE = "write them as 22:30-06:30 or HC (22H00-6H00;12h00-14h00)"


@dataclass(frozen=True, slots=True, order=True)
class HourRange:
    """Minutes of the legal day from `start_min` to `end_min`, the end excluded; it may cross midnight.

    `end_min` is at most `start_min` when midnight is crossed; equal ends mean the whole day.
    """

    start_min: int
    end_min: int

    def __post_init__(self) -> None:
        if not (0 <= self.start_min < MINUTES_PER_DAY and 0 <= self.end_min <= MINUTES_PER_DAY):
            raise OffPeakError(f"a range of {self.start_min} to {self.end_min} minutes is not within a day")

    @property
    def length_min(self) -> int:
        """How many minutes on a day of 24 hours."""
        return (self.end_min - self.start_min - 1) % MINUTES_PER_DAY + 1

    def __contains__(self, minute: int) -> bool:
        return (minute - self.start_min) % MINUTES_PER_DAY < self.length_min

    def __str__(self) -> str:
        start, end = divmod(self.start_min, 60), divmod(self.end_min, 60)
        return f"{start[0]:02}:{start[1]:02}-{end[0]:02}:{end[1]:02}"


@dataclass(frozen=True, slots=True)
class OffPeakHours:
    """Ranges that are off-peak on some months (none named: all), from and to two days, both included."""

    ranges: tuple[HourRange, ...]
    months: frozenset[int] = frozenset()
    applies_from: dt.date | None = None
    applies_to: dt.date | None = None

    def __str__(self) -> str:
        return "; ".join(map(str, self.ranges))


def parse_hour_ranges(text: str) -> tuple[HourRange, ...]:
    """The ranges that a text names, in the order of the day.

    Raises:
        OffPeakError: saying what cannot be read, which hour does not exist, or which ranges overlap.
    """
    wrapped = _WRAPPING.match(text)
    body = wrapped.group(1) if wrapped else ""
    if not body.strip():
        raise OffPeakError(f"no off-peak hours in {text!r}; {_EXAMPLE}")
    ranges = sorted(_range(part, text) for part in _SEPARATOR.split(body))
    minutes = [minute for one in ranges for minute in range(MINUTES_PER_DAY) if minute in one]
    if len(set(minutes)) < len(minutes):
        raise OffPeakError(f"the off-peak hours in {text!r} overlap")
    return tuple(ranges)


def parse_off_peak_hours(text: str) -> OffPeakHours:
    """Off-peak hours as printed, after an optional season and day of effect.

    Accepted: `HC (22H30-6H30)`, `HC (22H00-6H00;12h00-14h00)`, `22:00-06:00`,
    `HC (02H00-07H00 + 13H00-16H00)`, each after any of `summer`, `winter`,
    `from 2025-11-01` and `to 2026-10-31`.

    Raises:
        OffPeakError: saying what cannot be read.
    """
    months: frozenset[int] = frozenset()
    days: dict[str, dt.date] = {}
    rest = text.strip()
    while prefix := re.match(r"(?i)(summer|winter|été|hiver|(from|to)\s+(\S+))[\s:,]+", rest):
        word, which, day = prefix.group(1).lower(), prefix.group(2), prefix.group(3)
        if which:
            days[which.lower()] = _day(day.rstrip(":,"), text)
        else:
            months = SUMMER_MONTHS if word in {"summer", "été"} else WINTER_MONTHS
        rest = rest[prefix.end() :]
    applies_from, applies_to = days.get("from"), days.get("to")
    if applies_from and applies_to and applies_to < applies_from:
        raise OffPeakError(f"off-peak hours {text!r} end before they begin")
    return OffPeakHours(parse_hour_ranges(rest), months, applies_from, applies_to)


def _range(part: str, text: str) -> HourRange:
    found = _RANGE.fullmatch(part.strip())
    if not found:
        raise OffPeakError(f"{part.strip()!r} in {text!r} is not a range of hours; {_EXAMPLE}")
    start_h, start_m, end_h, end_m = (int(group or 0) for group in found.groups())
    for hour, minute in ((start_h, start_m), (end_h, end_m)):
        if hour > 24 or minute > 59 or (hour == 24 and minute):
            raise OffPeakError(f"{hour:02}:{minute:02} in {text!r} is no time of day")
    start, end = (start_h * 60 + start_m) % MINUTES_PER_DAY, end_h * 60 + end_m
    if start == end:
        raise OffPeakError(f"{part.strip()!r} in {text!r} starts where it ends")
    return HourRange(start, end)


def _day(text: str, whole: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise OffPeakError(f"{text!r} in {whole!r} is no day; write it as 2025-11-01") from None
