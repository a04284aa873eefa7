"""Which register of a contract runs when, and where that cannot be known, by the calendars of bills."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from openwatt.domain.calendar import UNKNOWN, Home, RegisterCalendar, Timeline, lay_out, off_peak_entries
from openwatt.domain.legal_time import MINUTES_PER_DAY, Minutes, day_number, day_of, local_minutes

#: Why a register is not known.
RegisterReason = Literal["colour_not_announced", "no_off_peak_hours", "no_calendar"]
_REASONS: tuple[RegisterReason, ...] = get_args(RegisterReason)
_COLOUR, _HOURS, _CALENDAR = range(len(_REASONS))
_KNOWN = -1


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """A timeline, with the reason of each stretch whose register is not known.

    `reasons[k]` is the place of a reason in `RegisterReason`, -1 where the register is known.
    """

    timeline: Timeline
    reasons: Minutes

    def register(self, stretch: int) -> str | None:
        """The register of a stretch, None where it is not known."""
        if self.reasons[stretch] != _KNOWN:
            return None
        return self.timeline.registers[int(self.timeline.numbers[stretch])]

    def reason(self, stretch: int) -> RegisterReason | None:
        """Why the register of a stretch is not known, None where it is."""
        place = int(self.reasons[stretch])
        return None if place == _KNOWN else _REASONS[place]


def make_schedule(calendar: RegisterCalendar, home: Home, start_min: int, end_min: int) -> Schedule:
    """The schedule of a calendar in a home from one instant to another (minutes UTC, the end excluded).

    Raises:
        CalendarError: when the calendar needs off-peak hours or a chosen weekday that the
            home does not say, or the span is empty.
    """
    if calendar.needs_colours and calendar.option not in home.colours:
        home = replace(home, colours={**home.colours, calendar.option: {}})
    timeline = lay_out(calendar, home, start_min, end_min)
    days = timeline.day_numbers
    reasons = np.full(len(days), _KNOWN, dtype=np.int64)
    reasons[timeline.numbers == UNKNOWN] = _COLOUR if calendar.needs_colours else _CALENDAR
    reasons[_without_announcement(calendar, home, timeline)] = _COLOUR
    if calendar.needs_off_peak_hours:
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
        reasons[off_peak_entries(home.off_peak_hours, days, months) < 0] = _HOURS
    if calendar.applies_from is not None:
        reasons[days < day_number(calendar.applies_from)] = _CALENDAR
    if calendar.applies_to is not None:
        reasons[days > day_number(calendar.applies_to)] = _CALENDAR
    return Schedule(timeline, reasons)


def _without_announcement(
    calendar: RegisterCalendar, home: Home, timeline: Timeline
) -> npt.NDArray[np.bool_]:
    """Per stretch, whether an announcement that is not known might give it another register.

    Of EJP the peak days alone are announced, and every other day is a normal one: that is known
    from the first announced day to the last, and would be a guess before and after.
    """
    open_ = np.zeros(len(timeline.numbers), dtype=np.bool_)
    if not calendar.needs_colours or (timeline.numbers == UNKNOWN).all():
        return open_
    days = (local_minutes(timeline.bounds_min[:-1]) - calendar.day_starts_min) // MINUTES_PER_DAY
    announced = [day_number(day) for day in home.colours[calendar.option]]
    outside = (days < min(announced)) | (days > max(announced)) if announced else ~open_
    if not outside.any():
        return open_
    every_day = [day_of(day) for day in np.unique(days).tolist()]
    start_min, end_min = int(timeline.bounds_min[0]), int(timeline.bounds_min[-1])
    for colour in {colour for rule in calendar.rules for colour in rule.colours}:
        other = replace(home, colours={calendar.option: dict.fromkeys(every_day, colour)})
        open_ |= lay_out(calendar, other, start_min, end_min).numbers != timeline.numbers
    return open_ & outside
