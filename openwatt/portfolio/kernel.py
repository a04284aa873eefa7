"""The kernel turns a batch of homes into rows; it opens and stores nothing, so any map can run it.

The local run gives it parts of a folder in its processes; a Dask bag's or a Spark
RDD's `map_partitions` gives it their partitions, and the rows are the same.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from openwatt.domain.bill import DAYS_PER_YEAR, what_is_partial
from openwatt.domain.calendar import UNKNOWN, Timeline
from openwatt.domain.comparison import ContractTotal, PricedCalendar, PricedContract
from openwatt.domain.contract import Contract, PriceBasis
from openwatt.domain.errors import BillError, CalendarError, OpenWattError, message_of
from openwatt.domain.homes import totals_of_homes
from openwatt.domain.legal_time import Minutes, Span
from openwatt.domain.load_curve import Coverage, LoadCurve
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import OffPeakHours
from openwatt.domain.part_of_year import stands_for_a_year
from openwatt.domain.price_matrix import PriceMatrix
from openwatt.domain.usage import Usage, energies_of_stretches, unseen_registers, whole_wh
from openwatt.meter.read import read_load_curve
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.prepared import laid_out, priced_span
from openwatt.sentences.catalogue import sentence


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


class HomeRow(NamedTuple):
    """One home and contract; a home that failed has one row without contract, its `reason` says why.

    Days exclude the end. Amounts are in EUR, rounded to the cent, the rest exact. A year's are
    None where the span cannot stand for one. `unseen_registers` did not run in the span.
    `reason` also says what a total leaves out, or why a contract has none. What stands after it is of
    today's prices alone: an `outdated` price was last seen before it was overtaken and cannot be today's.
    """

    home: str
    supplier: str | None = None
    offer: str | None = None
    option: str | None = None
    power_kva: int | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    kwh: Decimal | None = None
    total_ttc_eur: Decimal | None = None
    total_ht_eur: Decimal | None = None
    total_ttc_eur_per_year: Decimal | None = None
    saving_against_regulated_eur: Decimal | None = None
    saving_against_regulated_eur_per_year: Decimal | None = None
    closed_to_new_customers: bool | None = None
    whole: bool | None = None
    expected_half_hours: int | None = None
    present_half_hours: int | None = None
    reason: str | None = None
    unseen_registers: str | None = None
    outdated: bool | None = None
    last_seen_on: dt.date | None = None
    overtaken_on: dt.date | None = None

    @property
    def failed(self) -> bool:
        """Whether the home could not be billed."""
        return self.supplier is None


def columns_of(prices: PriceBasis) -> Sequence[str]:
    """The fields of a row that results have: what is of today's prices alone only with these."""
    of_today = ("outdated", "last_seen_on", "overtaken_on")
    return [name for name in HomeRow._fields if prices == "now" or name not in of_today]


@dataclass(slots=True)
class _HomeGroup:
    """Homes of one setting, span and grid of steps: they are costed in one product."""

    setting: HomeSetting
    span: Span
    grid: LoadCurve
    places: list[int] = field(default_factory=list)
    homes: list[str] = field(default_factory=list)
    energies: list[Minutes] = field(default_factory=list)

    def takes(self, curve: LoadCurve) -> bool:
        return np.array_equal(self.grid.starts_min, curve.starts_min) and np.array_equal(
            self.grid.steps_min, curve.steps_min
        )


def bill_homes(batch: Iterable[MeteredHome], terms: PortfolioTerms) -> list[HomeRow]:
    """The rows of each home, in the order of the batch, contracts from the cheapest as `compare` ranks them.

    Nothing that is wrong with a home is raised: it becomes the home's only row.
    """
    rows: dict[int, list[HomeRow]] = {}
    groups: dict[tuple[HomeSetting, Span, int], list[_HomeGroup]] = {}
    for place, home in enumerate(batch):
        try:
            curve, span = _curve_and_span(home, terms)
        except OpenWattError as error:
            rows[place] = [HomeRow(home.home, reason=sentence(error))]
            continue
        except Exception as fault:  # noqa: BLE001 (a fault of a reader is one home's, not the portfolio's)
            rows[place] = [HomeRow(home.home, reason=f"a fault of the reader: {type(fault).__name__}")]
            continue
        candidates = groups.setdefault((home.setting, span, len(curve.starts_min)), [])
        group = next((one for one in candidates if one.takes(curve)), None)
        if group is None:
            group = _HomeGroup(home.setting, span, curve)
            candidates.append(group)
        group.places.append(place)
        group.homes.append(home.home)
        group.energies.append(curve.energies)
    for candidates in groups.values():
        for group in candidates:
            rows.update(zip(group.places, _bill_group(group, terms), strict=True))
    return [row for place in sorted(rows) for row in rows[place]]


def _curve_and_span(home: MeteredHome, terms: PortfolioTerms) -> tuple[LoadCurve, Span]:
    if isinstance(home.measured, Unreadable):
        raise BillError(home.measured.reason)
    if home.setting.power_kva is None:
        raise BillError("its subscribed power is not said: give --power-kva, or a line in the file of homes")
    curve = home.measured
    if isinstance(curve, bytes):
        curve = read_load_curve(curve, terms.now)
    return curve, curve.span(terms.start, terms.end)


def _bill_group(group: _HomeGroup, terms: PortfolioTerms) -> Iterator[list[HomeRow]]:
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
        yield from ([HomeRow(home, power_kva=power_kva, reason=reason)] for home in group.homes)
        return
    costs = totals_of_homes(
        group.grid, np.stack(group.energies), [(one.timeline, one.matrix) for one in costable]
    )
    ranking = _Ranking(group, costable, left_out, priced.denominator, terms)
    for number, home in enumerate(group.homes):
        yield ranking.rows(home, group.energies[number], [cost[number].tolist() for cost in costs])


class _CostableCalendar(NamedTuple):
    """A calendar that is known over the span: its contracts, their prices, and when its registers run."""

    priced: PricedCalendar
    matrix: PriceMatrix
    timeline: Timeline


class _Costed(NamedTuple):
    """A contract's exact totals for one home, with and without taxes, over the denominator of the span."""

    total: ContractTotal[int]
    ht: int


class _Ranking:
    """Turns the exact totals of a group's homes into their rows."""

    def __init__(
        self,
        group: _HomeGroup,
        calendars: Sequence[_CostableCalendar],
        left_out: Sequence[tuple[Contract, Message]],
        denominator: int,
        terms: PortfolioTerms,
    ) -> None:
        self.span, self.grid, self.top, self.prices = group.span, group.grid, terms.top, terms.prices
        self.calendars, self.left_out, self.denominator = calendars, left_out, denominator
        self.coverage = group.grid.coverage(group.span.start_min, group.span.end_min)
        self.span_bounds = np.array([group.span.start_min, group.span.end_min], dtype=np.int64)
        self.partial: dict[tuple[PricedContract, int], str | None] = {}
        self.unseen = [unseen_registers(group.grid, one.timeline) for one in calendars]
        self.has_year = stands_for_a_year(group.span, self.coverage)

    def rows(self, home: str, energies: Minutes, costs: Sequence[Sequence[int]]) -> list[HomeRow]:
        """The home's rows: whole totals first, from the cheapest.

        Then, where all are wanted, outdated prices in the same order and what could not be costed.
        """
        curve = LoadCurve(self.grid.starts_min, self.grid.steps_min, energies)
        before = curve.energies_before(self.span_bounds)
        common = HomeRow(
            home,
            start=self.span.start,
            end=self.span.end,
            kwh=Decimal(whole_wh(int(before[1] - before[0]))).scaleb(-3),
            expected_half_hours=self.coverage.expected_half_hours,
            present_half_hours=self.coverage.present_half_hours,
        )
        costed = sorted(self._costed(curve, costs), key=lambda one: one.total.rank)
        ranked = [one for one in costed if one.total.priced.is_ranked]
        regulated = {
            one.total.priced.contract.option: one.total for one in ranked if one.total.priced.is_regulated
        }
        rows = [self._row(common, one, regulated) for one in ranked[: self.top]]
        if self.top is None:
            rows += [self._row(common, one, {}) for one in costed[len(ranked) :]]
            rows += [_uncosted(common, contract, reason) for contract, reason in self.left_out]
        return rows or [_without_price(home, [one.total.priced for one in costed])]

    def _costed(self, curve: LoadCurve, costs: Sequence[Sequence[int]]) -> Iterator[_Costed]:
        for (calendar, matrix, timeline), unseen, totals in zip(
            self.calendars, self.unseen, costs, strict=True
        ):
            scale, size = self.denominator // matrix.denominator, len(calendar.contracts)
            unknown = _unknown(curve, timeline)
            for column, priced in enumerate(calendar.contracts):
                ttc = ContractTotal(priced, totals[column] * scale, unknown, unseen)
                yield _Costed(ttc, totals[size + column] * scale)

    def _row(self, common: HomeRow, one: _Costed, regulated: Mapping[str, ContractTotal[int]]) -> HomeRow:
        total, contract = one.total, one.total.priced.contract
        regulated_ttc = total.comparable(regulated.get(contract.option))
        saving = None if regulated_ttc is None else regulated_ttc - total.ttc
        return common._replace(
            supplier=contract.supplier,
            offer=contract.offer,
            option=contract.option,
            power_kva=contract.power_kva,
            total_ttc_eur=self._cents(total.ttc),
            total_ht_eur=self._cents(one.ht) if total.priced.knows_ht else None,
            total_ttc_eur_per_year=self._cents_per_year(total.ttc, whole=total.whole),
            saving_against_regulated_eur=None if saving is None else self._cents(saving),
            saving_against_regulated_eur_per_year=self._cents_per_year(saving, whole=total.whole),
            closed_to_new_customers=total.priced.closed_to_new_customers,
            whole=total.whole,
            reason=self._what_is_left_out(total),
            unseen_registers=" ".join(total.unseen) or None,
            **self._age(total.priced),
        )

    def _age(self, priced: PricedContract) -> dict[str, Any]:
        """How old a price of today is, as fields of a row."""
        if self.prices == "then":
            return {}
        return {
            "outdated": priced.outdated is not None,
            "last_seen_on": priced.last_seen_on,
            "overtaken_on": priced.outdated.changed_on if priced.outdated else None,
        }

    def _cents(self, amount: int) -> Decimal:
        return _cents(amount, self.denominator)

    def _cents_per_year(self, amount: int | None, *, whole: bool) -> Decimal | None:
        if amount is None or not whole or not self.has_year:
            return None
        return _cents(amount * DAYS_PER_YEAR, self.denominator * self.span.days)

    def _what_is_left_out(self, total: ContractTotal[int]) -> str | None:
        key = total.priced, total.unknown
        if key not in self.partial:
            usage = _usage_of_unknown(self.coverage, self.span, total.unknown)
            self.partial[key] = "; ".join(map(sentence, what_is_partial(usage, total.priced.periods))) or None
        return self.partial[key]


def _uncosted(common: HomeRow, contract: Contract, reason: Message) -> HomeRow:
    supplier, offer, option, power_kva = contract.key
    return common._replace(
        supplier=supplier, offer=offer, option=option, power_kva=power_kva, reason=sentence(reason)
    )


def _without_price(home: str, outdated: Sequence[PricedContract]) -> HomeRow:
    """The row of a home whose cheapest contracts are wanted and whose prices are all outdated."""
    newest = max((one.outdated for one in outdated if one.outdated), key=lambda one: one.seen_on)
    power_kva = outdated[0].contract.power_kva
    return HomeRow(home, power_kva=power_kva, reason=sentence(newest.message_of_newest))


def _unknown(curve: LoadCurve, timeline: Timeline) -> int:
    """What was used while no register was known; most timelines know all."""
    unknown = timeline.numbers == UNKNOWN
    return int(energies_of_stretches(curve, timeline)[unknown].sum()) if unknown.any() else 0


def _usage_of_unknown(coverage: Coverage, span: Span, unknown: int) -> Usage:
    """As much of a usage as tells what is partial."""
    return Usage((), span, np.array([[unknown]], dtype=np.int64), coverage)


def _cents(numerator: int, denominator: int) -> Decimal:
    """A fraction as it is printed: to the cent, half up away from 0, as `bill.rounded` does."""
    whole = (200 * abs(numerator) + denominator) // (2 * denominator)
    return Decimal(whole if numerator >= 0 else -whole).scaleb(-2)
