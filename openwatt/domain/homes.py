"""The totals of many homes that were measured at the same instants: exact, in one product."""

from collections.abc import Sequence

import numpy as np

from openwatt.domain.calendar import UNKNOWN, Timeline
from openwatt.domain.errors import BillError
from openwatt.domain.legal_time import Minutes, day_number
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.price_matrix import PriceMatrix, Whole

#: Homes per pass: their running sums stay in a processor's cache.
_HOMES_PER_PASS = 32


def totals_of_homes(
    grid: LoadCurve, energies: Minutes, priced: Sequence[tuple[Timeline, PriceMatrix]]
) -> tuple[Whole, ...]:
    """What every home would pay for every contract with all taxes, in EUR / the matrix's `denominator`.

    `energies[home, step]` are in W × minutes over the steps of `grid`, whose own
    energies do not matter. Each timeline covers its matrix's span; one array
    `[home, contract]` comes back for each.

    Raises:
        BillError: when the energies are not one row of the grid's length per home.
    """
    if energies.ndim != 2 or energies.shape[1] != len(grid.starts_min):
        raise BillError(f"energies of shape {energies.shape} do not fit {len(grid.starts_min)} steps")
    plans = [_Plan(grid, timeline, matrix) for timeline, matrix in priced]
    used = [np.zeros((len(energies), matrix.prices.shape[0]), dtype=np.int64) for _, matrix in priced]
    before = np.zeros((_HOMES_PER_PASS, energies.shape[1] + 1), dtype=np.int64)
    for start in range(0, len(energies), _HOMES_PER_PASS):
        some = energies[start : start + _HOMES_PER_PASS]
        running = before[: len(some)]
        np.cumsum(some, axis=1, out=running[:, 1:])
        for plan, totals in zip(plans, used, strict=True):
            totals[start : start + len(some)] = plan.used(running, some)
    return tuple(matrix.numerators(totals) for (_, matrix), totals in zip(priced, used, strict=True))


class _Plan:
    """Where a running sum is read, and which cell of the price matrix each difference falls in."""

    def __init__(self, grid: LoadCurve, timeline: Timeline, matrix: PriceMatrix) -> None:
        registers = len(timeline.registers)
        periods = (
            np.searchsorted(matrix.edges, timeline.day_numbers - day_number(matrix.span.start), side="right")
            - 1
        )
        cells = np.where(timeline.numbers == UNKNOWN, -1, periods * registers + timeline.numbers)
        changes = np.flatnonzero(np.diff(cells, prepend=cells[0] - 1))
        bounds = np.append(timeline.bounds_min[:-1][changes], timeline.bounds_min[-1])
        cells = cells[changes]
        self.rows, self.inside = grid.place(bounds)
        self.steps = grid.steps_min[self.rows]
        known = np.flatnonzero(cells != UNKNOWN)
        self.order = known[np.argsort(cells[known], kind="stable")]
        self.cells, self.firsts = np.unique(cells[self.order], return_index=True)
        self.size = matrix.prices.shape[0]

    def used(self, running: Minutes, energies: Minutes) -> Minutes:
        """Energies `[home, row of prices]` from running sums and the energies that they run over."""
        at_bounds = running[:, self.rows] + energies[:, self.rows] * self.inside // self.steps
        stretches = np.diff(at_bounds, axis=1)
        used = np.zeros((len(running), self.size), dtype=np.int64)
        if len(self.cells):
            used[:, self.cells] = np.add.reduceat(stretches[:, self.order], self.firsts, axis=1)
        return used
