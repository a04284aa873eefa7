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
from openwatt.domain.contract import (
    Contract,
    DutyDays,
    PriceBasis,
    PricePeriod,
    SourcedTariff,
    price_periods,
)
from openwatt.domain.duties import Duties
from openwatt.domain.errors import BillError, CalendarError, message_of
from openwatt.domain.freshness import Overtaken, overtaken
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import PER_KWH, Coverage, Finding
from openwatt.domain.messages import Message
from openwatt.domain.part_of_year import PartOfYear, part_of_year, stands_for_a_year
from openwatt.domain.price_matrix import price_matrix
from openwatt.domain.tariff import SourceKind
from openwatt.domain.usage import Usage, Use

ContractKey = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One contract's total with all taxes over the span, in EUR, exact, and what it saves.

    A negative saving costs more. `whole` is False when measured energy or a day of
    subscription is not in the total, and `partial` says why; a saving is known only
    between totals of the same days and energy, and never at an outdated price.
    """

    contract: Contract
    total_ttc: Fraction
    regulated_ttc: Fraction | None
    present_ttc: Fraction | None
    baseline_ttc: Fraction | None
    is_regulated: bool
    closed_to_new_customers: bool
    whole: bool
    partial: tuple[Message, ...]
    notes: tuple[Message, ...]
    unseen: tuple[str, ...]
    """Registers that did not run in the span: its total is right and speaks of no other time."""
    last_seen_on: dt.date | None
    outdated: Overtaken | None
    """At today's prices: when its price was last seen, and why that cannot be today's."""
    source_kind: SourceKind | None
    """Who says its newest price with taxes."""

    @property
    def saving_against_regulated(self) -> Fraction | None:
        """What it saves against the regulated tariff of the same option and power."""
        return None if self.regulated_ttc is None else self.regulated_ttc - self.total_ttc

    @property
    def saving_against_present(self) -> Fraction | None:
        """What it saves against the present contract."""
        return None if self.present_ttc is None else self.present_ttc - self.total_ttc

    @property
    def saving_against_baseline(self) -> Fraction | None:
        """What it saves against the one contract with which all are compared."""
        return None if self.baseline_ttc is None else self.baseline_ttc - self.total_ttc


@dataclass(frozen=True, slots=True, eq=False)
class PricedContract:
    """A contract with its prices over a span, and what a total of it leaves out."""

    contract: Contract
    periods: Sequence[PricePeriod]
    open_days: frozenset[dt.date]
    """Days without a price with all taxes."""
    is_regulated: bool
    closed_to_new_customers: bool
    last_seen_on: dt.date | None
    outdated: Overtaken | None
    """Why its price cannot be today's, where prices are today's and it cannot."""
    is_ranked: bool
    """Whether it may be in a ranking: an outdated price may not, unless the terms include it."""
    source_kind: SourceKind | None
    """Who says its newest price with taxes."""

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
    def rank(self) -> tuple[bool, bool, bool, Amount, str]:
        """Orders a ranking, and after it what is in none."""
        return *self.standing, self.ttc, str(self.priced.contract)

    @property
    def standing(self) -> tuple[bool, bool, bool]:
        """What orders totals before their amounts do.

        What leaves something out only looks cheap: it comes after what is whole. So does a
        contract whose dear registers did not run: a week of June has no red day.
        """
        return not self.priced.is_ranked, not self.whole, bool(self.unseen)

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
    """Contracts from the cheapest, whole totals first; those that could not be costed, with the reason.

    At today's prices the contracts whose price cannot be today's are `outdated`, in the same
    order: they are in no ranking, unless it is to include them.
    """

    span: Span
    prices: PriceBasis
    coverage: Coverage
    ranking: tuple[Ranked, ...]
    outdated: tuple[Ranked, ...]
    left_out: tuple[tuple[Contract, Message], ...]
    findings: tuple[Finding, ...]
    costed: Mapping[ContractKey, Costed]
    present: ContractKey | None = None
    baseline: ContractKey | None = None
    """The contract with which all are compared: the present one where its total is whole, else the regulated
    tariff in BASE."""

    @property
    def outdated_present(self) -> Overtaken | None:
        """Why the price of the present contract, with which others are compared, cannot be today's."""
        present = None if self.present is None else self.costed.get(self.present)
        return None if present is None else present.priced.outdated

    @property
    def lacks_market_offers(self) -> bool:
        """Whether market offers are known, and none has a price that can be today's."""
        return any(not one.is_regulated for one in self.outdated) and all(
            one.is_regulated for one in self.ranking
        )

    def bill(self, contract: Contract) -> Bill:
        """The details of one contract of the ranking, month by month and register by register."""
        costed = self.costed[contract.key]
        return make_bill(contract, costed.usage, costed.periods)

    @property
    def part_of_year(self) -> PartOfYear | None:
        """What the span lacks of a year; None where it can stand for one."""
        unseen = {one.contract.option: one.usage.unseen for one in self.costed.values() if one.usage.unseen}
        return part_of_year(self.span, self.coverage, unseen)

    def per_year(self, amount: Fraction | None, *, whole: bool) -> Fraction | None:
        """An amount of the span for 365 days; None where the span cannot stand for a year.

        What is not `whole` lacks days or energy, and is no cost of a year either.
        """
        if amount is None or not whole or not stands_for_a_year(self.span, self.coverage):
            return None
        return amount if self.span.days == DAYS_PER_YEAR else amount * DAYS_PER_YEAR / self.span.days


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is compared: contracts, the calendar of each, the duties, and which offers are regulated."""

    contracts: Sequence[Contract]
    calendar_of: Callable[[Contract], RegisterCalendar]
    duties: Duties
    regulated: AbstractSet[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonTerms:
    """How contracts are compared: the days, the prices, the day that is today, and the present contract.

    `include_outdated` ranks contracts whose price cannot be today's among the others.
    """

    span: Span
    prices: PriceBasis
    today: dt.date
    present: ContractKey | None = None
    include_outdated: bool = False


def price_contracts(market: Market, terms: ComparisonTerms) -> PricedMarket:
    """Every contract of a market with its prices over a span, in the market's order within a calendar."""
    duties = DutyDays(market.duties)
    changes = market.duties.change_days() if terms.prices == "now" else ()
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
        last = _last_tariff(periods)
        outdated = _outdated(last, terms.today, changes)
        calendar = market.calendar_of(contract)
        calendars[id(calendar)] = calendar
        groups[id(calendar)].append(
            PricedContract(
                contract=contract,
                periods=periods,
                open_days=_open_days(periods),
                is_regulated=contract.key[:2] in market.regulated,
                closed_to_new_customers=last.tariff.closed_to_new_customers,
                last_seen_on=last.last_seen_on,
                outdated=outdated,
                is_ranked=outdated is None or terms.include_outdated,
                source_kind=last.sources[-1].kind if last.sources else None,
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
    baseline = _baseline(costed, terms)
    ranking, outdated = _rankings(costed, terms, baseline)
    return Comparison(
        span=terms.span,
        prices=terms.prices,
        coverage=next(iter(costed.values())).usage.coverage,
        ranking=ranking,
        outdated=outdated,
        left_out=tuple(left_out),
        findings=tuple(dict.fromkeys(finding for one in costed.values() for finding in one.usage.findings)),
        costed=costed,
        present=terms.present,
        baseline=None if baseline is None else baseline.contract.key,
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


def _baseline(costed: Mapping[ContractKey, Costed], terms: ComparisonTerms) -> Costed | None:
    """The present contract, else the regulated tariff in BASE; None where neither has a price.

    Of the two one whose total is whole, for others cannot be compared with one that is not.
    """
    present = None if terms.present is None else costed.get(terms.present)
    regulated = next(
        (
            one
            for one in costed.values()
            if one.priced.is_regulated and one.priced.is_ranked and one.contract.option == "BASE"
        ),
        None,
    )
    known = [one for one in (present, regulated) if one is not None]
    return next((one for one in known if one.total.whole), None) or next(iter(known), None)


def _rankings(
    costed: Mapping[ContractKey, Costed], terms: ComparisonTerms, baseline: Costed | None
) -> tuple[tuple[Ranked, ...], tuple[Ranked, ...]]:
    """The contracts that are ranked, and those whose price cannot be today's."""
    found = sorted(costed.values(), key=lambda one: one.total.rank)
    ranking = [one for one in found if one.priced.is_ranked]
    regulated = {one.contract.key[2:]: one.total for one in ranking if one.priced.is_regulated}
    present = None if terms.present is None else costed.get(terms.present)
    beside = (present.total if present else None, baseline.total if baseline else None)
    return (
        tuple(_ranked(one, regulated, *beside) for one in ranking),
        tuple(_ranked(one, {}, None, None) for one in found if not one.priced.is_ranked),
    )


def _ranked(
    costed: Costed,
    regulated: Mapping[tuple[str, int], ContractTotal[Fraction]],
    present: ContractTotal[Fraction] | None,
    baseline: ContractTotal[Fraction] | None,
) -> Ranked:
    priced, total = costed.priced, costed.total
    return Ranked(
        contract=priced.contract,
        total_ttc=total.ttc,
        regulated_ttc=total.comparable(regulated.get(priced.contract.key[2:])),
        present_ttc=total.comparable(present),
        baseline_ttc=total.comparable(baseline),
        is_regulated=priced.is_regulated,
        closed_to_new_customers=priced.closed_to_new_customers,
        whole=total.whole,
        partial=tuple(what_is_partial(costed.usage, priced.periods)),
        notes=tuple(dict.fromkeys(note for period in priced.periods for note in period.notes)),
        unseen=total.unseen,
        last_seen_on=priced.last_seen_on,
        outdated=priced.outdated,
        source_kind=priced.source_kind,
    )


def _last_tariff(periods: Sequence[PricePeriod]) -> SourcedTariff:
    """The tariff of the last period that has one; at least one does."""
    return next(period.tariff for period in reversed(periods) if period.tariff is not None)


def _outdated(sourced: SourcedTariff, today: dt.date, changes: Sequence[dt.date]) -> Overtaken | None:
    if sourced.last_seen_on is None:
        return None
    return overtaken(sourced.tariff.applies_from, sourced.last_seen_on, today=today, changes=changes)
