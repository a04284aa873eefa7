"""What every contract would have cost for the same use: a ranking beside the regulated tariff."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction

from openwatt.domain.bill import DAYS_PER_YEAR, Bill, make_bill, what_is_partial
from openwatt.domain.calendar import RegisterCalendar
from openwatt.domain.contract import Contract, DutyDays, PricePeriod, Prices, price_periods
from openwatt.domain.duties import Duties
from openwatt.domain.errors import BillError, CalendarError
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import PER_KWH, Coverage, Finding
from openwatt.domain.price_matrix import price_matrix
from openwatt.domain.tariff import Tariff
from openwatt.domain.usage import Usage, Use

ContractKey = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One contract's total with all taxes over the span, in EUR, exact, and what it saves.

    A negative saving costs more. `whole` is False when measured energy or a day of
    subscription is not in the total, and `partial` says why; a saving is told only
    between totals of the same days and energy.
    """

    contract: Contract
    total_ttc: Fraction
    regulated_ttc: Fraction | None
    present_ttc: Fraction | None
    closed_to_new_customers: bool
    whole: bool
    partial: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def saving_against_regulated(self) -> Fraction | None:
        """What it saves against the regulated tariff of the same option and power."""
        return None if self.regulated_ttc is None else self.regulated_ttc - self.total_ttc

    @property
    def saving_against_present(self) -> Fraction | None:
        """What it saves against the present contract."""
        return None if self.present_ttc is None else self.present_ttc - self.total_ttc


@dataclass(frozen=True, slots=True)
class Costed:
    """A contract with all that its total rests on."""

    contract: Contract
    usage: Usage
    periods: Sequence[PricePeriod]
    total_ttc: Fraction

    @property
    def total_ht(self) -> Fraction | None:
        """The same days and energy without taxes, in EUR, exact; None when a price of them is not known."""
        total = Fraction(0)
        for period in self.periods:
            if period.tariff is None:
                continue
            used = self.usage.between(period.span.start, period.span.end).tolist()
            if _is_open(period) or period.subscription_ht is None or period.prices_ht is None:
                return None
            for register, energy in zip(self.usage.registers, used, strict=False):
                total += Fraction(energy, PER_KWH) * Fraction(period.prices_ht[register])
            total += Fraction(period.subscription_ht) * period.span.days / DAYS_PER_YEAR
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Contracts from the cheapest, whole totals first; those that could not be costed, with the reason."""

    span: Span
    prices: Prices
    coverage: Coverage
    ranking: tuple[Ranked, ...]
    left_out: tuple[tuple[Contract, str], ...]
    findings: tuple[Finding, ...]
    costed: Mapping[ContractKey, Costed]

    def bill(self, contract: Contract) -> Bill:
        """The details of one contract of the ranking, month by month and register by register."""
        costed = self.costed[contract.key]
        return make_bill(contract, costed.usage, costed.periods)

    def per_year(self, amount: Fraction) -> Fraction:
        """An amount of the span for 365 days."""
        return amount * DAYS_PER_YEAR / self.span.days


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is compared: contracts, the calendar of each, the duties, and which offers are regulated."""

    contracts: Sequence[Contract]
    calendar_of: Callable[[Contract], RegisterCalendar]
    duties: Duties
    regulated: AbstractSet[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How it is compared: the days, the prices, the day that is today, and the contract held at present."""

    span: Span
    prices: Prices
    today: dt.date
    present: ContractKey | None = None


def compare(use: Use, market: Market, question: Question) -> Comparison:
    """Costs every contract for the same use, exact to the last digit.

    A contract whose registers the use cannot tell, or that has no price with all
    taxes in the span, is left out with the reason.

    Raises:
        BillError: when no contract can be costed.
    """
    duties = DutyDays(market.duties)
    # By identity: hashing a calendar's rules for every contract would cost more than the bills. The
    # calendars are kept, so that no identity is used twice.
    calendars: dict[int, RegisterCalendar] = {}
    measured: dict[int, Usage | CalendarError] = {}
    groups: dict[int, list[tuple[Contract, Sequence[PricePeriod]]]] = defaultdict(list)
    left_out: list[tuple[Contract, str]] = []
    for contract in market.contracts:
        calendar = market.calendar_of(contract)
        if id(calendar) not in calendars:
            calendars[id(calendar)] = calendar
            measured[id(calendar)] = _usage(use, calendar)
        usage = measured[id(calendar)]
        if isinstance(usage, CalendarError):
            left_out.append((contract, str(usage)))
            continue
        try:
            groups[id(calendar)].append((contract, priced_periods(contract, duties, question)))
        except BillError as error:
            left_out.append((contract, str(error)))
    costed: dict[ContractKey, Costed] = {}
    for key, group in groups.items():
        usage = measured[key]
        if group and isinstance(usage, Usage):
            totals = price_matrix(group, usage.registers).totals(usage)
            for (contract, periods), total_ttc in zip(group, totals, strict=True):
                costed[contract.key] = Costed(contract, usage, periods, total_ttc)
    if not costed:
        reasons = "; ".join(dict.fromkeys(reason for _, reason in left_out))
        raise BillError(f"no contract can be costed: {reasons or 'there is none'}")
    found = dict.fromkeys(finding for one in costed.values() for finding in one.usage.findings)
    return Comparison(
        span=question.span,
        prices=question.prices,
        coverage=next(iter(costed.values())).usage.coverage,
        ranking=_ranking(costed, market.regulated, question.present),
        left_out=tuple(left_out),
        findings=tuple(found),
        costed=costed,
    )


def _usage(use: Use, calendar: RegisterCalendar) -> Usage | CalendarError:
    try:
        return use(calendar)
    except CalendarError as error:
        return error


def priced_periods(contract: Contract, duties: DutyDays, question: Question) -> Sequence[PricePeriod]:
    """The contract's periods over the question's span.

    Raises:
        BillError: when no day of the span has a price with all taxes.
    """
    periods = price_periods(contract, question.span, duties, question.prices, question.today)
    if all(_is_open(period) for period in periods):
        raise BillError(f"no price with all taxes is known from {question.span.start} to {question.span.end}")
    return periods


def _is_open(period: PricePeriod) -> bool:
    return period.prices_ttc is None or period.subscription_ttc is None


def open_days(periods: Sequence[PricePeriod]) -> frozenset[dt.date]:
    """The days that a total leaves out because their price is not known."""
    return frozenset(
        period.span.start + dt.timedelta(days=n)
        for period in periods
        if _is_open(period)
        for n in range(period.span.days)
    )


def _ranking(
    costed: Mapping[ContractKey, Costed], offers: AbstractSet[tuple[str, str]], present: ContractKey | None
) -> tuple[Ranked, ...]:
    left_out = {key: (open_days(one.periods), one.usage.unknown) for key, one in costed.items()}
    regulated = {key[2:]: key for key in costed if key[:2] in offers}

    def beside(key: ContractKey, other: ContractKey | None) -> Fraction | None:
        if other is None or other not in costed or left_out[other] != left_out[key]:
            return None
        return costed[other].total_ttc

    ranked = [
        Ranked(
            contract=one.contract,
            total_ttc=one.total_ttc,
            regulated_ttc=beside(key, regulated.get(key[2:])),
            present_ttc=beside(key, present),
            closed_to_new_customers=last_tariff(one.periods).closed_to_new_customers,
            whole=not any(left_out[key]),
            partial=tuple(what_is_partial(one.usage, one.periods)),
            notes=tuple(dict.fromkeys(note for period in one.periods for note in period.notes)),
        )
        for key, one in costed.items()
    ]
    # What leaves something out only looks cheap: it comes after what is whole.
    ranked.sort(key=lambda one: (not one.whole, one.total_ttc, str(one.contract)))
    return tuple(ranked)


def last_tariff(periods: Sequence[PricePeriod]) -> Tariff:
    """The tariff of the last period that has one; at least one does."""
    return next(period.tariff.tariff for period in reversed(periods) if period.tariff is not None)
