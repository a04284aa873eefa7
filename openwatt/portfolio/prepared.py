"""What homes have in common, worked out once: prices over a span, and when the registers run."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import lcm

from openwatt.domain.calendar import Home, RegisterCalendar, Timeline, lay_out
from openwatt.domain.comparison import Question, last_tariff, open_days, priced_periods
from openwatt.domain.contract import Contract, DutyDays, PricePeriod, Prices
from openwatt.domain.errors import BillError, CalendarError
from openwatt.domain.legal_time import Span
from openwatt.domain.off_peak import OffPeakHours
from openwatt.domain.price_matrix import PriceMatrix, price_matrix
from openwatt.portfolio.market import PortfolioMarket


@dataclass(frozen=True, slots=True, eq=False)
class PricedContract:
    """One contract over the span: what its total leaves out, and whether its side without taxes is known."""

    contract: Contract
    periods: Sequence[PricePeriod]
    open_days: frozenset[dt.date]
    knows_ht: bool
    is_regulated: bool
    closed_to_new_customers: bool


@dataclass(frozen=True, slots=True, eq=False)
class PricedCalendar:
    """Contracts of one register calendar; `matrix` holds their prices with all taxes, then again without."""

    calendar: RegisterCalendar
    contracts: tuple[PricedContract, ...]
    matrix: PriceMatrix


@dataclass(frozen=True, slots=True, eq=False)
class PricedSpan:
    """Every contract of one power over one span; `denominator` is common to all totals."""

    asked: PortfolioMarket
    calendars: tuple[PricedCalendar, ...]
    left_out: tuple[tuple[Contract, str], ...]
    denominator: int


@lru_cache(maxsize=64)
def priced_span(
    asked: PortfolioMarket, span: Span, power_kva: int, prices: Prices, today: dt.date
) -> PricedSpan:
    """The contracts of a power, priced over a span; the most recent are kept."""
    market, question = asked.market, Question(span=span, prices=prices, today=today)
    duties = DutyDays(market.duties)
    groups: dict[int, list[PricedContract]] = defaultdict(list)
    calendars: dict[int, RegisterCalendar] = {}
    left_out: list[tuple[Contract, str]] = []
    for contract in market.contracts:
        if contract.power_kva != power_kva:
            continue
        try:
            periods = priced_periods(contract, duties, question)
        except BillError as error:
            left_out.append((contract, str(error)))
            continue
        calendar = market.calendar_of(contract)
        calendars[id(calendar)] = calendar
        priced = PricedContract(
            contract=contract,
            periods=periods,
            open_days=open_days(periods),
            knows_ht=all(_knows_ht(period) for period in periods if period.tariff is not None),
            is_regulated=contract.key[:2] in market.regulated,
            closed_to_new_customers=last_tariff(periods).closed_to_new_customers,
        )
        groups[id(calendar)].append(priced)
    found = tuple(
        PricedCalendar(calendars[key], tuple(group), _matrix(group, calendars[key]))
        for key, group in groups.items()
    )
    return PricedSpan(asked, found, tuple(left_out), lcm(*(one.matrix.denominator for one in found)))


@lru_cache(maxsize=16)
def laid_out(
    priced: PricedSpan, span: Span, off_peak_hours: tuple[OffPeakHours, ...]
) -> tuple[Timeline | CalendarError, ...]:
    """When the registers of each calendar run over the span; a calendar that cannot tell says why."""
    home = Home(off_peak_hours, colours=priced.asked.colours)
    timelines: list[Timeline | CalendarError] = []
    for one in priced.calendars:
        try:
            timelines.append(lay_out(one.calendar, home, span.start_min, span.end_min))
        except CalendarError as error:
            timelines.append(error)
    return tuple(timelines)


def _knows_ht(period: PricePeriod) -> bool:
    return period.prices_ht is not None and period.subscription_ht is not None


def _matrix(group: Sequence[PricedContract], calendar: RegisterCalendar) -> PriceMatrix:
    both = [(one.contract, one.periods) for one in group]
    both += [(one.contract, [_without_taxes(period) for period in one.periods]) for one in group]
    return price_matrix(both, calendar.registers)


def _without_taxes(period: PricePeriod) -> PricePeriod:
    """The period as a price matrix takes it, its prices without taxes in the place of those with all."""
    return replace(period, prices_ttc=period.prices_ht, subscription_ttc=period.subscription_ht)
