"""A home's load curve with other habits or appliances: exact energies, none lost or made up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

import numpy as np

from openwatt.domain.calendar import Home, RegisterCalendar, RegisterRule, lay_out
from openwatt.domain.legal_time import MINUTES_PER_DAY, Minutes, Span
from openwatt.domain.load_curve import PER_KWH, LoadCurve
from openwatt.domain.off_peak import OffPeakHours
from openwatt.domain.profiles import heating_curve, spread

#: The hours of a home and all others, as a calendar: register 1 runs in the hours.
_HOURS = RegisterCalendar(
    option="HPHC", rules=(RegisterRule(register="HC", off_peak=True), RegisterRule(register="HP"))
)
_IN_HOURS = 1
_DAYS_PER_WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class UseChange:
    """What a home would change: a share of its use moved, a car, a heat pump.

    `car_hours` are the hours in which the car is charged, all alike; none given: the home's off-peak hours.
    """

    shift_percent: int = 0
    car_km_per_week: int = 0
    car_kwh_per_100_km: Decimal = Decimal(0)
    car_hours: tuple[OffPeakHours, ...] = ()
    heat_pump_kwh: int = 0

    @property
    def is_none(self) -> bool:
        """Whether the use stays what it is."""
        return not (self.shift_percent or self.car_km_per_week or self.heat_pump_kwh)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedUse:
    """A load curve after a change, and how much energy of its span was moved and added, in W × minutes."""

    curve: LoadCurve
    moved: int
    car: int
    heat_pump: int


def change_use(curve: LoadCurve, home: Home, span: Span, change: UseChange) -> ChangedUse:
    """The curve with a share of its use in off-peak hours, then with what is added.

    Nothing is added where nothing was measured: a total counts what is measured alone.

    Raises:
        CalendarError: when hours are needed that the home does not have.
    """
    moved = car = heat_pump = 0
    if change.shift_percent:
        curve, moved = shift_to_off_peak(curve, home, span, change.shift_percent)
    if change.car_km_per_week:
        energy = car_energy(change.car_km_per_week, change.car_kwh_per_100_km, span)
        hours = change.car_hours or home.off_peak_hours
        curve, car = _added(curve, charging_curve(energy, hours, span))
    if change.heat_pump_kwh:
        curve, heat_pump = _added(curve, heating_curve(change.heat_pump_kwh, span))
    return ChangedUse(curve=curve, moved=moved, car=car, heat_pump=heat_pump)


def shift_to_off_peak(curve: LoadCurve, home: Home, span: Span, percent: int) -> tuple[LoadCurve, int]:
    """The curve with hundredths of its peak use in the off-peak hours that follow, and what was moved.

    Each step of peak hours gives the same share; the off-peak hours after it, up to the next peak
    hours, take it evenly over their measured minutes. The red day of Tempo gives to its own night.
    Where none of those minutes was measured, the use stays.

    Raises:
        CalendarError: when the home has no off-peak hours.
    """
    timeline = lay_out(_HOURS, home, span.start_min, span.end_min)
    cut = cut_at(curve, timeline.bounds_min)
    stretch = np.searchsorted(timeline.bounds_min, cut.starts_min, side="right") - 1
    inside = (stretch >= 0) & (stretch < len(timeline.numbers))
    stretch = np.clip(stretch, 0, len(timeline.numbers) - 1)
    off = inside & (timeline.numbers[stretch] == _IN_HOURS)
    # Stretches of one kind that follow each other, over midnight say, are one run.
    runs = np.concatenate([[0], np.cumsum(timeline.numbers[1:] != timeline.numbers[:-1])])
    run = runs[stretch]
    minutes = np.where(off, cut.steps_min, 0)
    room = _sums(run, minutes, int(runs[-1]) + 2)
    gives = inside & ~off & (room[run + 1] > 0)
    given = np.where(gives, cut.energies * percent // 100, 0)
    taken = _sums(run + 1, given, len(room))
    # A step takes what its run takes up to its end, less that up to its start: no rounding is lost.
    after = np.cumsum(minutes) - _before_run(room)[run]
    share = np.maximum(room[run], 1)
    received = np.where(off, taken[run] * after // share - taken[run] * (after - minutes) // share, 0)
    return replace(cut, energies=cut.energies - given + received), int(given.sum())


def car_energy(km_per_week: int, kwh_per_100_km: Decimal, span: Span) -> int:
    """What a car is charged with over a span, in W × minutes, cut to a whole one."""
    return int(km_per_week * Fraction(kwh_per_100_km) * PER_KWH * span.days / (100 * _DAYS_PER_WEEK))


def charging_curve(energy: int, hours: Sequence[OffPeakHours], span: Span) -> LoadCurve:
    """An energy spread evenly over all charging hours of a span.

    Raises:
        CalendarError: when there are no such hours.
    """
    timeline = lay_out(_HOURS, Home(tuple(hours)), span.start_min, span.end_min)
    runs = timeline.numbers == _IN_HOURS
    starts = timeline.bounds_min[:-1][runs]
    steps = np.diff(timeline.bounds_min)[runs]
    return spread(energy, starts, steps, weights=steps)


def cut_at(curve: LoadCurve, bounds_min: Minutes) -> LoadCurve:
    """The same curve with a step's start at each bound that lies in one; energies are shared pro rata."""
    rows, inside = curve.place(bounds_min)
    cuts = bounds_min[(inside > 0) & (inside < curve.steps_min[rows])]
    starts = np.union1d(curve.starts_min, cuts)
    rows, _ = curve.place(starts)
    ends = np.minimum(
        np.append(starts[1:], curve.end_min), curve.starts_min[rows] + curve.steps_min[rows]
    ).astype(np.int64)
    energies = curve.energies_before(ends) - curve.energies_before(starts)
    return LoadCurve(starts, ends - starts, energies, curve.findings)


def moved_to(curve: LoadCurve, days: int) -> LoadCurve:
    """The same curve some days later, or earlier where they are negative: 24 hours each."""
    return replace(curve, starts_min=curve.starts_min + days * MINUTES_PER_DAY)


def _added(curve: LoadCurve, addition: LoadCurve) -> tuple[LoadCurve, int]:
    """The curve with what another draws during its steps, and how much that is."""
    ends = curve.starts_min + curve.steps_min
    drawn = addition.energies_before(ends) - addition.energies_before(curve.starts_min)
    return replace(curve, energies=curve.energies + drawn), int(drawn.sum())


def _sums(places: Minutes, amounts: Minutes, length: int) -> Minutes:
    sums = np.zeros(length, dtype=np.int64)
    np.add.at(sums, places, amounts)
    return sums


def _before_run(room: Minutes) -> Minutes:
    """The minutes of all earlier runs."""
    before: Minutes = np.cumsum(room) - room
    return before
