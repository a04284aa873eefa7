"""The kernel turns a batch of homes into rows; it opens and stores nothing, so any map can run it.

The local run gives it parts of a folder in its processes; a Dask bag's or a Spark
RDD's `map_partitions` gives it their partitions, and the rows are the same.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from openwatt.domain.bill import DAYS_PER_YEAR, what_is_partial
from openwatt.domain.calendar import Timeline
from openwatt.domain.comparison import PricedCalendar, PricedContract
from openwatt.domain.contract import Contract, PriceBasis
from openwatt.domain.errors import BillError, CalendarError, OpenWattError, message_of
from openwatt.domain.homes import Flags, TotalsOfHomes, energies_of_homes
from openwatt.domain.legal_time import Minutes, Span
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import OffPeakHours
from openwatt.domain.part_of_year import stands_for_a_year
from openwatt.domain.price_matrix import PriceMatrix
from openwatt.domain.usage import Usage, unseen_registers, whole_wh
from openwatt.domain.whole_arrays import Whole, rounded_products, times
from openwatt.meter.read import read_load_curve
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.prepared import laid_out, priced_span
from openwatt.portfolio.rows import AmountColumn, CodedColumn, Column, HomeRow, HomeRows, joined
from openwatt.sentences.catalogue import sentence

_NAMES = ("supplier", "offer", "option", "power_kva")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioTerms:
    """The terms of every home's bills: the market, the prices, the day that is today, and the days.

    Without `start` or `end`, each home's own whole days count. `top` keeps the
    cheapest contracts of each home, None keeps all. `include_outdated` ranks contracts
    whose price cannot be today's among the others.
    """

    market: PortfolioMarket
    prices: PriceBasis
    now: dt.datetime
    today: dt.date
    start: dt.date | None = None
    end: dt.date | None = None
    top: int | None = None
    include_outdated: bool = False


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


@dataclass(slots=True)
class _HomeGroup:
    """Homes of one setting, span and grid of steps: they are costed in one product."""

    setting: HomeSetting
    span: Span
    grid: LoadCurve
    places: list[int] = field(default_factory=list)
    homes: list[str] = field(default_factory=list)
    energies: list[Minutes] = field(default_factory=list)

    def add(self, place: int, home: str, curve: LoadCurve) -> None:
        """Adds a home of this group."""
        self.places.append(place)
        self.homes.append(home)
        self.energies.append(curve.energies)

    def takes(self, curve: LoadCurve) -> bool:
        """Whether a curve has the same steps; those that were measured together share their arrays."""
        return all(
            ours is theirs or np.array_equal(ours, theirs)
            for ours, theirs in (
                (self.grid.starts_min, curve.starts_min),
                (self.grid.steps_min, curve.steps_min),
            )
        )


def bill_homes(batch: Iterable[MeteredHome], terms: PortfolioTerms) -> list[HomeRow]:
    """The rows of each home, in the order of the batch, contracts from the cheapest as `compare` ranks them.

    Nothing that is wrong with a home is raised: it becomes the home's only row.
    """
    return list(bill_batch(batch, terms))


def bill_batch(batch: Iterable[MeteredHome], terms: PortfolioTerms) -> HomeRows:
    """The same rows as columns; what a whole batch needs in memory is some 10 MB for 64 homes of a year."""
    places: list[int] = []
    blocks: list[HomeRows] = []
    groups: dict[tuple[HomeSetting, Span, int], list[_HomeGroup]] = {}
    for place, home in enumerate(batch):
        try:
            curve, span = _curve_and_span(home, terms)
        except OpenWattError as error:
            reason = sentence(error)
        except Exception as fault:  # noqa: BLE001 (a fault of a reader is one home's, not the portfolio's)
            reason = f"a fault of the reader: {type(fault).__name__}"
        else:
            _group_of(groups, home.setting, span, curve).add(place, home.home, curve)
            continue
        places.append(place)
        blocks.append(_failed([home.home], [reason]))
    for candidates in groups.values():
        for group in candidates:
            rows = _bill_group(group, terms)
            places += np.repeat(group.places, len(rows) // len(group.places)).tolist()
            blocks.append(rows)
    return joined(blocks).take(np.argsort(places, kind="stable"))


def _curve_and_span(home: MeteredHome, terms: PortfolioTerms) -> tuple[LoadCurve, Span]:
    if isinstance(home.measured, Unreadable):
        raise BillError(home.measured.reason)
    if home.setting.power_kva is None:
        raise BillError("its subscribed power is not said: give --power-kva, or a line in the file of homes")
    curve = home.measured
    if isinstance(curve, bytes):
        curve = read_load_curve(curve, terms.now)
    return curve, curve.span(terms.start, terms.end)


def _group_of(
    groups: dict[tuple[HomeSetting, Span, int], list[_HomeGroup]],
    setting: HomeSetting,
    span: Span,
    curve: LoadCurve,
) -> _HomeGroup:
    candidates = groups.setdefault((setting, span, len(curve.starts_min)), [])
    group = next((one for one in candidates if one.takes(curve)), None)
    if group is None:
        group = _HomeGroup(setting, span, curve)
        candidates.append(group)
    return group


def _failed(homes: Sequence[str], reasons: Sequence[str], power_kva: int | None = None) -> HomeRows:
    """A row for each home that could not be billed, with its reason."""
    places = np.arange(len(homes))
    columns: dict[str, Column] = {"home": CodedColumn(homes, places), "reason": CodedColumn(reasons, places)}
    columns["power_kva"] = CodedColumn([power_kva], np.zeros_like(places))
    return HomeRows(len(homes), columns)


def _bill_group(group: _HomeGroup, terms: PortfolioTerms) -> HomeRows:
    """The rows of a group, as many for each home."""
    power_kva = group.setting.power_kva or 0
    priced = priced_span(
        terms.market,
        group.span,
        power_kva,
        terms.prices,
        terms.today,
        include_outdated=terms.include_outdated,
    )
    timelines = laid_out(priced, group.span, group.setting.off_peak_hours)
    costable = [
        _CostableCalendar(calendar, matrix, timeline)
        for (calendar, matrix), timeline in zip(priced.calendars, timelines, strict=True)
        if isinstance(timeline, Timeline)
    ]
    left_out = [*priced.left_out]
    for (calendar, _), error in zip(priced.calendars, timelines, strict=True):
        if isinstance(error, CalendarError):
            left_out += [(one.contract, message_of(error)) for one in calendar.contracts]
    if not costable:
        reasons = Message.each(reason for _, reason in left_out) or Message("left_out.there_is_none")
        reason = sentence(Message.of("left_out.every_contract", reason=reasons))
        return _failed(group.homes, [reason] * len(group.homes), power_kva)
    return _GroupRows(group, _cost(group, costable, priced.denominator), left_out, terms).rows()


class _CostableCalendar(NamedTuple):
    """A calendar that is known over the span: its contracts, their prices, and when its registers run."""

    priced: PricedCalendar
    matrix: PriceMatrix
    timeline: Timeline


class _Costs(NamedTuple):
    """The exact totals of a group's homes, with and without taxes, over the denominator of the span.

    `energies` are what each home used in the span, in W × minutes.
    """

    totals: TotalsOfHomes
    ht: Whole
    energies: Minutes
    denominator: int


def _cost(group: _HomeGroup, calendars: Sequence[_CostableCalendar], denominator: int) -> _Costs:
    """Every contract of some calendars for every home of a group."""
    plans = [(one.timeline, one.matrix) for one in calendars]
    used = energies_of_homes(group.grid, np.stack(group.energies), plans)
    ttc, ht, unknown, unseen = [], [], [], []
    for (calendar, matrix, timeline), energies in zip(calendars, used, strict=True):
        size = len(calendar.contracts)
        numerators = times(matrix.numerators(energies[:, :-1]), denominator // matrix.denominator)
        ttc.append(numerators[:, :size])
        ht.append(numerators[:, size:])
        unknown.append(np.repeat(energies[:, -1:], size, axis=1))
        unseen += [unseen_registers(group.grid, timeline)] * size
    totals = TotalsOfHomes(
        contracts=[one for calendar in calendars for one in calendar.priced.contracts],
        unseen=unseen,
        ttc=np.concatenate(ttc, axis=1),
        unknown=np.concatenate(unknown, axis=1),
    )
    return _Costs(totals, np.concatenate(ht, axis=1), used[0].sum(axis=1), denominator)


class _GroupRows:
    """Turns the exact totals of a group's homes into their rows.

    Whole totals come first, from the cheapest; then, where all are wanted, outdated
    prices in the same order and what could not be costed.
    """

    def __init__(
        self,
        group: _HomeGroup,
        costs: _Costs,
        left_out: Sequence[tuple[Contract, Message]],
        terms: PortfolioTerms,
    ) -> None:
        self.group, self.costs, self.left_out, self.terms = group, costs, left_out, terms
        self.contracts = costs.totals.contracts
        self.order = costs.totals.order()
        self.coverage = group.grid.coverage(group.span.start_min, group.span.end_min)

    def rows(self) -> HomeRows:
        """The rows of all homes; at least one each."""
        wanted = self._wanted()
        if not wanted.shape[1]:
            return self._without_price()
        count = wanted.size
        homes = np.repeat(np.arange(len(wanted)), wanted.shape[1])
        columns = {**self._of_homes(homes), **self._of_contracts(wanted.ravel())}
        costed = wanted < len(self.contracts)
        cells = homes, np.where(costed, wanted, 0).ravel()
        columns |= self._amounts(cells, costed.ravel())
        columns["whole"] = CodedColumn(
            [False, True, None], np.where(costed.ravel(), self.costs.totals.whole[cells], 2)
        )
        columns["reason"] = self._reasons(wanted)
        return HomeRows(count, columns)

    def _wanted(self) -> Minutes:
        """The contracts of each home's rows by their numbers; what was left out follows what was costed."""
        ranked = sum(one.is_ranked for one in self.contracts)
        if self.terms.top is not None:
            return self.order[:, : min(ranked, self.terms.top)]
        left_out = len(self.contracts) + np.arange(len(self.left_out))
        return np.hstack([self.order, np.tile(left_out, (len(self.order), 1))])

    def _without_price(self) -> HomeRows:
        """The rows of homes whose cheapest contracts are wanted and whose prices are all outdated."""
        reasons = []
        for order in self.order.tolist():
            outdated = [one for one in (self.contracts[n].outdated for n in order) if one]
            newest = max(outdated, key=lambda one: one.seen_on)
            reasons.append(sentence(newest.message_of_newest))
        return _failed(self.group.homes, reasons, self.group.setting.power_kva)

    def _of_homes(self, codes: Minutes) -> dict[str, Column]:
        span, coverage = self.group.span, self.coverage
        same = {
            "start": span.start,
            "end": span.end,
            "expected_half_hours": coverage.expected_half_hours,
            "present_half_hours": coverage.present_half_hours,
        }
        columns: dict[str, Column] = {
            name: CodedColumn([value], np.zeros_like(codes)) for name, value in same.items()
        }
        columns["home"] = CodedColumn(self.group.homes, codes)
        kwh = [Decimal(whole_wh(energy)).scaleb(-3) for energy in self.costs.energies.tolist()]
        return {**columns, "kwh": CodedColumn(kwh, codes)}

    def _of_contracts(self, codes: Minutes) -> dict[str, Column]:
        facts = [
            self._facts(one, unseen)
            for one, unseen in zip(self.contracts, self.costs.totals.unseen, strict=True)
        ]
        facts += [dict(zip(_NAMES, contract.key, strict=True)) for contract, _ in self.left_out]
        return {name: CodedColumn([one.get(name) for one in facts], codes) for name in facts[0]}

    def _facts(self, priced: PricedContract, unseen: Sequence[str]) -> dict[str, object]:
        """What the rows of one contract have in common, by column."""
        common = {
            **dict(zip(_NAMES, priced.contract.key, strict=True)),
            "closed_to_new_customers": priced.closed_to_new_customers,
            "unseen_registers": " ".join(unseen) or None,
        }
        if self.terms.prices == "then":
            return common
        return {
            **common,
            "outdated": priced.outdated is not None,
            "last_seen_on": priced.last_seen_on,
            "overtaken_on": priced.outdated.changed_on if priced.outdated else None,
            "source_kind": priced.source_kind,
        }

    def _amounts(self, cells: tuple[Minutes, Minutes], costed: Flags) -> dict[str, Column]:
        """The columns in EUR of some cells `[home, contract]`; what is not costed has none."""
        totals, denominator = self.costs.totals, self.costs.denominator
        ranked, knows_ht = (
            np.array([getattr(one, name) for one in self.contracts], dtype=np.bool_)
            for name in ("is_ranked", "knows_ht")
        )
        baseline = np.full(totals.ttc.shape, totals.baseline(), dtype=np.int64)
        against = {"regulated": totals.regulated(self.order), "baseline": baseline}
        amounts = {
            "total_ttc_eur": (totals.ttc[cells], costed),
            "total_ht_eur": (self.costs.ht[cells], costed & knows_ht[cells[1]]),
        }
        for name, other in against.items():
            savings, comparable = totals.savings(other)
            known = costed & ranked[cells[1]] & comparable[cells]
            amounts[f"saving_against_{name}_eur"] = savings[cells], known
        has_year = totals.whole[cells] & stands_for_a_year(self.group.span, self.coverage)
        per_year = Fraction(DAYS_PER_YEAR, self.group.span.days)
        columns: dict[str, Column] = {}
        for name, (exact, known) in amounts.items():
            cents = Fraction(100, denominator)
            columns[name] = AmountColumn(rounded_products(exact, cents), known)
            if name != "total_ht_eur":
                units = rounded_products(exact, cents * per_year)
                columns[f"{name}_per_year"] = AmountColumn(units, known & has_year)
        return columns

    def _reasons(self, wanted: Minutes) -> CodedColumn:
        """What each total leaves out, or why a contract has none."""
        texts = [self._what_is_left_out(one, 0) for one in self.contracts]
        texts += [sentence(reason) for _, reason in self.left_out]
        codes = wanted.copy()
        unknown = self.costs.totals.unknown
        known: dict[tuple[int, int], int] = {}
        for home, place in np.argwhere(wanted < len(self.contracts)).tolist() if unknown.any() else ():
            number = int(wanted[home, place])
            if energy := int(unknown[home, number]):
                if (number, energy) not in known:
                    known[number, energy] = len(texts)
                    texts.append(self._what_is_left_out(self.contracts[number], energy))
                codes[home, place] = known[number, energy]
        return CodedColumn(texts, codes.ravel())

    def _what_is_left_out(self, priced: PricedContract, unknown: int) -> str | None:
        # As much of a usage as tells what is partial.
        usage = Usage((), self.group.span, np.array([[unknown]], dtype=np.int64), self.coverage)
        return "; ".join(map(sentence, what_is_partial(usage, priced.periods))) or None
