"""The kernel: a batch of homes in, rows out; it opens nothing and keeps nothing, so any map can run it.

The local run gives it parts of a folder in its processes; a Dask bag's or a Spark
RDD's `map_partitions` gives it their partitions, and the rows are the same.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from openwatt.domain.bill import DAYS_PER_YEAR, what_is_partial
from openwatt.domain.calendar import UNKNOWN, Timeline
from openwatt.domain.contract import Contract, Prices
from openwatt.domain.errors import BillError, CalendarError, OpenWattError
from openwatt.domain.homes import totals_of_homes
from openwatt.domain.legal_time import Minutes, Span
from openwatt.domain.load_curve import Coverage, LoadCurve
from openwatt.domain.off_peak import OffPeakHours
from openwatt.domain.usage import Usage, energies_of_stretches, whole_wh
from openwatt.meter.read import read_load_curve
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.prepared import PricedCalendar, PricedContract, PricedSpan, laid_out, priced_span


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioQuestion:
    """What is asked of every home: by which market, prices, the day that is today, and the days.

    Without `start` or `end`, each home's own whole days count. `top` keeps the
    cheapest contracts of each home, None keeps all.
    """

    market: PortfolioMarket
    prices: Prices
    now: dt.datetime
    today: dt.date
    start: dt.date | None = None
    end: dt.date | None = None
    top: int | None = None


class HomeSetting(NamedTuple):
    """A home's subscribed power, None when nobody said it, and the off-peak hours of its meter."""

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


class Row(NamedTuple):
    """One home and contract; a home that failed has one row without contract, its `reason` says why.

    Days exclude the end. Amounts are in EUR, rounded to the cent, the rest exact.
    `reason` also says what a total leaves out, or why a contract has none.
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

    @property
    def failed(self) -> bool:
        """Whether the home could not be billed."""
        return self.supplier is None


@dataclass(slots=True)
class _Alike:
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


def bill_homes(batch: Iterable[MeteredHome], question: PortfolioQuestion) -> list[Row]:
    """The rows of each home, in the order of the batch, contracts from the cheapest as `compare` ranks them.

    Nothing that is wrong with a home is raised: it becomes the home's only row.
    """
    rows: dict[int, list[Row]] = {}
    groups: dict[tuple[HomeSetting, Span, int], list[_Alike]] = {}
    for place, home in enumerate(batch):
        try:
            curve, span = _curve_and_span(home, question)
        except OpenWattError as error:
            rows[place] = [Row(home.home, reason=str(error))]
            continue
        except Exception as fault:  # noqa: BLE001 (a fault of a reader is one home's, not the portfolio's)
            rows[place] = [Row(home.home, reason=f"a fault of the reader: {type(fault).__name__}")]
            continue
        candidates = groups.setdefault((home.setting, span, len(curve.starts_min)), [])
        alike = next((one for one in candidates if one.takes(curve)), None)
        if alike is None:
            alike = _Alike(home.setting, span, curve)
            candidates.append(alike)
        alike.places.append(place)
        alike.homes.append(home.home)
        alike.energies.append(curve.energies)
    for candidates in groups.values():
        for alike in candidates:
            rows.update(zip(alike.places, _bill_alike(alike, question), strict=True))
    return [row for place in sorted(rows) for row in rows[place]]


def _curve_and_span(home: MeteredHome, question: PortfolioQuestion) -> tuple[LoadCurve, Span]:
    if isinstance(home.measured, Unreadable):
        raise BillError(home.measured.reason)
    if home.setting.power_kva is None:
        raise BillError("its subscribed power is not said: give --power-kva, or a line in the file of homes")
    curve = home.measured
    if isinstance(curve, bytes):
        curve = read_load_curve(curve, question.now)
    if question.start and question.end:
        return curve, Span(question.start, question.end)
    whole = curve.whole_days()
    return curve, Span(question.start or whole.start, question.end or whole.end)


def _bill_alike(alike: _Alike, question: PortfolioQuestion) -> Iterator[list[Row]]:
    power_kva = alike.setting.power_kva or 0
    priced = priced_span(question.market, alike.span, power_kva, question.prices, question.today)
    timelines = laid_out(priced, alike.span, alike.setting.off_peak_hours)
    told = [
        (one, timeline)
        for one, timeline in zip(priced.calendars, timelines, strict=True)
        if isinstance(timeline, Timeline)
    ]
    left_out = [*priced.left_out]
    for calendar, error in zip(priced.calendars, timelines, strict=True):
        if isinstance(error, CalendarError):
            left_out += [(one.contract, str(error)) for one in calendar.contracts]
    if not told:
        reasons = "; ".join(dict.fromkeys(reason for _, reason in left_out)) or "there is none"
        reason = f"no contract can be costed: {reasons}"
        yield from ([Row(home, power_kva=power_kva, reason=reason)] for home in alike.homes)
        return
    costs = totals_of_homes(
        alike.grid, np.stack(alike.energies), [(timeline, one.matrix) for one, timeline in told]
    )
    ranking = _Ranking(alike, priced, told, left_out, question.top)
    for number, home in enumerate(alike.homes):
        yield ranking.rows(home, alike.energies[number], [cost[number].tolist() for cost in costs])


class _Costed(NamedTuple):
    """A contract's exact totals for one home, over the denominator of the span."""

    priced: PricedContract
    ttc: int
    ht: int
    unknown: int


class _Ranking:
    """Turns the exact totals of homes alike into their rows."""

    def __init__(
        self,
        alike: _Alike,
        priced: PricedSpan,
        told: Sequence[tuple[PricedCalendar, Timeline]],
        left_out: Sequence[tuple[Contract, str]],
        top: int | None,
    ) -> None:
        self.span, self.grid, self.top = alike.span, alike.grid, top
        self.told, self.left_out, self.denominator = told, left_out, priced.denominator
        self.coverage = alike.grid.coverage(alike.span.start_min, alike.span.end_min)
        self.span_bounds = np.array([alike.span.start_min, alike.span.end_min], dtype=np.int64)
        self.partial: dict[tuple[PricedContract, int], str | None] = {}

    def rows(self, home: str, energies: Minutes, costs: Sequence[Sequence[int]]) -> list[Row]:
        """The home's rows: whole totals first, from the cheapest, then what could not be costed."""
        curve = LoadCurve(self.grid.starts_min, self.grid.steps_min, energies)
        before = curve.energies_before(self.span_bounds)
        common = Row(
            home,
            start=self.span.start,
            end=self.span.end,
            kwh=Decimal(whole_wh(int(before[1] - before[0]))).scaleb(-3),
            expected_half_hours=self.coverage.expected_half_hours,
            present_half_hours=self.coverage.present_half_hours,
        )
        costed = sorted(self._costed(curve, costs), key=_cheapest_first)
        regulated = {one.priced.contract.option: one for one in costed if one.priced.is_regulated}
        rows = [self._row(common, one, regulated) for one in costed[: self.top]]
        if self.top is None:
            rows += [_uncosted(common, contract, reason) for contract, reason in self.left_out]
        return rows

    def _costed(self, curve: LoadCurve, costs: Sequence[Sequence[int]]) -> Iterator[_Costed]:
        for (calendar, timeline), totals in zip(self.told, costs, strict=True):
            scale, size = self.denominator // calendar.matrix.denominator, len(calendar.contracts)
            unknown = _unknown(curve, timeline)
            for column, priced in enumerate(calendar.contracts):
                yield _Costed(priced, totals[column] * scale, totals[size + column] * scale, unknown)

    def _row(self, common: Row, one: _Costed, regulated: dict[str, _Costed]) -> Row:
        contract, beside = one.priced.contract, regulated.get(one.priced.contract.option)
        saving = beside.ttc - one.ttc if beside is not None and _leave_out_the_same(one, beside) else None
        return common._replace(
            supplier=contract.supplier,
            offer=contract.offer,
            option=contract.option,
            power_kva=contract.power_kva,
            total_ttc_eur=self._cents(one.ttc),
            total_ht_eur=self._cents(one.ht) if one.priced.knows_ht else None,
            total_ttc_eur_per_year=self._cents_per_year(one.ttc),
            saving_against_regulated_eur=None if saving is None else self._cents(saving),
            saving_against_regulated_eur_per_year=None if saving is None else self._cents_per_year(saving),
            closed_to_new_customers=one.priced.closed_to_new_customers,
            whole=_is_whole(one),
            reason=self._what_is_left_out(one),
        )

    def _cents(self, amount: int) -> Decimal:
        return _cents(amount, self.denominator)

    def _cents_per_year(self, amount: int) -> Decimal:
        return _cents(amount * DAYS_PER_YEAR, self.denominator * self.span.days)

    def _what_is_left_out(self, one: _Costed) -> str | None:
        key = one.priced, one.unknown
        if key not in self.partial:
            reasons = what_is_partial(_seen(self.coverage, self.span, one.unknown), one.priced.periods)
            self.partial[key] = "; ".join(reasons) or None
        return self.partial[key]


def _cheapest_first(one: _Costed) -> tuple[bool, int, str]:
    return not _is_whole(one), one.ttc, str(one.priced.contract)


def _is_whole(one: _Costed) -> bool:
    return not (one.priced.open_days or one.unknown)


def _leave_out_the_same(one: _Costed, other: _Costed) -> bool:
    return (one.priced.open_days, one.unknown) == (other.priced.open_days, other.unknown)


def _uncosted(common: Row, contract: Contract, reason: str) -> Row:
    supplier, offer, option, power_kva = contract.key
    return common._replace(supplier=supplier, offer=offer, option=option, power_kva=power_kva, reason=reason)


def _unknown(curve: LoadCurve, timeline: Timeline) -> int:
    """What was used while no register was known; most timelines know all."""
    unknown = timeline.numbers == UNKNOWN
    return int(energies_of_stretches(curve, timeline)[unknown].sum()) if unknown.any() else 0


def _seen(coverage: Coverage, span: Span, unknown: int) -> Usage:
    """As much of a usage as tells what is partial."""
    return Usage((), span, np.array([[unknown]], dtype=np.int64), coverage)


def _cents(numerator: int, denominator: int) -> Decimal:
    """A fraction as it is printed: to the cent, half up away from 0, as `bill.rounded` does."""
    whole = (200 * abs(numerator) + denominator) // (2 * denominator)
    return Decimal(whole if numerator >= 0 else -whole).scaleb(-2)
