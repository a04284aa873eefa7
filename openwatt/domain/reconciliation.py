"""The reconciliation of a load curve with the daily indexes of the same meter."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openwatt.domain.calendar import Home, RegisterCalendar, lay_out
from openwatt.domain.errors import LoadCurveError
from openwatt.domain.legal_time import Minutes
from openwatt.domain.load_curve import Coverage, Finding, LoadCurve
from openwatt.domain.usage import energies_by_register, findings_of_stretches, whole_wh


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Indexes:
    """What the registers of one option showed at some instants, in Wh; they only grow.

    `stamps_min` are minutes UTC, increasing; `wh[n, r]` is register r at stamp n.
    """

    option: str
    registers: tuple[str, ...]
    stamps_min: Minutes
    wh: npt.NDArray[np.int64]
    findings: tuple[Finding, ...] = ()

    @property
    def used_wh(self) -> Mapping[str, int]:
        """Per register, what was used from the first stamp to the last."""
        used = self.wh[-1] - self.wh[0]
        return {register: int(amount) for register, amount in zip(self.registers, used, strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Per register, what the indexes and what the curve say was used over a span, in whole Wh."""

    option: str
    start_min: int
    end_min: int
    index_wh: Mapping[str, int]
    curve_wh: Mapping[str, int]
    coverage: Coverage
    findings: tuple[Finding, ...]

    @property
    def difference_wh(self) -> Mapping[str, int]:
        """Curve less index."""
        return {register: self.curve_wh[register] - self.index_wh[register] for register in self.index_wh}

    @property
    def agrees(self) -> bool:
        """Whether every register agrees to the Wh, over measurements without a gap."""
        return self.coverage.is_complete and not any(self.difference_wh.values())


def reconcile(curve: LoadCurve, indexes: Indexes, calendar: RegisterCalendar, home: Home) -> Reconciliation:
    """Compares them from the first to the last index that lies within the curve.

    Raises:
        LoadCurveError: when fewer than two indexes do.
        CalendarError: when the calendar needs what the home does not say.
    """
    within = (indexes.stamps_min >= curve.start_min) & (indexes.stamps_min <= curve.end_min)
    if within.sum() < 2:
        raise LoadCurveError("fewer than two indexes were read while the curve was measured")
    start, end = (int(stamp) for stamp in indexes.stamps_min[within][[0, -1]])
    used = indexes.wh[within][-1] - indexes.wh[within][0]
    timeline = lay_out(calendar, home, start, end)
    energies = energies_by_register(curve, timeline)
    stretches = np.diff(curve.energies_before(timeline.bounds_min))
    return Reconciliation(
        option=indexes.option,
        start_min=start,
        end_min=end,
        index_wh={register: int(wh) for register, wh in zip(indexes.registers, used, strict=True)},
        curve_wh={register: whole_wh(energies[register]) for register in indexes.registers},
        coverage=curve.coverage(start, end),
        findings=(*indexes.findings, *findings_of_stretches(curve, timeline, stretches)),
    )
