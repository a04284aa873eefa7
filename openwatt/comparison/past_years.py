"""What some contracts would have cost in each of the last years: the same use, the prices of each day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from openwatt.comparison.market import StoredMarket
from openwatt.comparison.question import CustomerQuestion
from openwatt.comparison.what_if import best_of
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
_NO_PRICE = frozenset({"partial.no_price", "partial.no_taxes", "left_out.no_price"})


@dataclass(frozen=True, slots=True, kw_only=True)
class YearCost:
    """What one contract would have cost over the days of one year, in EUR, exact.

    None where it cannot be computed whole, and `missing` says why.
    """

    total_ttc: Fraction | None
    missing: tuple[Message, ...] = ()

    @property
    def lacks_prices_alone(self) -> bool:
        """Whether nothing but prices of some days is missing."""
        return bool(self.missing) and all(one.key in _NO_PRICE for one in self.missing)


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
    first_day = min(one.first_day for one in contracts)
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


def usual_contracts(comparison: Comparison) -> list[Contract]:
    """The contracts whose past years say most: the best, the present one and the regulated tariff in BASE."""
    every = (*comparison.ranking, *comparison.outdated)
    wanted = (
        best_of(comparison),
        next((one for one in every if one.contract.key == comparison.present), None),
        next((one for one in every if one.is_regulated and one.contract.option == "BASE"), None),
    )
    found = {one.contract.key: one.contract for one in wanted if one is not None}
    return list(found.values()) or [every[0].contract]


def past_year_assumptions(question: CustomerQuestion) -> tuple[Message, ...]:
    """What the costs of past years rest on."""
    use = Message("past_years.typed") if question.curve is None else Message("past_years.measured")
    return use, Message("past_years.prices")


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
    """The cost of each contract over a span; one at a time, because one that has no price is no fault."""
    terms = replace(question.terms, span=span, prices="then", present=None)
    duties, calendar_of = market.duties, market.calendar_of

    def cost(contract: Contract) -> YearCost:
        alone = Market(contracts=[contract], calendar_of=calendar_of, duties=duties, regulated=frozenset())
        try:
            (ranked,) = compare(use, alone, terms).ranking
        except BillError as error:
            # Of one contract that is left out, why.
            reason = message_of(error).values["reason"]
            return YearCost(total_ttc=None, missing=(reason,) if isinstance(reason, Message) else ())
        if not ranked.whole:
            missing = tuple(one for one in ranked.partial if one.key != "partial.not_measured")
            return YearCost(total_ttc=None, missing=missing)
        return YearCost(total_ttc=ranked.total_ttc)

    return {one.key: cost(one) for one in contracts}
