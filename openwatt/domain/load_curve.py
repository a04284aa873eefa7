"""Load curves: exact energies over steps of time, and findings about the measurements."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from openwatt.domain.errors import LoadCurveError
from openwatt.domain.legal_time import Minutes, Span, day_start_min, instant_of, local_minutes
from openwatt.domain.messages import Message

#: The steps in which meters and operators record, in minutes.
STEPS_MIN = (5, 10, 15, 20, 30, 60)
HALF_HOUR_MIN = 30
#: 1 kWh in W × minutes, the unit of every energy here.
PER_KWH = 60_000
PER_WH = 60
#: What a first or last day may lack and still be billed, in minutes: a quarter of it.
EDGE_MIN = 360

FindingKind = Literal[
    "gap", "mixed_step", "duplicate", "blank", "negative", "disorder", "overlap", "stray", "rounded", "split",
    "above_power", "unknown_register", "ambiguous_hour", "decrease", "left_out", "production", "assumed",
    "cut_day", "off_peak_hours",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd in the measurements: how often, since when, and what was done about it."""

    kind: FindingKind
    count: int
    message: Message
    first_at: dt.datetime | None = None


#: Whose export a file is, as far as its words and layout say it.
Export = Literal[
    "enedis_account", "enedis_curve", "enedis_r63", "enedis_json", "edf_account", "home_assistant", "table"
]  # fmt: skip


class FileOrigin(NamedTuple):
    """What a file was recognised as."""

    format: Literal["csv", "xlsx", "json"]
    export: Export


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a span was measured, in minutes."""

    expected_min: int
    present_min: int

    @property
    def expected_half_hours(self) -> int:
        """Half hours in the span: 46, 48 or 50 a day."""
        return self.expected_min // HALF_HOUR_MIN

    @property
    def present_half_hours(self) -> int:
        """Whole half hours' worth of measurements."""
        return self.present_min // HALF_HOUR_MIN

    @property
    def is_complete(self) -> bool:
        """Whether every minute was measured."""
        return self.present_min == self.expected_min


@dataclass(frozen=True, slots=True, eq=False)
class LoadCurve:
    """Energies over steps that follow each other without overlap; what was not measured is absent.

    Arrays of one length, int64: `starts_min` (minutes UTC, increasing), `steps_min`,
    and `energies` in W × minutes (1 kWh is 60,000). `origins` are those of the files that
    it was read from, each once.

    Raises:
        LoadCurveError: at construction, when steps overlap, are empty, or an energy is negative.
    """

    starts_min: Minutes
    steps_min: Minutes
    energies: Minutes
    findings: tuple[Finding, ...] = ()
    origins: tuple[FileOrigin, ...] = ()

    def __post_init__(self) -> None:
        arrays = (self.starts_min, self.steps_min, self.energies)
        if len({len(array) for array in arrays}) != 1 or any(array.dtype != np.int64 for array in arrays):
            raise LoadCurveError("a load curve needs three arrays of int64 of one length")
        if not len(self.starts_min):
            raise LoadCurveError("a load curve needs at least one measurement")
        if self.steps_min.min() <= 0 or self.energies.min() < 0:
            raise LoadCurveError("a load curve has steps above 0 and energies of at least 0")
        if (self.starts_min[1:] < (self.starts_min + self.steps_min)[:-1]).any():
            raise LoadCurveError("the steps of a load curve overlap")
        for array in arrays:
            array.flags.writeable = False

    @property
    def starts_at(self) -> npt.NDArray[np.datetime64]:
        """The starts as instants in UTC."""
        return self.starts_min.astype("datetime64[m]")

    @property
    def start_min(self) -> int:
        """The first measured instant, in minutes UTC."""
        return int(self.starts_min[0])

    @property
    def end_min(self) -> int:
        """The first instant after the last step, in minutes UTC."""
        return int(self.starts_min[-1] + self.steps_min[-1])

    @property
    def regular_step(self) -> int | None:
        """The one length of all steps, in minutes, where they start multiples of it apart; else None."""
        step = int(self.steps_min[0])
        is_regular = (self.steps_min == step).all() and not ((self.starts_min - self.start_min) % step).any()
        return step if is_regular else None

    @property
    def energy(self) -> int:
        """All that was measured, in W × minutes."""
        return int(self.energies.sum())

    def measured_days(self) -> Span:
        """The legal days from the first to the last instant, but for one at an end that is mostly missing.

        An export that ends at 23:30 loses half an hour and not a day. Where a day at an end
        lacks more than `EDGE_MIN`, its subscription would stand beside a part of its energy.

        Raises:
            SpanError: when no day is left.
        """
        first, last = instant_of(self.start_min).date(), instant_of(self.end_min - 1).date()
        after = last + dt.timedelta(days=1)
        start = first + dt.timedelta(days=self.start_min - day_start_min(first) > EDGE_MIN)
        end = after - dt.timedelta(days=day_start_min(after) - self.end_min > EDGE_MIN)
        return Span(start, end)

    def cut_days(self, span: Span) -> Finding | None:
        """The finding that energy was measured before or after the days of a span, if it was."""
        before = self.energies_before(np.array([span.start_min, span.end_min], dtype=np.int64))
        outside = self.energy - int(before[1] - before[0])
        if outside <= 0:
            return None
        early = max(0, span.start_min - self.start_min) + max(0, self.end_min - span.end_min)
        start, end = Message.day(span.start), Message.day(span.end)
        message = Message.of("finding.cut_day", wh=outside // PER_WH, start=start, end=end)
        return Finding("cut_day", early // HALF_HOUR_MIN, message)

    def span(self, start: dt.date | None = None, end: dt.date | None = None) -> Span:
        """The days from one to another, the end excluded; where one is not given, that of `measured_days`.

        Raises:
            SpanError: when there is no day between them.
        """
        if start is not None and end is not None:
            return Span(start, end)
        measured = self.measured_days()
        return Span(start or measured.start, end or measured.end)

    def energies_before(self, bounds_min: Minutes) -> Minutes:
        """The energy from the first step to each instant; a step that an instant cuts is shared pro rata.

        Shares are whole W × minutes and add up to the step.
        """
        return self._before(bounds_min, self.energies)

    def minutes_before(self, bounds_min: Minutes) -> Minutes:
        """How many minutes were measured before each instant."""
        return self._before(bounds_min, self.steps_min)

    def coverage(self, start_min: int, end_min: int) -> Coverage:
        """How much of a span (minutes UTC, the end excluded) was measured."""
        before = self._before(np.array([start_min, end_min], dtype=np.int64), self.steps_min)
        return Coverage(end_min - start_min, int(before[1] - before[0]))

    def cut_steps(self, bounds_min: Minutes) -> int:
        """How many steps have one of the instants strictly inside."""
        rows, inside = self.place(bounds_min)
        return len(np.unique(rows[(inside > 0) & (inside < self.steps_min[rows])]))

    def highest_power_w(self) -> tuple[int, int]:
        """The highest mean power of a step, in W rounded up, and its start in minutes UTC."""
        powers = -(-self.energies // self.steps_min)
        highest = int(powers.argmax())
        return int(powers[highest]), int(self.starts_min[highest])

    def above_power(self, power_kva: int) -> Finding | None:
        """The finding that the mean power was above the subscribed one, if it ever was."""
        above = self.energies > self.steps_min * (power_kva * 1000)
        if not above.any():
            return None
        minutes = int(self.steps_min[above].sum())
        tenths = (Decimal(minutes) / 60).quantize(Decimal("0.1"))
        hours = Message.decimal(tenths) if minutes % 60 else minutes // 60
        first = instant_of(int(self.starts_min[above.argmax()]))
        return Finding(
            "above_power",
            int(above.sum()),
            Message.of(
                "finding.above_power",
                power_kva=power_kva,
                hours=hours,
            ),
            first,
        )

    def place(self, bounds_min: Minutes) -> tuple[Minutes, Minutes]:
        """The row that starts last at or before each bound, and how many of its minutes lie before."""
        rows = np.maximum(np.searchsorted(self.starts_min, bounds_min, side="right") - 1, 0)
        return rows, np.clip(bounds_min - self.starts_min[rows], 0, self.steps_min[rows])

    def _before(self, bounds_min: Minutes, amounts: Minutes) -> Minutes:
        rows, inside = self.place(bounds_min)
        whole = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(amounts)])
        before: Minutes = whole[rows] + amounts[rows] * inside // self.steps_min[rows]
        return before


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Readings:
    """Rows of a file as they were printed, before they are made a curve.

    `stamps_min` are minutes UTC; `milli` is in mW, or in mWh when `is_energy`; `present`
    is False where a row has no value. `steps_min` are the rows' own steps, 0 where the
    file does not say. `stamp_is` tells whether a stamp starts or ends its step. `homes`
    are the meters that the file names, to refuse a mixture of them.
    """

    stamps_min: Minutes
    milli: Minutes
    present: npt.NDArray[np.bool_]
    steps_min: Minutes
    stamp_is: Literal["start", "end"]
    is_energy: bool = False
    findings: tuple[Finding, ...] = ()
    homes: frozenset[str] = frozenset()


class Measured(NamedTuple):
    """The steps of one file, in order and each once, and what was decided about them."""

    starts_min: Minutes
    steps_min: Minutes
    energies: Minutes
    findings: tuple[Finding, ...]


def measure_readings(readings: Readings, now: dt.datetime) -> Measured:
    """The steps of a file's rows: in order, once each, every row over its own step.

    A negative power is of a home that exports more than it uses: it draws nothing.

    Raises:
        LoadCurveError: when no row holds a value, or the rows lie in the future.
    """
    if not readings.present.any():
        raise LoadCurveError(Message.of("file.no_value"))
    findings = list(readings.findings)
    stamps, rows = _ordered(readings, findings)
    own, milli, present = readings.steps_min, readings.milli, readings.present
    if rows is not None:
        own, milli, present = own[rows], milli[rows], present[rows]
    steps = _steps(stamps, own, readings.stamp_is)
    starts = stamps - steps if readings.stamp_is == "end" else stamps
    if int(starts[0]) * 60 > now.timestamp():
        raise LoadCurveError(Message.of("file.future", first=Message.day(instant_of(int(starts[0])).date())))
    _add_finding(findings, "blank", ~present, starts)
    negative = present & (milli < 0)
    _add_finding(findings, "negative", negative, starts)
    late = (starts + steps) * 60 > now.timestamp()
    _add_finding(findings, "stray", late, starts, Message.of("finding.future"))
    keep = present & ~late
    if not keep.any():
        raise LoadCurveError(Message.of("file.no_usable_value"))
    overlaps = _overlaps(starts, steps, keep)
    _add_finding(findings, "overlap", overlaps, starts)
    keep &= ~overlaps
    if not keep.all():
        starts, steps, milli = starts[keep], steps[keep], milli[keep]
    drawn = milli.copy()
    drawn[drawn < 0] = 0
    scaled = drawn * (PER_WH if readings.is_energy else steps)
    energies = (scaled + 500) // 1000
    _add_finding(findings, "rounded", energies * 1000 != scaled, starts)
    return Measured(starts, steps, energies, tuple(findings))


def regular_curves(start_min: int, step_min: int, energies: Sequence[Minutes]) -> list[LoadCurve]:
    """The curves of homes that were measured in the same steps without a gap; the steps are shared."""
    if not energies:
        return []
    starts: Minutes = start_min + step_min * np.arange(len(energies[0]), dtype=np.int64)
    steps = np.full_like(starts, step_min)
    return [LoadCurve(starts, steps, one) for one in energies]


def build_curve(files: Sequence[Measured]) -> LoadCurve:
    """The load curve of one meter's files, which may follow each other or overlap.

    Steps that several files hold count once; where they disagree, the file that begins
    first counts, and a finding says so.
    """
    findings = list(_merged(finding for file in files for finding in file.findings))
    if len(files) == 1:
        starts, steps, energies, _ = files[0]
    else:
        several = sorted(files, key=lambda file: int(file.starts_min[0]))
        starts, steps, energies = (np.concatenate([file[n] for file in several]) for n in range(3))
        order = np.argsort(starts, kind="stable")
        starts, steps, energies = starts[order], steps[order], energies[order]
        again = np.concatenate([[False], (starts[1:] == starts[:-1]) & (steps[1:] == steps[:-1])])
        first = np.flatnonzero(~again)[np.cumsum(~again) - 1]
        _add_finding(
            findings,
            "duplicate",
            again & (energies != energies[first]),
            starts,
            Message.of("finding.files_disagree"),
        )
        overlaps = _overlaps(starts, steps, ~again)
        _add_finding(findings, "overlap", overlaps, starts)
        keep = ~again & ~overlaps
        starts, steps, energies = starts[keep], steps[keep], energies[keep]
    findings += _gaps_and_steps(starts, steps)
    return LoadCurve(starts, steps, energies, tuple(findings))


def _merged(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Findings of several files: those that say the same become one, with the sum of their counts."""
    merged: dict[str, Finding] = {}
    for finding in findings:
        before = merged.setdefault(str(finding.message), finding)
        if before is not finding:
            firsts = [one.first_at for one in (before, finding) if one.first_at is not None]
            merged[str(finding.message)] = replace(
                before, count=before.count + finding.count, first_at=min(firsts, default=None)
            )
    return merged.values()


def _ordered(readings: Readings, findings: list[Finding]) -> tuple[Minutes, Minutes | None]:
    """The stamps in order and each once, with their rows in the file; None where those are all, in order."""
    differences = np.diff(readings.stamps_min)
    rising, falling = differences > 0, differences < 0
    if rising.all():
        return readings.stamps_min, None
    if falling.any() and rising.any():
        back = np.concatenate([[False], falling])
        if rising.sum() < falling.sum():
            back = np.concatenate([[False], rising])
        _add_finding(findings, "disorder", back, readings.stamps_min)
    order = np.argsort(readings.stamps_min, kind="stable")
    # Of rows with one stamp, the first that holds a value counts.
    order = order[np.lexsort((order, ~readings.present[order], readings.stamps_min[order]))]
    stamps = readings.stamps_min[order]
    again = np.concatenate([[False], stamps[1:] == stamps[:-1]])
    if again.any():
        first = order[~again][np.cumsum(~again) - 1]
        other = again & readings.present[order] & (readings.milli[order] != readings.milli[first])
        message = None
        if other.any():
            message = Message.of("finding.duplicate_other", other=int(other.sum()))
        _add_finding(findings, "duplicate", again, stamps, message)
    return stamps[~again], order[~again]


def _steps(stamps: Minutes, own: Minutes, stamp_is: Literal["start", "end"]) -> Minutes:
    """The step of each row: its own, else the distance to the neighbour that its stamp borders on.

    A distance that no meter uses, or that stands alone between shorter steps which
    divide it, is a gap: the row then has the step of its neighbours.
    """
    if (own > 0).all():
        return own
    distances = np.diff(stamps)
    if len(distances) and distances[0] in STEPS_MIN and not own.any() and (distances == distances[0]).all():
        return np.full(len(stamps), distances[0], dtype=np.int64)
    if stamp_is == "start":  # Mirror: a start borders on the next row as an end borders on the one before.
        distances = distances[::-1]
        own = own[::-1]
    candidates = np.concatenate([[0], distances])
    candidates[~np.isin(candidates, STEPS_MIN)] = 0
    before = np.concatenate([[0], candidates[:-1]])
    after = np.concatenate([candidates[1:], [0]])
    alone = (before > 0) & (after > 0) & (candidates > before) & (candidates > after)
    alone &= candidates % np.maximum(before, 1) == 0
    candidates[alone] = 0
    steps = np.where(own > 0, own, candidates)
    steps = _filled(steps[::-1])[::-1]  # A row after a gap belongs with those that follow it.
    steps = _filled(steps)
    steps[steps == 0] = HALF_HOUR_MIN
    return steps[::-1].copy() if stamp_is == "start" else steps


def _filled(steps: Minutes) -> Minutes:
    """Zeros replaced with the value before them."""
    last = np.maximum.accumulate(np.where(steps > 0, np.arange(len(steps)), 0))
    return steps[last]


def _overlaps(starts: Minutes, steps: Minutes, keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    overlaps = np.zeros(len(starts), dtype=np.bool_)
    rows = np.flatnonzero(keep)
    ends = starts + steps
    if not (starts[rows][1:] < ends[rows][:-1]).any():
        return overlaps
    end = starts[0] - 1440
    for row in rows:
        if starts[row] < end:
            overlaps[row] = True
        else:
            end = ends[row]
    return overlaps


def _gaps_and_steps(starts: Minutes, steps: Minutes) -> Iterator[Finding]:
    ends = starts + steps
    gaps = starts[1:] - ends[:-1]
    if gaps.any():
        missing = int(gaps.sum())
        yield Finding(
            "gap",
            int((gaps > 0).sum()),
            Message.of("finding.gap", half_hours=missing // HALF_HOUR_MIN),
            instant_of(int(ends[int((gaps > 0).argmax())])),
        )
    if (steps != steps[0]).any():
        lengths, counts = np.unique(steps, return_counts=True)
        changes = np.concatenate([[False], steps[1:] != steps[:-1]])
        listed = ", ".join(
            f"{step} min × {count}" for step, count in zip(lengths.tolist(), counts.tolist(), strict=True)
        )
        yield Finding(
            "mixed_step",
            int(changes.sum()),
            Message.of("finding.mixed_step", listed=listed),
            instant_of(int(starts[changes.argmax()])),
        )


def _add_finding(
    findings: list[Finding],
    kind: FindingKind,
    rows: npt.NDArray[np.bool_],
    at_min: Minutes,
    message: Message | None = None,
) -> None:
    """Adds the finding of some rows, whose sentence is that of its kind unless another one is given."""
    if rows.any():
        first = instant_of(int(at_min[int(rows.argmax())]))
        findings.append(Finding(kind, int(rows.sum()), message or Message(f"finding.{kind}"), first))


def utc_of_local(wall_min: Minutes) -> tuple[Minutes, Sequence[Finding]]:
    """Stamps of legal time without offset as minutes UTC, in the order of a file.

    The hour that spring skips becomes the hour after it. The hour that autumn repeats is
    distinguished by order: the first time a reading comes it is summer time, the next time
    winter time (the other way round in a file that goes backwards). When the file holds
    it once, it is summer time.
    """
    summer, winter = wall_min - 120, wall_min - 60
    is_summer, is_winter = local_minutes(summer) == wall_min, local_minutes(winter) == wall_min
    utc = np.where(is_summer, summer, winter)
    both = np.flatnonzero(is_summer & is_winter)
    if not len(both):
        return utc, ()
    backwards = wall_min[-1] < wall_min[0]
    rows = both[::-1] if backwards else both
    seen: dict[int, int] = {}
    for row in rows:
        reading = int(wall_min[row])
        before = seen[reading] = seen.get(reading, 0) + 1
        if before == 2:
            utc[row] = winter[row]
    once = sum(count == 1 for count in seen.values())
    if not once:
        return utc, ()
    message = Message("finding.ambiguous_hour")
    return utc, (Finding("ambiguous_hour", once, message, instant_of(int(utc[both[0]]))),)
