"""The reader of Home Assistant's energy dashboard: one row a meter, one column an hour."""

from collections.abc import Sequence

import numpy as np

from openwatt.domain.errors import MeterFileError
from openwatt.domain.load_curve import Finding, Readings
from openwatt.domain.messages import Message
from openwatt.meter.cells import quoted
from openwatt.meter.columns import Spans
from openwatt.meter.grids import split
from openwatt.meter.measurements import Rows, read_numbers, read_stamps
from openwatt.meter.options import UNITS
from openwatt.meter.refusals import ambiguous, refused
from openwatt.meter.vocabulary import unit_of

_NAMES = ["entity_id", "type", "unit"]


def is_energy_export(first_line: str) -> bool:
    """Whether a first line names a meter's identity, type and unit, and hours behind them."""
    return split(first_line[:200], ",")[:3] == _NAMES


def read_energy_export(lines: Sequence[str]) -> Readings:
    """The hours of `grid_consumption`, stamped in UTC with the start, as the program keeps its statistics.

    Raises:
        MeterFileError: when no row is of the grid, or several are.
    """
    stamps = [stamp.replace(".000Z", "+00:00") for stamp in split(lines[0], ",")[3:]]
    rows = [split(line, ",") for line in lines[1:]]
    bought = [row for row in rows if row[1:2] == ["grid_consumption"]]
    if not bought:
        raise refused("sensor")
    if len(bought) > 1:
        raise ambiguous("columns", columns=" / ".join(quoted(row[0]) for row in bought[:4]))
    unit = unit_of((bought[0] + [""] * 3)[2])
    if unit is None:
        raise refused("unit", unit=(bought[0] + [""] * 3)[2][:20])
    milli_per_unit, is_energy = UNITS[unit]
    read = read_stamps(Spans.of(stamps).trimmed())
    if read.timeless.any():
        raise refused("daily")
    steps = np.diff(read.minutes)
    if (steps != steps[:1]).any() or not len(steps):
        raise MeterFileError(Message("file.no_measurement"))
    values = [*bought[0][3:], *[""] * len(stamps)][: len(stamps)]
    milli, present = read_numbers(Spans.of(values).trimmed(), milli_per_unit, read.valid)
    findings: tuple[Finding, ...] = ()
    if left := len(rows) - 1:
        findings = (Finding("left_out", left, Message("finding.left_out_meters")),)
    own = np.full(len(stamps), steps[0] if steps[0] <= 60 else 0, dtype=np.int64)
    if steps[0] > 60:
        raise refused("daily")
    return Rows(read, milli, present, own, "start", is_energy, findings=findings).readings()
