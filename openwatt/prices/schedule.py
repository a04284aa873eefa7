"""Which register of a contract runs when, and where that cannot be known, by the calendars of bills."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from openwatt.domain.calendar import UNKNOWN, Home, RegisterCalendar, Timeline, lay_out, off_peak_entries
from openwatt.domain.legal_time import Minutes, day_number

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
    if calendar.needs_off_peak_hours:
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
        reasons[off_peak_entries(home.off_peak_hours, days, months) < 0] = _HOURS
    if calendar.applies_from is not None:
        reasons[days < day_number(calendar.applies_from)] = _CALENDAR
    if calendar.applies_to is not None:
        reasons[days > day_number(calendar.applies_to)] = _CALENDAR
    return Schedule(timeline, reasons)
