"""The prices, the timelines and where steps fall in them: what homes share, computed once and cached."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import lcm

import numpy as np

from openwatt.domain.bill import what_is_partial
from openwatt.domain.calendar import Home, RegisterCalendar, lay_out, refuse_days_without_hours
from openwatt.domain.comparison import ComparisonTerms, ContractKey, PricedCalendar, price_contracts
from openwatt.domain.contract import Contract, PriceBasis, PricePeriod
from openwatt.domain.errors import CalendarError
from openwatt.domain.homes import CellPlan
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import Coverage, LoadCurve
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import OffPeakHours
from openwatt.domain.price_matrix import PriceMatrix, price_matrix
from openwatt.domain.usage import Usage
from openwatt.portfolio.market import PortfolioMarket
from openwatt.sentences.catalogue import sentence


@dataclass(frozen=True, slots=True, eq=False)
class CalendarDays:
    """A calendar over a span that is cut where prices change; powers of the same cuts share it."""

    market: PortfolioMarket
    calendar: RegisterCalendar
    span: Span
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class CalendarPrices:
    """The contracts of one calendar; the matrix holds their prices with all taxes, then again without.

    `partial` says for each contract which days its totals leave out, and `knows_ht` whether
    every price without taxes of the others is known.
    """

    priced: PricedCalendar
    matrix: PriceMatrix
    days: CalendarDays
    partial: tuple[str | None, ...]
    knows_ht: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PricedSpan:
    """Every contract of one power over one span; `denominator` is common to the totals of all matrices.

    `places` has each contract's place in the market, by its key.
    """

    places: Mapping[ContractKey, int]
    calendars: tuple[CalendarPrices, ...]
    left_out: tuple[tuple[Contract, Message], ...]
    denominator: int


@lru_cache(maxsize=256)
def priced_span(
    market: PortfolioMarket,
    span: Span,
    power_kva: int,
    prices: PriceBasis,
    today: dt.date,
    *,
    include_outdated: bool,
) -> PricedSpan:
    """The contracts of a power, priced over a span; the most recent are cached."""
    contracts = [one for one in market.market.contracts if one.power_kva == power_kva]
    terms = ComparisonTerms(span=span, prices=prices, today=today, include_outdated=include_outdated)
    priced = price_contracts(replace(market.market, contracts=contracts), terms)
    found = []
    for one in priced.calendars:
        matrix = _matrix(one)
        days = _calendar_days(market, one.calendar, span, tuple(matrix.edges.tolist()))
        partial = tuple(partial_text(each.periods, Coverage(0, 0), 0) for each in one.contracts)
        found.append(
            CalendarPrices(one, matrix, days, partial, tuple(each.knows_ht for each in one.contracts))
        )
    places = {one.key: place for place, one in enumerate(contracts)}
    return PricedSpan(places, tuple(found), priced.left_out, lcm(*(one.matrix.denominator for one in found)))


@lru_cache(maxsize=1024)
def laid_out(
    priced: PricedSpan, off_peak_hours: tuple[OffPeakHours, ...], grid: LoadCurve
) -> tuple[CellPlan | CalendarError, ...]:
    """Where the steps of a grid fall by each calendar; a calendar that cannot tell says why."""
    return tuple(
        _plan(one.days, off_peak_hours if one.days.calendar.needs_off_peak_hours else (), grid)
        for one in priced.calendars
    )


@lru_cache(maxsize=1024)
def _calendar_days(
    market: PortfolioMarket, calendar: RegisterCalendar, span: Span, edges: tuple[int, ...]
) -> CalendarDays:
    return CalendarDays(market, calendar, span, edges)


@lru_cache(maxsize=1024)
def _plan(
    days: CalendarDays, off_peak_hours: tuple[OffPeakHours, ...], grid: LoadCurve
) -> CellPlan | CalendarError:
    home, span = Home(off_peak_hours, colours=days.market.colours), days.span
    try:
        refuse_days_without_hours(days.calendar, home, span.start_min, span.end_min)
        timeline = lay_out(days.calendar, home, span.start_min, span.end_min)
    except CalendarError as error:
        return error
    return CellPlan(grid, timeline, span, np.array(days.edges, dtype=np.int64))


def partial_text(periods: Sequence[PricePeriod], coverage: Coverage, unknown: int) -> str | None:
    """What a total over some periods leaves out, with so much energy of no register; None: nothing."""
    span = Span(dt.date.min, dt.date.max)  # What is partial depends on no days.
    usage = Usage((), span, np.array([[unknown]], dtype=np.int64), coverage)
    return "; ".join(map(sentence, what_is_partial(usage, periods))) or None


def _matrix(one: PricedCalendar) -> PriceMatrix:
    both: list[tuple[Contract, Sequence[PricePeriod]]]
    both = [(each.contract, each.periods) for each in one.contracts]
    both += [(each.contract, [_without_taxes(period) for period in each.periods]) for each in one.contracts]
    return price_matrix(both, one.calendar.registers)


def _without_taxes(period: PricePeriod) -> PricePeriod:
    """The period as a price matrix takes it, its prices without taxes in the place of those with all."""
    return replace(period, prices_ttc=period.prices_ht, subscription_ttc=period.subscription_ht)
