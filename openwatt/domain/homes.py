"""The totals of many homes that were measured at the same instants, exact, and the rankings of each."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openwatt.domain.calendar import UNKNOWN, Timeline
from openwatt.domain.comparison import ContractTotal, PricedContract
from openwatt.domain.errors import BillError
from openwatt.domain.legal_time import Minutes, Span, day_number
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.price_matrix import PriceMatrix
from openwatt.domain.whole_arrays import Whole

Flags = npt.NDArray[np.bool_]

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
    homes = np.arange(len(energies))
    plans = [(CellPlan(grid, timeline, matrix.span, matrix.edges), homes) for timeline, matrix in priced]
    used = energies_of_homes(energies, plans)
    return tuple(matrix.numerators(one[:, :-1]) for (_, matrix), one in zip(priced, used, strict=True))


class CellPlan:
    """Which steps of a grid lie in which cell: a period of prices and a register, or no known register.

    A cell's number is that of its row in a price matrix; the last, `size` - 1, is of no known register.
    """

    def __init__(self, grid: LoadCurve, timeline: Timeline, span: Span, edges: Minutes) -> None:
        registers = len(timeline.registers)
        periods = np.searchsorted(edges, timeline.day_numbers - day_number(span.start), side="right") - 1
        self.registers = timeline.registers
        self.size = (len(edges) - 1) * registers + 1
        cells = np.where(timeline.numbers == UNKNOWN, self.size - 1, periods * registers + timeline.numbers)
        changes = np.flatnonzero(np.diff(cells, prepend=cells[0] - 1))
        bounds = np.append(timeline.bounds_min[:-1][changes], timeline.bounds_min[-1])
        cells = cells[changes]
        rows, inside = grid.place(bounds)
        steps = grid.steps_min[rows]
        #: The whole steps before each bound, and the bounds that cut one, with what lies before them.
        self._before = rows + (inside == steps)
        self._cut = np.flatnonzero((inside > 0) & (inside < steps))
        self._cut_rows, self._inside, self._steps = rows[self._cut], inside[self._cut], steps[self._cut]
        self._order = np.argsort(cells, kind="stable")
        self._cells, self._firsts = np.unique(cells[self._order], return_index=True)
        self._unseen_when_complete = self._unseen(self._cells)

    def used(self, running: Minutes, energies: Minutes, homes: Minutes) -> Minutes:
        """Energies `[home, cell]` of some rows of energies, from the running sums of all."""
        at_bounds = _cells_of(running, homes, self._before)
        if len(self._cut):
            shared = _cells_of(energies, homes, self._cut_rows)
            at_bounds[:, self._cut] += shared * self._inside // self._steps
        stretches = np.diff(at_bounds, axis=1)
        used = np.zeros((len(homes), self.size), dtype=np.int64)
        used[:, self._cells] = np.add.reduceat(stretches[:, self._order], self._firsts, axis=1)
        return used

    def unseen(self, minutes: Minutes | None = None) -> tuple[str, ...]:
        """The registers that ran at no measured moment, of the measured minutes of each cell; None: all."""
        return self._unseen_when_complete if minutes is None else self._unseen(np.flatnonzero(minutes))

    def _unseen(self, cells: Minutes) -> tuple[str, ...]:
        seen = set((cells[cells < self.size - 1] % len(self.registers)).tolist())
        return tuple(name for number, name in enumerate(self.registers) if number not in seen)


def energies_of_homes(energies: Minutes, plans: Sequence[tuple[CellPlan, Minutes]]) -> tuple[Minutes, ...]:
    """What homes used in the cells of each plan, whose second part says which rows of the energies it is for.

    `energies[home, step]` are in W × minutes over the steps of the plans' grid. One array
    `[home, cell]` comes back for each plan; its rows add up to a home's energy in the plan's span.
    """
    used = tuple(np.zeros((len(homes), plan.size), dtype=np.int64) for plan, homes in plans)
    before = np.zeros((min(len(energies), _HOMES_PER_PASS), energies.shape[1] + 1), dtype=np.int64)
    for start in range(0, len(energies), _HOMES_PER_PASS):
        some = energies[start : start + _HOMES_PER_PASS]
        running = before[: len(some)]
        np.cumsum(some, axis=1, out=running[:, 1:])
        for (plan, homes), totals in zip(plans, used, strict=True):
            first, last = np.searchsorted(homes, (start, start + len(some)))
            if first < last:
                totals[first:last] = plan.used(running, some, homes[first:last] - start)
    return used


@dataclass(frozen=True, slots=True, eq=False)
class TotalsOfHomes:
    """What many homes would pay for the same contracts: a `ContractTotal` in each cell `[home, contract]`.

    `ttc` are whole numbers of one unit, `unknown` energies of no register, and `unseen` each
    contract's registers that ran at no measured moment, the same for all homes of one grid.
    """

    contracts: Sequence[PricedContract]
    unseen: Sequence[tuple[str, ...]]
    ttc: Whole
    unknown: Minutes

    @property
    def whole(self) -> Flags:
        """Which totals hold every day and all energy."""
        with_all, without = (
            np.array([ContractTotal(one, 0, unknown).whole for one in self.contracts], dtype=np.bool_)
            for unknown in (0, 1)
        )
        return np.where(self.unknown > 0, without, with_all)

    def order(self) -> Minutes:
        """Each home's contracts in the order of `ContractTotal.rank`, as their numbers."""
        standings = _numbered(
            [
                [ContractTotal(one, 0, unknown, unseen).standing for unknown in (0, 1)]
                for one, unseen in zip(self.contracts, self.unseen, strict=True)
            ]
        )
        standing = np.where(self.unknown > 0, standings[:, 1], standings[:, 0])
        ttc = self.ttc if self.ttc.dtype == np.int64 else _numbers_in_order(self.ttc)
        names = _numbered([[str(one.contract)] for one in self.contracts])[:, 0]
        order: Minutes = np.lexsort((np.broadcast_to(names, ttc.shape), ttc, standing), axis=-1)
        return order

    def regulated(self, order: Minutes) -> Minutes:
        """The regulated contract of each contract's option, by its number; -1 where none is ranked.

        Of several, a home's is the last in its order, as in the ranking of one home.
        """
        found = np.full(self.ttc.shape, -1, dtype=np.int64)
        options = np.array([one.contract.option for one in self.contracts])
        regulated = np.flatnonzero(self._regulated)
        for option in set(options[regulated]):
            several = regulated[options[regulated] == option]
            last = several
            if len(several) > 1:
                places = np.argsort(order, axis=-1)
                last = several[np.argmax(places[:, several], axis=1)]
            found[:, options == option] = last[:, None]
        return found

    def baseline(self) -> int:
        """The regulated contract in BASE, by its number; -1 where none is ranked."""
        found = (number for number in np.flatnonzero(self._regulated).tolist())
        return next((number for number in found if self.contracts[number].contract.option == "BASE"), -1)

    def savings(self, other: Minutes) -> tuple[Whole, Flags]:
        """What each total saves against another of the same home, and where the two are comparable.

        `other[home, contract]` holds contracts' numbers, -1 for none.
        """
        numbers: dict[frozenset[dt.date], int] = {}
        days = np.array([numbers.setdefault(one.open_days, len(numbers)) for one in self.contracts])
        same_days = days[other] == days
        same_unknown = np.take_along_axis(self.unknown, other, axis=1) == self.unknown
        savings: Whole = np.take_along_axis(self.ttc, other, axis=1) - self.ttc
        return savings, (other >= 0) & same_days & same_unknown

    @property
    def _regulated(self) -> Flags:
        return np.array([one.is_regulated and one.is_ranked for one in self.contracts], dtype=np.bool_)


def _cells_of(amounts: Minutes, rows: Minutes, columns: Minutes) -> Minutes:
    """The cells where some rows and columns meet; much faster than indexing by both."""
    cells: Minutes = amounts.reshape(-1).take(rows[:, None] * amounts.shape[1] + columns)
    return cells


def _numbered(cells: Sequence[Sequence[Any]]) -> Minutes:
    """Each cell's number in the order of all: equal cells have the same."""
    numbers = {cell: number for number, cell in enumerate(sorted({cell for row in cells for cell in row}))}
    return np.array([[numbers[cell] for cell in row] for row in cells], dtype=np.int64)


def _numbers_in_order(whole: Whole) -> Minutes:
    """Numbers of int64 that have the order of numbers of any size."""
    numbers = np.unique(whole, return_inverse=True)[1]
    return numbers.reshape(whole.shape).astype(np.int64)
