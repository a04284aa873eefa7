"""The prices and timelines that homes share, computed once and cached."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import lcm

from openwatt.domain.calendar import Home, Timeline, lay_out, refuse_days_without_hours
from openwatt.domain.comparison import ComparisonTerms, PricedCalendar, price_contracts
from openwatt.domain.contract import Contract, PriceBasis, PricePeriod
from openwatt.domain.errors import CalendarError
from openwatt.domain.legal_time import Span
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import OffPeakHours
from openwatt.domain.price_matrix import PriceMatrix, price_matrix
from openwatt.portfolio.market import PortfolioMarket


@dataclass(frozen=True, slots=True, eq=False)
class PricedSpan:
    """Every contract of one power over one span; `denominator` is common to the totals of all matrices.

    The matrix of a calendar holds its contracts' prices with all taxes, then again without.
    """

    market: PortfolioMarket
    calendars: tuple[tuple[PricedCalendar, PriceMatrix], ...]
    left_out: tuple[tuple[Contract, Message], ...]
    denominator: int


@lru_cache(maxsize=64)
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
    found = tuple((one, _matrix(one)) for one in priced.calendars)
    return PricedSpan(market, found, priced.left_out, lcm(*(matrix.denominator for _, matrix in found)))


@lru_cache(maxsize=16)
def laid_out(
    priced: PricedSpan, span: Span, off_peak_hours: tuple[OffPeakHours, ...]
) -> tuple[Timeline | CalendarError, ...]:
    """When the registers of each calendar run over the span; a calendar that cannot tell says why."""
    home = Home(off_peak_hours, colours=priced.market.colours)
    timelines: list[Timeline | CalendarError] = []
    for one, _ in priced.calendars:
        try:
            refuse_days_without_hours(one.calendar, home, span.start_min, span.end_min)
            timelines.append(lay_out(one.calendar, home, span.start_min, span.end_min))
        except CalendarError as error:
            timelines.append(error)
    return tuple(timelines)


def _matrix(one: PricedCalendar) -> PriceMatrix:
    both: list[tuple[Contract, Sequence[PricePeriod]]]
    both = [(each.contract, each.periods) for each in one.contracts]
    both += [(each.contract, [_without_taxes(period) for period in each.periods]) for each in one.contracts]
    return price_matrix(both, one.calendar.registers)


def _without_taxes(period: PricePeriod) -> PricePeriod:
    """The period as a price matrix takes it, its prices without taxes in the place of those with all."""
    return replace(period, prices_ttc=period.prices_ht, subscription_ttc=period.subscription_ht)
