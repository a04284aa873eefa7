"""The comparison of contracts for the same use: a ranking beside the regulated tariff."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from openwatt.domain.bill import DAYS_PER_YEAR, Bill, make_bill, what_is_partial
from openwatt.domain.calendar import RegisterCalendar
from openwatt.domain.contract import Contract, DutyDays, PriceBasis, PricePeriod, price_periods
from openwatt.domain.duties import Duties
from openwatt.domain.errors import BillError, CalendarError, message_of
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import PER_KWH, Coverage, Finding
from openwatt.domain.messages import Message
from openwatt.domain.part_of_year import PartOfYear, part_of_year, stands_for_a_year
from openwatt.domain.price_matrix import price_matrix
from openwatt.domain.tariff import Tariff
from openwatt.domain.usage import Usage, Use

ContractKey = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One contract's total with all taxes over the span, in EUR, exact, and what it saves.

    A negative saving costs more. `whole` is False when measured energy or a day of
    subscription is not in the total, and `partial` says why; a saving is known only
    between totals of the same days and energy.
    """

    contract: Contract
    total_ttc: Fraction
    regulated_ttc: Fraction | None
    present_ttc: Fraction | None
    is_regulated: bool
    closed_to_new_customers: bool
    whole: bool
    partial: tuple[Message, ...]
    notes: tuple[Message, ...]
    unseen: tuple[str, ...]
    """Registers that did not run in the span: its total is right and speaks of no other time."""

    @property
    def saving_against_regulated(self) -> Fraction | None:
        """What it saves against the regulated tariff of the same option and power."""
        return None if self.regulated_ttc is None else self.regulated_ttc - self.total_ttc

    @property
    def saving_against_present(self) -> Fraction | None:
        """What it saves against the present contract."""
        return None if self.present_ttc is None else self.present_ttc - self.total_ttc


@dataclass(frozen=True, slots=True, eq=False)
class PricedContract:
    """A contract with its prices over a span, and what a total of it leaves out."""

    contract: Contract
    periods: Sequence[PricePeriod]
    open_days: frozenset[dt.date]
    """Days without a price with all taxes."""
    is_regulated: bool
    closed_to_new_customers: bool

    @property
    def knows_ht(self) -> bool:
        """Whether every price without taxes of the days in a total is known."""
        return all(
            not (_is_open(period) or period.subscription_ht is None or period.prices_ht is None)
            for period in self.periods
            if period.tariff is not None
        )


@dataclass(frozen=True, slots=True, eq=False)
class PricedCalendar:
    """The contracts whose registers run by one calendar."""

    calendar: RegisterCalendar
    contracts: tuple[PricedContract, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PricedMarket:
    """All contracts of a market over a span, by calendar; those without a price, with the reason."""

    calendars: tuple[PricedCalendar, ...]
    left_out: tuple[tuple[Contract, Message], ...]


#: Totals are fractions of one EUR, or for many homes at once whole numbers over a common denominator.
Amount = TypeVar("Amount", int, Fraction)


@dataclass(frozen=True, slots=True)
class ContractTotal(Generic[Amount]):
    """What one home would pay for a contract with all taxes, without its `unknown` energy, of no register."""

    priced: PricedContract
    ttc: Amount
    unknown: int
    unseen: tuple[str, ...] = ()
    """Registers that ran at no measured moment."""

    @property
    def whole(self) -> bool:
        """Whether every day and all energy is in the total."""
        return not (self.priced.open_days or self.unknown)

    @property
    def rank(self) -> tuple[bool, bool, Amount, str]:
        """Orders a ranking. What leaves something out only looks cheap: it comes after what is whole.

        So does a contract whose dear registers did not run: a week of June has no red day.
        """
        return not self.whole, bool(self.unseen), self.ttc, str(self.priced.contract)

    def comparable(self, other: "ContractTotal[Amount] | None") -> Amount | None:
        """Another contract's total, where both totals are of the same days and energy."""
        if other is None or (other.priced.open_days, other.unknown) != (self.priced.open_days, self.unknown):
            return None
        return other.ttc


@dataclass(frozen=True, slots=True)
class Costed:
    """A contract with all that its total rests on."""

    priced: PricedContract
    usage: Usage
    total_ttc: Fraction

    @property
    def contract(self) -> Contract:
        """The contract."""
        return self.priced.contract

    @property
    def periods(self) -> Sequence[PricePeriod]:
        """Its prices over the span."""
        return self.priced.periods

    @property
    def total(self) -> ContractTotal[Fraction]:
        """The total as it is ranked."""
        return ContractTotal(self.priced, self.total_ttc, self.usage.unknown, self.usage.unseen)

    @property
    def total_ht(self) -> Fraction | None:
        """The same days and energy without taxes, in EUR, exact; None when a price of them is not known."""
        if not self.priced.knows_ht:
            return None
        total = Fraction(0)
        for period in self.periods:
            if period.prices_ht is None or period.subscription_ht is None:
                continue
            used = self.usage.between(period.span.start, period.span.end).tolist()
            for register, energy in zip(self.usage.registers, used, strict=False):
                total += Fraction(energy, PER_KWH) * Fraction(period.prices_ht[register])
            total += Fraction(period.subscription_ht) * period.span.days / DAYS_PER_YEAR
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Contracts from the cheapest, whole totals first; those that could not be costed, with the reason."""

    span: Span
    prices: PriceBasis
    coverage: Coverage
    ranking: tuple[Ranked, ...]
    left_out: tuple[tuple[Contract, Message], ...]
    findings: tuple[Finding, ...]
    costed: Mapping[ContractKey, Costed]

    def bill(self, contract: Contract) -> Bill:
        """The details of one contract of the ranking, month by month and register by register."""
        costed = self.costed[contract.key]
        return make_bill(contract, costed.usage, costed.periods)

    @property
    def part_of_year(self) -> PartOfYear | None:
        """What the span lacks of a year; None where it can stand for one."""
        unseen = {one.contract.option: one.usage.unseen for one in self.costed.values() if one.usage.unseen}
        return part_of_year(self.span, self.coverage, unseen)

    def per_year(self, amount: Fraction | None) -> Fraction | None:
        """An amount of the span for 365 days; None where the span cannot stand for a year."""
        if amount is None or not stands_for_a_year(self.span, self.coverage):
            return None
        return amount * DAYS_PER_YEAR / self.span.days


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is compared: contracts, the calendar of each, the duties, and which offers are regulated."""

    contracts: Sequence[Contract]
    calendar_of: Callable[[Contract], RegisterCalendar]
    duties: Duties
    regulated: AbstractSet[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonTerms:
    """How contracts are compared: the days, the prices, the day that is today, and the present contract."""

    span: Span
    prices: PriceBasis
    today: dt.date
    present: ContractKey | None = None


def price_contracts(market: Market, terms: ComparisonTerms) -> PricedMarket:
    """Every contract of a market with its prices over a span, in the market's order within a calendar."""
    duties = DutyDays(market.duties)
    # By identity: hashing a calendar's rules for every contract would cost more than the bills. The
    # calendars are held, so that no identity is used twice.
    calendars: dict[int, RegisterCalendar] = {}
    groups: dict[int, list[PricedContract]] = defaultdict(list)
    left_out: list[tuple[Contract, Message]] = []
    for contract in market.contracts:
        try:
            periods = _priced_periods(contract, duties, terms)
        except BillError as error:
            left_out.append((contract, message_of(error)))
            continue
        calendar = market.calendar_of(contract)
        calendars[id(calendar)] = calendar
        groups[id(calendar)].append(
            PricedContract(
                contract=contract,
                periods=periods,
                open_days=_open_days(periods),
                is_regulated=contract.key[:2] in market.regulated,
                closed_to_new_customers=_last_tariff(periods).closed_to_new_customers,
            )
        )
    found = (PricedCalendar(calendars[key], tuple(group)) for key, group in groups.items())
    return PricedMarket(tuple(found), tuple(left_out))


def compare(use: Use, market: Market, terms: ComparisonTerms) -> Comparison:
    """Costs every contract for the same use, exact to the last digit.

    A contract whose registers the use cannot tell, or that has no price with all
    taxes in the span, is left out with the reason.

    Raises:
        BillError: when no contract can be costed.
    """
    priced = price_contracts(market, terms)
    reasons = {contract.key: reason for contract, reason in priced.left_out}
    costed: dict[ContractKey, Costed] = {}
    for one in priced.calendars:
        try:
            usage = use(one.calendar)
        except CalendarError as error:
            reasons |= {contract.contract.key: message_of(error) for contract in one.contracts}
            continue
        matrix = price_matrix([(each.contract, each.periods) for each in one.contracts], usage.registers)
        for each, total_ttc in zip(one.contracts, matrix.totals(usage), strict=True):
            costed[each.contract.key] = Costed(each, usage, total_ttc)
    left_out = [(one, reasons[one.key]) for one in market.contracts if one.key in reasons]
    if not costed:
        reason = Message.each(reason for _, reason in left_out) or Message("left_out.there_is_none")
        raise BillError(Message.of("left_out.every_contract", reason=reason))
    return Comparison(
        span=terms.span,
        prices=terms.prices,
        coverage=next(iter(costed.values())).usage.coverage,
        ranking=_ranking(costed, terms.present),
        left_out=tuple(left_out),
        findings=tuple(dict.fromkeys(finding for one in costed.values() for finding in one.usage.findings)),
        costed=costed,
    )


def _priced_periods(contract: Contract, duties: DutyDays, terms: ComparisonTerms) -> Sequence[PricePeriod]:
    """The contract's periods over the span.

    Raises:
        BillError: when no day of the span has a price with all taxes.
    """
    periods = price_periods(contract, terms.span, duties, terms.prices, terms.today)
    if all(_is_open(period) for period in periods):
        days = {"start": Message.day(terms.span.start), "end": Message.day(terms.span.end)}
        raise BillError(Message.of("left_out.no_price", **days))
    return periods


def _is_open(period: PricePeriod) -> bool:
    return period.prices_ttc is None or period.subscription_ttc is None


def _open_days(periods: Sequence[PricePeriod]) -> frozenset[dt.date]:
    """The days that a total leaves out because their price is not known."""
    return frozenset(
        period.span.start + dt.timedelta(days=n)
        for period in periods
        if _is_open(period)
        for n in range(period.span.days)
    )


def _ranking(costed: Mapping[ContractKey, Costed], present: ContractKey | None) -> tuple[Ranked, ...]:
    totals = {key: one.total for key, one in costed.items()}
    regulated = {key[2:]: total for key, total in totals.items() if total.priced.is_regulated}
    held = None if present is None else totals.get(present)
    return tuple(
        Ranked(
            contract=total.priced.contract,
            total_ttc=total.ttc,
            regulated_ttc=total.comparable(regulated.get(total.priced.contract.key[2:])),
            present_ttc=total.comparable(held),
            is_regulated=total.priced.is_regulated,
            closed_to_new_customers=total.priced.closed_to_new_customers,
            whole=total.whole,
            partial=tuple(what_is_partial(costed[total.priced.contract.key].usage, total.priced.periods)),
            notes=tuple(dict.fromkeys(note for period in total.priced.periods for note in period.notes)),
            unseen=total.unseen,
        )
        for total in sorted(totals.values(), key=lambda one: one.rank)
    )


def _last_tariff(periods: Sequence[PricePeriod]) -> Tariff:
    """The tariff of the last period that has one; at least one does."""
    return next(period.tariff.tariff for period in reversed(periods) if period.tariff is not None)
