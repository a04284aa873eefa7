"""Register calendars: data that say which register of the meter runs when, laid over a span."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from openwatt.domain.errors import CalendarError
from openwatt.domain.legal_time import (
    MINUTES_PER_DAY,
    Minutes,
    Span,
    clock_changes,
    day_number,
    day_of,
    instant_of,
    local_minutes,
    utc_candidates,
)
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import HourRange, OffPeakHours, unsaid_day
from openwatt.domain.tariff import OPTIONS

#: Register number of a moment whose register is not known (a Tempo day without a colour, say).
UNKNOWN = -1

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRule:
    """When one register runs: on days of these kinds, at these hours.

    An empty set of months, weekdays (0 is Monday) or colours means any; no
    `hours` means the whole day. `off_peak` puts the home's own off-peak hours in
    place of `hours`, `chosen_weekday` adds the day that the customer chose.
    `colours` are words that the day's announcement gives it (BLEU, BLANC, ROUGE; PM
    for a peak day). Days of effect are legal days, both included.
    """

    register: str
    hours: tuple[HourRange, ...] = ()
    off_peak: bool = False
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    chosen_weekday: bool = False
    colours: frozenset[str] = frozenset()
    applies_from: dt.date | None = None
    applies_to: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCalendar:
    """The rules of one option; the first rule that fits a moment names its register.

    The day that months, weekdays and colours speak of begins at `day_starts_min` on
    the clock: 06:00 for Tempo, whose red day ends the next morning.

    Raises:
        CalendarError: at construction, with every contradiction found.
    """

    option: str
    rules: tuple[RegisterRule, ...]
    day_starts_min: int = 0
    source: str = ""
    applies_from: dt.date | None = None
    applies_to: dt.date | None = None
    supplier: str | None = None
    offer: str | None = None

    def __post_init__(self) -> None:
        faults = []
        registers = OPTIONS.get(self.option, ())
        if not registers:
            faults.append(f"option {self.option!r} is none of {', '.join(OPTIONS)}")
        faults += [
            f"{r.register} is no register of {self.option}" for r in self.rules if r.register not in registers
        ]
        faults += [f"no rule names {r}" for r in registers if r not in {rule.register for rule in self.rules}]
        if not 0 <= self.day_starts_min < MINUTES_PER_DAY:
            faults.append(f"a day cannot start at minute {self.day_starts_min}")
        if self.day_starts_min and any(rule.off_peak for rule in self.rules):
            faults.append("a home's off-peak hours are given by legal days, the calendar's start elsewhere")
        if faults:
            raise CalendarError(f"register calendar {self.option}: {'; '.join(faults)}")

    @property
    def registers(self) -> tuple[str, ...]:
        """The registers, in the order of `OPTIONS`; their places are their numbers in a `Timeline`."""
        return OPTIONS[self.option]

    @property
    def needs_off_peak_hours(self) -> bool:
        """Whether the home's own off-peak hours decide."""
        return any(rule.off_peak for rule in self.rules)

    @property
    def needs_colours(self) -> bool:
        """Whether announced days (Tempo's colours, EJP's peak days) decide."""
        return any(rule.colours for rule in self.rules)

    @property
    def needs_chosen_weekday(self) -> bool:
        """Whether the weekday that the customer chose decides."""
        return any(rule.chosen_weekday for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Home:
    """What a home's meter is set to: its off-peak hours, its chosen weekday, and the days announced.

    Of entries of off-peak hours that apply on one day, the last holds alone.
    """

    off_peak_hours: tuple[OffPeakHours, ...] = ()
    chosen_weekday: int | None = None
    colours: Mapping[str, Mapping[dt.date, str]] = field(default_factory=lambda: MappingProxyType({}))
    """Option → legal day → its announced colour, for options that have such days."""


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """A register calendar over a span: stretches of time in which neither register nor legal day changes.

    Stretch k lasts from `bounds_min[k]` to `bounds_min[k + 1]` (minutes UTC), runs
    register `registers[numbers[k]]` (`UNKNOWN` when none is known) and lies on the
    legal day `day_numbers[k]` (days since 1970-01-01).
    """

    registers: tuple[str, ...]
    bounds_min: Minutes
    numbers: npt.NDArray[np.int64]
    day_numbers: npt.NDArray[np.int64]

    def register_at(self, instant_min: int) -> str | None:
        """The register that runs at an instant of the span, None when it is not known.

        Raises:
            CalendarError: when the instant lies outside.
        """
        if not self.bounds_min[0] <= instant_min < self.bounds_min[-1]:
            raise CalendarError(f"{instant_of(instant_min):%Y-%m-%d %H:%M} lies outside the timeline")
        number = self.numbers[int(np.searchsorted(self.bounds_min, instant_min, side="right")) - 1]
        return None if number == UNKNOWN else self.registers[number]


def lay_out(calendar: RegisterCalendar, home: Home, start_min: int, end_min: int) -> Timeline:
    """The timeline of a calendar in a home from one instant to another (minutes UTC, the end excluded).

    Raises:
        CalendarError: when the calendar needs off-peak hours, announced days or a
            chosen weekday that the home does not say, or the span is empty.
    """
    if end_min <= start_min:
        raise CalendarError("a timeline needs an end after its start")
    _refuse_unsaid(calendar, home)
    rules = [concrete for rule in calendar.rules for concrete in _concrete(rule, home)]
    cuts = _cuts(calendar, home, rules)
    first_day = instant_of(start_min).date()
    last_day = instant_of(end_min - 1).date()
    # One day more on the left: before `day_starts_min`, a moment belongs to the day before.
    days = np.arange(day_number(first_day) - 1, day_number(last_day) + 1)
    bounds = _bounds(days, cuts, start_min, end_min)
    wall = local_minutes(bounds[:-1])
    table = _table(calendar, home, rules, days, cuts)
    shifted = wall - calendar.day_starts_min
    bins = np.searchsorted(cuts, wall % MINUTES_PER_DAY, side="right") - 1
    numbers = table[shifted // MINUTES_PER_DAY - days[0], bins]
    return Timeline(calendar.registers, bounds, numbers, wall // MINUTES_PER_DAY)


def refuse_days_without_hours(calendar: RegisterCalendar, home: Home, start_min: int, end_min: int) -> None:
    """Refuses a span with days on which no off-peak hours of the home apply, where they decide.

    Raises:
        CalendarError: naming the first such day.
    """
    if calendar.needs_off_peak_hours and home.off_peak_hours and start_min < end_min:
        after = instant_of(end_min - 1).date() + dt.timedelta(days=1)
        day = unsaid_day(home.off_peak_hours, Span(instant_of(start_min).date(), after))
        if day is not None:
            raise CalendarError(
                Message.of("left_out.hours_of_day", option=calendar.option, day=Message.day(day))
            )


def _refuse_unsaid(calendar: RegisterCalendar, home: Home) -> None:
    if calendar.needs_off_peak_hours and not home.off_peak_hours:
        raise CalendarError(Message.of("left_out.hours", option=calendar.option))
    if calendar.needs_colours and calendar.option not in home.colours:
        raise CalendarError(Message.of("left_out.announced_days", option=calendar.option))
    if calendar.needs_chosen_weekday and home.chosen_weekday is None:
        raise CalendarError(Message.of("left_out.weekday", option=calendar.option))


def _concrete(rule: RegisterRule, home: Home) -> Sequence[tuple[RegisterRule, int | None]]:
    """The rule itself, or once with the place of each entry of the home's off-peak hours."""
    return [(rule, place) for place in range(len(home.off_peak_hours))] if rule.off_peak else [(rule, None)]


def _hours(rule: RegisterRule, place: int | None, home: Home) -> tuple[HourRange, ...]:
    return rule.hours if place is None else home.off_peak_hours[place].ranges


def _cuts(
    calendar: RegisterCalendar, home: Home, rules: Sequence[tuple[RegisterRule, int | None]]
) -> Minutes:
    """The minutes of the day at which a register or a day may change, midnight among them."""
    cuts = {0, calendar.day_starts_min}
    for rule, place in rules:
        for one in _hours(rule, place, home):
            cuts |= {one.start_min, one.end_min % MINUTES_PER_DAY}
    return np.array(sorted(cuts), dtype=np.int64)


def _bounds(days: Minutes, cuts: Minutes, start_min: int, end_min: int) -> Minutes:
    """Every instant of the span at which clocks show a cut, or are changed, with both ends of the span."""
    walls = (days[:, None] * MINUTES_PER_DAY + cuts).ravel()
    changes, _ = clock_changes(day_of(int(days[0])).year, day_of(int(days[-1])).year)
    inside = np.concatenate([utc_candidates(walls), changes])
    inside = np.sort(inside[(inside > start_min) & (inside < end_min)])
    ends = np.array([start_min]), inside, np.array([end_min])
    bounds: Minutes = np.concatenate(ends, dtype=np.int64)
    return bounds[np.diff(bounds, prepend=start_min - 1) > 0]


def _table(
    calendar: RegisterCalendar,
    home: Home,
    rules: Sequence[tuple[RegisterRule, int | None]],
    days: Minutes,
    cuts: Minutes,
) -> npt.NDArray[np.int64]:
    """The register number of each day and each stretch between two cuts."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]").astype(np.int64) % 12 + 1
    weekdays = (days + 3) % 7  # 1970-01-01 was a Thursday.
    names, colours = _colours(calendar, home, dates)
    table = np.full((len(days), len(cuts)), UNKNOWN, dtype=np.int64)
    entries = off_peak_entries(home.off_peak_hours, days, months)
    for rule, place in reversed(rules):
        fits = _dated(days, calendar.applies_from, calendar.applies_to)
        fits &= _dated(days, rule.applies_from, rule.applies_to)
        if place is not None:
            fits &= entries == place
        if rule.months:
            fits &= np.isin(months, list(rule.months))
        if rule.weekdays or rule.chosen_weekday:
            fits &= np.isin(weekdays, _weekdays(rule, home))
        if rule.colours:
            fits &= np.array([name in rule.colours for name in names])[colours]
        hours = _hours(rule, place, home)
        runs = [not hours or any(int(cut) in one for one in hours) for cut in cuts]
        table[np.ix_(fits, np.array(runs))] = calendar.registers.index(rule.register)
    return table


def _colours(
    calendar: RegisterCalendar, home: Home, dates: npt.NDArray[np.datetime64]
) -> tuple[Sequence[str], Minutes]:
    """The names of announced days, and per day the place of its name; the first is that of no name."""
    announced = home.colours.get(calendar.option, {}) if calendar.needs_colours else {}
    names = ["", *sorted(set(announced.values()))]
    places = {name: place for place, name in enumerate(names)}
    return names, np.array([places[announced.get(date, "")] for date in dates.tolist()], dtype=np.int64)


def off_peak_entries(off_peak_hours: Sequence[OffPeakHours], days: Minutes, months: Minutes) -> Minutes:
    """Per day, the place of the last entry that applies on it, -1 when none does."""
    entries = np.full(len(days), -1, dtype=np.int64)
    for place, hours in enumerate(off_peak_hours):
        applies = _dated(days, hours.applies_from, hours.applies_to)
        if hours.months:
            applies &= np.isin(months, list(hours.months))
        entries[applies] = place
    return entries


def _weekdays(rule: RegisterRule, home: Home) -> list[int]:
    if rule.chosen_weekday and home.chosen_weekday is not None:
        return [*rule.weekdays, home.chosen_weekday]
    return list(rule.weekdays)


def _dated(days: Minutes, applies_from: dt.date | None, applies_to: dt.date | None) -> npt.NDArray[np.bool_]:
    fits = np.ones(len(days), dtype=np.bool_)
    if applies_from is not None:
        fits &= days >= day_number(applies_from)
    if applies_to is not None:
        fits &= days <= day_number(applies_to)
    return fits
