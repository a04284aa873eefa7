"""From the cells of stamps and values to readings in UTC: whole columns where regular, else one by one."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from openwatt.domain.errors import MeterFileError
from openwatt.domain.legal_time import Minutes, local_minutes
from openwatt.domain.load_curve import STEPS_MIN, Finding, Readings, utc_of_local
from openwatt.domain.messages import Message
from openwatt.meter import columns
from openwatt.meter.cells import Stamp, milli_of, stamp_of
from openwatt.meter.columns import Mask, Spans
from openwatt.meter.options import StampIs
from openwatt.meter.refusals import refuse_two_homes

#: Whether a row whose cell is no stamp is none of the measurements; it raises what is to be said otherwise.
IsNoMeasurement = Callable[[int, MeterFileError], bool]


def _refuse(_row: int, error: MeterFileError) -> bool:
    raise error


class Stamps(NamedTuple):
    """The stamps of a column, as `cells.Stamp` has them, and which rows are measurements."""

    minutes: Minutes
    aware: Mask
    seconds: Minutes
    timeless: Mask
    valid: Mask


def read_stamps(spans: Spans, is_no_measurement: IsNoMeasurement = _refuse) -> Stamps:
    """The stamps of a column.

    Raises:
        MeterFileError: when a cell is no stamp, and the row is to be a measurement.
    """
    minutes, aware, found = columns.regular_stamps(spans)
    seconds = np.zeros(len(found), dtype=np.int64)
    timeless = np.zeros(len(found), dtype=np.bool_)
    valid = np.ones(len(found), dtype=np.bool_)
    if not found.all():
        for row in np.flatnonzero(~found).tolist():
            try:
                stamp = stamp_of(spans.text(row))
            except MeterFileError as error:
                valid[row] = not is_no_measurement(row, error)
                stamp = Stamp(0)
            minutes[row], aware[row], seconds[row] = stamp.minute, stamp.aware, stamp.seconds
            timeless[row] = not stamp.has_time
    return Stamps(minutes, aware, seconds, timeless, valid)


def read_numbers(spans: Spans, milli_per_unit: int, valid: Mask) -> tuple[Minutes, Mask]:
    """The numbers of a column in thousandths, and which rows have one.

    Raises:
        MeterFileError: when a cell of a measurement holds something else than a number.
    """
    milli, found = columns.regular_numbers(spans, milli_per_unit)
    if not found.all():
        found = found.copy()
        for row in np.flatnonzero(~found & valid).tolist():
            number = milli_of(spans.text(row), milli_per_unit)
            found[row] = number is not None
            milli[row] = number or 0
    return milli, found


def steps_between(starts: Stamps, ends: Stamps) -> Minutes:
    """Minutes from the first to the second, 0 where that is no step (a clock change between them, say)."""
    steps = _closed(ends) - starts.minutes
    return np.where(np.isin(steps, STEPS_MIN), steps, 0)


def _closed(ends: Stamps) -> Minutes:
    """The ends of steps: one that is printed as its last second ends with the next minute."""
    closed: Minutes = ends.minutes + (ends.seconds == 59)
    return closed


class Rows(NamedTuple):
    """The rows of a file that are measurements; the arrays are of one length."""

    stamps: Stamps
    milli: Minutes
    present: Mask
    steps: Minutes
    stamp_is: StampIs
    is_energy: bool = False
    homes: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()

    def readings(self) -> Readings:
        """The rows as `Readings`.

        Raises:
            MeterFileError: when there is none, when they are of several homes, or when
                only some stamps say their offset.
        """
        refuse_two_homes(self.homes)
        stamps, findings = self.stamps, list(self.findings)
        minutes = _closed(stamps) if self.stamp_is == "end" else stamps.minutes
        stray = (stamps.seconds != 0) & (minutes == stamps.minutes)
        valid = stamps.valid & ~stray
        if not valid.any():
            raise MeterFileError(Message.of("file.no_measurement"))
        milli, present, steps, aware = self.milli, self.present, self.steps, stamps.aware
        if strays := int((stray & stamps.valid).sum()):
            findings.append(Finding("stray", strays, Message("finding.stray")))
        if not valid.all():
            minutes, milli, present, steps, aware = (
                array[valid] for array in (minutes, milli, present, steps, aware)
            )
        if aware.any() and not aware.all():
            raise MeterFileError(Message.of("file.mixed_offsets"))
        if not aware.any():
            minutes, ambiguous = utc_of_local(minutes_on_the_wall := minutes)
            findings += ambiguous
            skipped = ~present & (local_minutes(minutes) != minutes_on_the_wall)
            if skipped.any() and not skipped.all():  # rows without a value for the hour that spring skips
                minutes, milli, present, steps = (
                    array[~skipped] for array in (minutes, milli, present, steps)
                )
        return Readings(
            stamps_min=minutes,
            milli=milli,
            present=present,
            steps_min=steps,
            stamp_is=self.stamp_is,
            is_energy=self.is_energy,
            findings=tuple(findings),
            homes=self.homes,
        )
