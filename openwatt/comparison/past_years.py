"""What some contracts would have cost in each of the last years: the same use, the prices of each day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from openwatt.comparison.market import StoredMarket
from openwatt.comparison.question import CustomerQuestion
from openwatt.domain.calendar import Home, RegisterCalendar, refuse_days_without_hours
from openwatt.domain.changed_use import moved_to
from openwatt.domain.comparison import Comparison, ContractKey, Market, compare
from openwatt.domain.contract import Contract
from openwatt.domain.errors import BillError, message_of
from openwatt.domain.legal_time import Span, day_number, day_of, year_on
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.messages import Message
from openwatt.domain.usage import Usage, Use, use_of_curve

MOST_YEARS = 10
#: A measured use is moved by whole weeks, so that each day stays the weekday that it was.
_MOVED_DAYS = 52 * 7


@dataclass(frozen=True, slots=True, kw_only=True)
class YearCost:
    """What one contract would have cost over the days of one year, in EUR, exact.

    None where it cannot be computed whole, and `missing` says why.
    """

    total_ttc: Fraction | None
    missing: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastYear:
    """The days of one year, and what each contract would have cost over them."""

    span: Span
    costs: Mapping[ContractKey, YearCost]


def past_years(
    question: CustomerQuestion, contracts: Sequence[Contract], market: StoredMarket
) -> tuple[PastYear, ...]:
    """The question's own span, then the years before it back to the first price known of any contract.

    Typed kWh are spread over each year by their profile; a measured use is moved by 52 weeks a
    year, energy for energy. Each day has its own price and the register calendar of its own year,
    Tempo's colours among them. Without a curve there is the first span alone.
    """
    first_day = min(one.tariffs[0].tariff.applies_from for one in contracts)
    found: list[PastYear] = []
    for years in range(MOST_YEARS):
        span = _years_before(question, years)
        curve = question.curve_over(span)
        if span.end <= first_day or (years and curve is None):
            break
        if question.curve is not None:
            curve = moved_to(question.curve, -years * _MOVED_DAYS)
        use = question.use if curve is None else _use_of_year(curve, question.home, span)
        found.append(PastYear(span=span, costs=_costs(question, span, use, contracts, market)))
    return tuple(found)


def _years_before(question: CustomerQuestion, years: int) -> Span:
    span = question.terms.span
    if question.curve is None:
        return Span(year_on(span.start, -years), year_on(span.end, -years))
    start, end = (day_of(day_number(day) - years * _MOVED_DAYS) for day in (span.start, span.end))
    return Span(start, end)


def _use_of_year(curve: LoadCurve, home: Home, span: Span) -> Use:
    """The use in a year, where the home's hours are known in it: those of today may be of a later date."""
    use = use_of_curve(curve, home, span)

    def checked(calendar: RegisterCalendar) -> Usage:
        refuse_days_without_hours(calendar, home, span.start_min, span.end_min)
        return use(calendar)

    return checked


def _costs(
    question: CustomerQuestion, span: Span, use: Use, contracts: Sequence[Contract], market: StoredMarket
) -> dict[ContractKey, YearCost]:
    terms = replace(question.terms, span=span, prices="then", present=None)
    compared = Market(
        contracts=contracts, calendar_of=market.calendar_of, duties=market.duties, regulated=frozenset()
    )
    try:
        comparison = compare(use, compared, terms)
    except BillError as error:
        return {one.key: YearCost(total_ttc=None, missing=message_of(error)) for one in contracts}
    left_out = {contract.key: reason for contract, reason in comparison.left_out}
    return {one.key: _cost(one, comparison, left_out.get(one.key)) for one in contracts}


def _cost(contract: Contract, comparison: Comparison, left_out: Message | None) -> YearCost:
    ranked = next((one for one in comparison.ranking if one.contract.key == contract.key), None)
    if ranked is None:
        return YearCost(total_ttc=None, missing=left_out)
    if not ranked.whole:
        return YearCost(total_ttc=None, missing=Message.each(ranked.partial))
    return YearCost(total_ttc=ranked.total_ttc)
