"""The reader of the shipped register calendars, which says what is wrong with an entry."""

import datetime as dt
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from openwatt.domain.calendar import WEEKDAYS, RegisterCalendar, RegisterRule
from openwatt.domain.errors import CalendarError, OffPeakError
from openwatt.domain.off_peak import HourRange, parse_hour_ranges
from openwatt.sentences.catalogue import sentence

_CALENDAR_KEYS = {"option", "source", "day_starts", "applies_from", "applies_to", "supplier", "offer", "rule"}
_RULE_KEYS = {"register", "hours", "off_peak", "months", "weekdays", "chosen_weekday", "colours"} | {
    "applies_from",
    "applies_to",
}


@lru_cache(maxsize=1)
def shipped_calendars() -> tuple[RegisterCalendar, ...]:
    """The calendars that ship with the product.

    Raises:
        CalendarError: naming the entry and its fault.
    """
    text = resources.files("openwatt.catalogue").joinpath("register_calendars.toml").read_text("utf-8")
    return read_calendars(text)


def calendar_for(
    option: str,
    supplier: str | None = None,
    offer: str | None = None,
    calendars: Sequence[RegisterCalendar] = (),
) -> RegisterCalendar:
    """The calendar of an option, or of one offer where its hours differ from the option's.

    Raises:
        CalendarError: when no calendar is known for the option.
    """
    best: tuple[int, RegisterCalendar] | None = None
    for calendar in calendars or shipped_calendars():
        if calendar.option != option:
            continue
        if calendar.supplier not in {None, supplier} or calendar.offer not in {None, offer}:
            continue
        closeness = (calendar.supplier is not None) + (calendar.offer is not None)
        if best is None or closeness > best[0]:
            best = (closeness, calendar)
    if best is None:
        raise CalendarError(f"no register calendar is known for option {option!r}")
    return best[1]


def read_calendars(text: str) -> tuple[RegisterCalendar, ...]:
    """The calendars that a TOML text declares.

    Raises:
        CalendarError: naming the entry and its fault.
    """
    try:
        entries = tomllib.loads(text).get("calendar", [])
    except tomllib.TOMLDecodeError as error:
        raise CalendarError(f"the register calendars are no TOML: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise CalendarError("the register calendars hold no [[calendar]]")
    return tuple(_calendar(number, entry) for number, entry in enumerate(entries, start=1))


def _calendar(number: int, entry: Mapping[str, Any]) -> RegisterCalendar:
    where = f"calendar {number} ({entry.get('option', 'without option')})"
    _refuse_unknown(where, entry, _CALENDAR_KEYS)
    if not entry.get("source"):
        raise CalendarError(f"{where}: no source")
    rules = entry.get("rule", [])
    (day_starts,) = _hours(where, [f"{entry.get('day_starts', '00:00')}-24:00"])
    return RegisterCalendar(
        option=str(entry.get("option", "")),
        rules=tuple(_rule(f"{where}, rule {n}", rule) for n, rule in enumerate(rules, start=1)),
        day_starts_min=day_starts.start_min,
        source=str(entry["source"]),
        applies_from=_day(where, entry, "applies_from"),
        applies_to=_day(where, entry, "applies_to"),
        supplier=entry.get("supplier"),
        offer=entry.get("offer"),
    )


def _rule(where: str, entry: Mapping[str, Any]) -> RegisterRule:
    _refuse_unknown(where, entry, _RULE_KEYS)
    months, weekdays = entry.get("months", []), entry.get("weekdays", [])
    if wrong := [month for month in months if month not in range(1, 13)]:
        raise CalendarError(f"{where}: {wrong[0]!r} is no month")
    if wrong := [day for day in weekdays if day not in WEEKDAYS]:
        raise CalendarError(f"{where}: {wrong[0]!r} is no weekday, write one of {', '.join(WEEKDAYS)}")
    if entry.get("off_peak") and entry.get("hours"):
        raise CalendarError(f"{where}: hours and off_peak exclude each other")
    return RegisterRule(
        register=str(entry.get("register", "")),
        hours=_hours(where, entry.get("hours", [])),
        off_peak=bool(entry.get("off_peak")),
        months=frozenset(months),
        weekdays=frozenset(WEEKDAYS.index(day) for day in weekdays),
        chosen_weekday=bool(entry.get("chosen_weekday")),
        colours=frozenset(entry.get("colours", [])),
        applies_from=_day(where, entry, "applies_from"),
        applies_to=_day(where, entry, "applies_to"),
    )


def _hours(where: str, texts: Sequence[str]) -> tuple[HourRange, ...]:
    try:
        return tuple(one for text in texts for one in parse_hour_ranges(text))
    except OffPeakError as error:
        raise CalendarError(f"{where}: {sentence(error)}") from None


def _day(where: str, entry: Mapping[str, Any], key: str) -> dt.date | None:
    day = entry.get(key)
    if day is not None and type(day) is not dt.date:
        raise CalendarError(f"{where}: {key} {day!r} is no day, write it as 2025-11-01")
    return day


def _refuse_unknown(where: str, entry: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(entry) - known):
        raise CalendarError(f"{where}: unknown key {', '.join(unknown)}")
