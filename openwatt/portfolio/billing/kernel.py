"""The kernel turns a batch of homes into rows; it opens and stores nothing, so any map can run it.

The local run gives it parts of a folder in its processes; a Dask bag's or a Spark
RDD's `map_partitions` gives it their partitions, and the rows are the same.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from openwatt.domain.contract import PriceBasis
from openwatt.domain.errors import BillError, CalendarError, OpenWattError, message_of
from openwatt.domain.homes import CellPlan, energies_of_homes
from openwatt.domain.legal_time import Minutes, Span
from openwatt.domain.load_curve import Coverage, LoadCurve
from openwatt.domain.off_peak import OffPeakHours
from openwatt.meter.options import NO_OPTIONS, FileOptions
from openwatt.meter.read import read_load_curve
from openwatt.portfolio.billing.grids import Grids, HomesOnGrid
from openwatt.portfolio.billing.group_rows import CalendarOutcome, HomeGroup, failed_rows, rows_of_group
from openwatt.portfolio.billing.prepared import PricedSpan, laid_out, priced_span
from openwatt.portfolio.billing.rows import HomeRow, HomeRows, joined
from openwatt.portfolio.market import PortfolioMarket
from openwatt.sentences.catalogue import sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioTerms:
    """The terms of every home's bills: the market, the prices, the day that is today, and the days.

    Without `start` or `end`, each home's own whole days count. `top` keeps the
    cheapest contracts of each home, None keeps all. `include_outdated` ranks contracts
    whose price cannot be today's among the others. `file_options` say what meter files leave open.
    """

    market: PortfolioMarket
    prices: PriceBasis
    now: dt.datetime
    today: dt.date
    start: dt.date | None = None
    end: dt.date | None = None
    top: int | None = None
    include_outdated: bool = False
    file_options: FileOptions = NO_OPTIONS


class HomeSetting(NamedTuple):
    """A home's subscribed power, None when it is not given, and the off-peak hours of its meter."""

    power_kva: int | None
    off_peak_hours: tuple[OffPeakHours, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a home's measurements could not even be handed over."""

    reason: str


class MeteredHome(NamedTuple):
    """One home: its name, its setting, and its meter's file as bytes or its curve."""

    home: str
    setting: HomeSetting
    measured: bytes | LoadCurve | Unreadable


def bill_homes(batch: Iterable[MeteredHome], terms: PortfolioTerms) -> list[HomeRow]:
    """The rows of each home, in the order of the batch, contracts from the cheapest as `compare` ranks them.

    Nothing that is wrong with a home is raised: it becomes the home's only row.
    """
    return list(bill_batch(batch, terms))


def bill_batch(batch: Iterable[MeteredHome], terms: PortfolioTerms) -> HomeRows:
    """The same rows as columns."""
    rows: list[HomeRows] = []
    places: list[Minutes] = []
    named: dict[int, _NamedHome] = {}
    grids = Grids()
    for place, home in enumerate(batch):
        try:
            curve, span = _curve_and_span(home, terms)
        except OpenWattError as error:
            reason = sentence(error)
        except Exception as fault:  # noqa: BLE001 (a fault of a reader is one home's, not the portfolio's)
            reason = f"a fault of the reader: {type(fault).__name__}"
        else:
            grids.add(place, curve, span)
            named[place] = _NamedHome(home.home, home.setting)
            continue
        places.append(np.array([place]))
        rows.append(failed_rows([home.home], [reason]))
    for grid in grids:
        for group in _costed_groups(grid, [named[place] for place in grid.places], terms):
            found = rows_of_group(group, terms.prices, terms.top)
            places.append(np.array(grid.places)[group.numbers].repeat(len(found) // len(group.numbers)))
            rows.append(found)
    return joined(rows).take(np.argsort(np.concatenate([np.arange(0), *places]), kind="stable"))


def _curve_and_span(home: MeteredHome, terms: PortfolioTerms) -> tuple[LoadCurve, Span]:
    if isinstance(home.measured, Unreadable):
        raise BillError(home.measured.reason)
    if home.setting.power_kva is None:
        raise BillError("its subscribed power is not said: give --power-kva, or a line in the file of homes")
    curve = home.measured
    if isinstance(curve, bytes):
        curve = read_load_curve(curve, terms.now, terms.file_options)
    return curve, curve.span(terms.start, terms.end)


class _NamedHome(NamedTuple):
    home: str
    setting: HomeSetting


class _SettingPlans(NamedTuple):
    """The homes of one setting on a grid, by their numbers there, and the plans by which they are costed."""

    numbers: Sequence[int]
    priced: PricedSpan
    plans: Sequence[CellPlan | CalendarError]


def _costed_groups(
    grid: HomesOnGrid, homes: Sequence[_NamedHome], terms: PortfolioTerms
) -> Iterator[HomeGroup]:
    """The homes of a grid with their energies, in groups that have the same contracts.

    What homes used is summed once for all whose registers run at the same times, and priced once
    for all of one power.
    """
    settings = _setting_plans(grid, homes, terms)
    energies = _by_plan(grid.energies(), np.arange(len(homes)), settings)
    minutes = _by_plan(grid.minutes(), grid.incomplete, settings)
    incomplete = set(grid.incomplete.tolist())
    expected = grid.span.end_min - grid.span.start_min
    plans_of: dict[int, Sequence[CellPlan | CalendarError]] = {}
    coverages: dict[int, Coverage] = {}
    groups: dict[tuple[PricedSpan, tuple[CalendarOutcome, ...]], list[int]] = {}
    for one in settings:
        of_complete = tuple(map(_outcome, one.plans))
        for number in one.numbers:
            outcomes, present = of_complete, expected
            if number in incomplete:
                measured = [minutes[plan][number] for plan in one.plans if isinstance(plan, CellPlan)]
                present = int(measured[0].sum()) if measured else 0
                cells = iter(measured)
                outcomes = tuple(
                    _outcome(plan, next(cells)) if isinstance(plan, CellPlan) else _outcome(plan)
                    for plan in one.plans
                )
            coverages[number] = Coverage(expected, present)
            plans_of[number] = one.plans
            groups.setdefault((one.priced, outcomes), []).append(number)
    for (priced, outcomes), numbers in groups.items():
        columns = zip(*(plans_of[number] for number in numbers), strict=True)
        yield HomeGroup(
            numbers=numbers,
            homes=[homes[number].home for number in numbers],
            power_kva=homes[numbers[0]].setting.power_kva,
            span=grid.span,
            coverages=[coverages[number] for number in numbers],
            priced=priced,
            outcomes=outcomes,
            energies=[
                np.stack([energies[plan][number] for plan, number in zip(plans, numbers, strict=True)])
                for plans in columns
                if isinstance(plans[0], CellPlan)
            ],
        )


def _setting_plans(
    grid: HomesOnGrid, homes: Sequence[_NamedHome], terms: PortfolioTerms
) -> Sequence[_SettingPlans]:
    by_setting: dict[HomeSetting, list[int]] = {}
    for number, home in enumerate(homes):
        by_setting.setdefault(home.setting, []).append(number)
    found = []
    for setting, numbers in by_setting.items():
        priced = priced_span(
            terms.market,
            grid.span,
            setting.power_kva or 0,
            terms.prices,
            terms.today,
            include_outdated=terms.include_outdated,
        )
        found.append(_SettingPlans(numbers, priced, laid_out(priced, setting.off_peak_hours, grid.grid)))
    return found


def _by_plan(
    amounts: Minutes, numbers: Minutes, settings: Sequence[_SettingPlans]
) -> Mapping[CellPlan, Minutes]:
    """The amounts `[home, cell]` of some homes of a grid by each plan of theirs; `amounts` has a row each."""
    rows_of: dict[CellPlan, list[int]] = {}
    row_of = {number: row for row, number in enumerate(numbers.tolist())}
    for one in settings:
        rows = [row_of[number] for number in one.numbers if number in row_of]
        for plan in one.plans if rows else ():
            if isinstance(plan, CellPlan):
                rows_of.setdefault(plan, []).extend(rows)
    plans = [(plan, np.array(sorted(rows))) for plan, rows in rows_of.items()]
    by_plan = {}
    homes = sum(len(one.numbers) for one in settings)
    for (plan, some), found in zip(plans, energies_of_homes(amounts, plans), strict=True):
        by_plan[plan] = np.zeros((homes, plan.size), dtype=np.int64)
        by_plan[plan][numbers[some]] = found
    return by_plan


def _outcome(plan: CellPlan | CalendarError, minutes: Minutes | None = None) -> CalendarOutcome:
    return message_of(plan) if isinstance(plan, CalendarError) else plan.unseen(minutes)
