"""The days that a supplier announces for an option, and what every other day of a known winter then is."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: What EJP's days are announced as: peak days, and the others of a winter whose peak days are known.
PEAK, ORDINARY = "PM", "HN"
_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedDays:
    """Days, both ends included, that are all announced as one word, save those that a shorter range names.

    A whole winter as an ordinary word says that every announcement of it is known.
    """

    option: str
    first_day: dt.date
    last_day: dt.date
    word: str
    sources: tuple[str, ...]

    def days(self) -> Iterable[dt.date]:
        """Each day of the range."""
        return (self.first_day + n * _ONE_DAY for n in range((self.last_day - self.first_day).days + 1))


def words_by_day(ranges: Iterable[AnnouncedDays]) -> Mapping[str, Mapping[dt.date, str]]:
    """Option → day → its word; of several ranges that hold a day, the shortest names it."""
    found: dict[str, dict[dt.date, str]] = defaultdict(dict)
    for one in sorted(ranges, key=lambda each: each.last_day - each.first_day, reverse=True):
        found[one.option] |= dict.fromkeys(one.days(), one.word)
    return {option: dict(sorted(days.items())) for option, days in found.items()}


def winters_of(peak_days: Iterable[dt.date]) -> Mapping[dt.date, str]:
    """EJP's word of each day of the winters (November to March) that hold these peak days."""
    peaks = set(peak_days)
    autumns = {day.year if day.month > 8 else day.year - 1 for day in peaks}
    words: dict[dt.date, str] = {}
    for year in sorted(autumns):
        first, last = dt.date(year, 11, 1), dt.date(year + 1, 3, 31)
        words |= {first + n * _ONE_DAY: ORDINARY for n in range((last - first).days + 1)}
    return words | dict.fromkeys(peaks, PEAK)
