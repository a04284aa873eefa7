"""The use of a home by register and legal day: a load curve laid on a register calendar."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

import numpy as np

from openwatt.domain.calendar import (
    UNKNOWN,
    Home,
    RegisterCalendar,
    Timeline,
    lay_out,
    refuse_days_without_hours,
)
from openwatt.domain.errors import CalendarError
from openwatt.domain.legal_time import Minutes, Span, day_number, instant_of
from openwatt.domain.load_curve import PER_KWH, PER_WH, Coverage, Finding, LoadCurve
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import USUAL_LENGTH_MIN, describe_off_peak
from openwatt.domain.tariff import OPTIONS


@dataclass(frozen=True, eq=False)
class Usage:
    """Energies by legal day and register over a span, in W × minutes.

    `energies[day, register]` counts days from `span.start`; the last column holds
    what was used while no register was known (a Tempo day without a colour).
    """

    registers: tuple[str, ...]
    span: Span
    energies: Minutes
    coverage: Coverage
    findings: tuple[Finding, ...] = ()
    unseen: tuple[str, ...] = ()
    """Registers that ran at no measured moment of the span."""
    depends_on_off_peak: bool = False
    """Whether the home's off-peak hours decided which register ran."""

    @cached_property
    def before(self) -> Minutes:
        """Energies from the span's start to each day: one row more than there are days."""
        zero = np.zeros((1, self.energies.shape[1]), dtype=np.int64)
        return np.concatenate([zero, np.cumsum(self.energies, axis=0)])

    @property
    def unknown(self) -> int:
        """What was used while no register was known, in W × minutes."""
        return int(self.energies[:, -1].sum())

    def between(self, start: dt.date, end: dt.date) -> Minutes:
        """Energies per register, the unknown last, from a day to another (excluded), in W × minutes."""
        first, last = (day_number(day) - day_number(self.span.start) for day in (start, end))
        amounts: Minutes = self.before[last] - self.before[first]
        return amounts


def measure(curve: LoadCurve, timeline: Timeline, span: Span) -> Usage:
    """What a curve used in each register of a timeline that covers the span.

    A step that a change of register or day cuts is shared pro rata, and a finding says so.
    """
    stretches = energies_of_stretches(curve, timeline)
    columns = len(timeline.registers) + 1
    first = day_number(span.start)
    # UNKNOWN is -1: the last column.
    cells = (timeline.day_numbers - first) * columns + timeline.numbers % columns
    energies = np.zeros(span.days * columns, dtype=np.int64)
    np.add.at(energies, cells, stretches)
    coverage = curve.coverage(span.start_min, span.end_min)
    return Usage(
        timeline.registers,
        span,
        energies.reshape(span.days, columns),
        coverage,
        tuple(findings_of_stretches(curve, timeline, stretches)),
        unseen_registers(curve, timeline),
    )


#: What was used in the registers of a calendar; CalendarError when that cannot be known.
Use = Callable[[RegisterCalendar], Usage]


def use_of_curve(curve: LoadCurve, home: Home, span: Span) -> Use:
    """What a curve used over a span, for any calendar."""

    def use(calendar: RegisterCalendar) -> Usage:
        usage = measure(curve, lay_out(calendar, home, span.start_min, span.end_min), span)
        return replace(
            usage,
            findings=(*usage.findings, *findings_of_hours(calendar, home)),
            depends_on_off_peak=calendar.needs_off_peak_hours,
        )

    return use


def use_of_registers(kwh: Mapping[str, Decimal], span: Span) -> Use:
    """What a span used by the kWh of one option's registers, spread evenly over its days.

    It answers for the option that has these registers and for BASE, their sum.

    Raises:
        CalendarError: when the registers are those of no option, or an amount is negative.
    """
    if any(not amount.is_finite() or amount < 0 for amount in kwh.values()):
        raise CalendarError("kWh of a register are at least 0")
    options = {option for option, registers in OPTIONS.items() if set(registers) == set(kwh)}
    if not options:
        raise CalendarError(f"the registers {', '.join(kwh)} are those of no option")
    energies = {register: int(amount * PER_KWH) for register, amount in kwh.items()}

    def use(calendar: RegisterCalendar) -> Usage:
        if calendar.option == "BASE":
            amounts = [sum(energies.values())]
        elif calendar.option in options:
            amounts = [energies[register] for register in calendar.registers]
        else:
            names = ", ".join(kwh)
            raise CalendarError(Message.of("left_out.registers", registers=names, option=calendar.option))
        shares = [[amount * day // span.days for amount in (*amounts, 0)] for day in range(span.days + 1)]
        minutes = span.end_min - span.start_min
        before = np.array(shares, dtype=np.int64)
        return Usage(calendar.registers, span, before[1:] - before[:-1], Coverage(minutes, minutes))

    return use


def energies_of_stretches(curve: LoadCurve, timeline: Timeline) -> Minutes:
    """The energy of each stretch of a timeline, in W × minutes."""
    stretches: Minutes = np.diff(curve.energies_before(timeline.bounds_min))
    return stretches


def findings_of_stretches(curve: LoadCurve, timeline: Timeline, stretches: Minutes) -> list[Finding]:
    """What laying a curve on a timeline had to decide: steps shared, registers unknown."""
    findings = []
    changes = timeline.bounds_min[1:-1][timeline.numbers[1:] != timeline.numbers[:-1]]
    if shared := curve.cut_steps(changes):
        findings.append(Finding("split", shared, Message("finding.split")))
    unknown = (timeline.numbers == UNKNOWN) & (stretches > 0)
    if unknown.any():
        wh = int(stretches[unknown].sum()) // PER_WH
        days = len(np.unique(timeline.day_numbers[unknown]))
        message = Message.of("finding.unknown_register", wh=wh, days=days)
        first = instant_of(int(timeline.bounds_min[:-1][unknown][0]))
        findings.append(Finding("unknown_register", days, message, first))
    return findings


def unseen_registers(curve: LoadCurve, timeline: Timeline) -> tuple[str, ...]:
    """The registers of a timeline that ran at no moment that the curve measured."""
    seen = np.unique(timeline.numbers[np.diff(curve.minutes_before(timeline.bounds_min)) > 0])
    return tuple(name for number, name in enumerate(timeline.registers) if number not in seen)


def findings_of_hours(calendar: RegisterCalendar, home: Home) -> list[Finding]:
    """A finding for each entry of a home's off-peak hours that are not eight a day, where they decide."""
    if not calendar.needs_off_peak_hours:
        return []
    findings = []
    for entry in home.off_peak_hours:
        if entry.length_min != USUAL_LENGTH_MIN:
            hours, minutes = divmod(entry.length_min, 60)
            length = f"{hours} h {minutes:02}" if minutes else f"{hours} h"
            message = Message.of("finding.off_peak_hours", hours=describe_off_peak(entry), length=length)
            findings.append(Finding("off_peak_hours", 1, message))
    return findings


def energies_by_register(curve: LoadCurve, timeline: Timeline) -> Mapping[str | None, int]:
    """The energy in each register of a timeline, in W × minutes; under None what no register is known for."""
    totals = np.zeros(len(timeline.registers) + 1, dtype=np.int64)
    np.add.at(totals, timeline.numbers, energies_of_stretches(curve, timeline))
    by_register: dict[str | None, int] = {
        register: int(total) for register, total in zip(timeline.registers, totals[:-1], strict=True)
    }
    if totals[-1]:
        by_register[None] = int(totals[-1])
    return by_register


def whole_wh(energy: int) -> int:
    """An energy in W × minutes as whole Wh, rounded half up, as it is printed."""
    return (2 * energy + PER_WH) // (2 * PER_WH)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterTotals:
    """How much of a load curve ran in each register of an option between two instants, in whole Wh."""

    option: str
    start_min: int
    end_min: int
    wh: Mapping[str, int]
    unknown_wh: int
    """What ran while no register was known."""
    coverage: Coverage
    findings: tuple[Finding, ...]


def register_totals(
    curve: LoadCurve, calendar: RegisterCalendar, home: Home, start_min: int, end_min: int
) -> RegisterTotals:
    """The registers of a calendar over a span of minutes UTC, as an index of the meter would have shown them.

    Raises:
        CalendarError: when the calendar needs what the home does not say, or the span is empty.
    """
    refuse_days_without_hours(calendar, home, start_min, end_min)
    timeline = lay_out(calendar, home, start_min, end_min)
    energies = energies_by_register(curve, timeline)
    odd = findings_of_stretches(curve, timeline, energies_of_stretches(curve, timeline))
    return RegisterTotals(
        option=calendar.option,
        start_min=start_min,
        end_min=end_min,
        wh={register: whole_wh(energies[register]) for register in timeline.registers},
        unknown_wh=whole_wh(energies.get(None, 0)),
        coverage=curve.coverage(start_min, end_min),
        findings=(*curve.findings, *odd, *findings_of_hours(calendar, home)),
    )
