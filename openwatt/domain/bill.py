"""The bill of a contract over a span: exact amounts per month and register, rounded only where printed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from openwatt.domain.contract import Contract, PricePeriod, SourcedTariff
from openwatt.domain.errors import BillError
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import PER_KWH, Coverage
from openwatt.domain.messages import Message
from openwatt.domain.usage import Usage

#: A yearly subscription is charged by days of 1/365, in leap years too.
DAYS_PER_YEAR = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyLine:
    """The kWh of one register over days of one month with one price; amounts in EUR, exact.

    A side of the price that is not known is None and leaves its amount None.
    """

    span: Span
    register: str
    energy: int
    price_ht: Decimal | None
    price_ttc: Decimal | None
    tariff: SourcedTariff

    @property
    def kwh(self) -> Fraction:
        """The energy in kWh."""
        return Fraction(self.energy, PER_KWH)

    @property
    def amount_ht(self) -> Fraction | None:
        """Without taxes."""
        return None if self.price_ht is None else self.kwh * Fraction(self.price_ht)

    @property
    def amount_ttc(self) -> Fraction | None:
        """With all taxes."""
        return None if self.price_ttc is None else self.kwh * Fraction(self.price_ttc)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionLine:
    """The part of a yearly subscription that falls on days of one month, by days of 1/365; EUR, exact."""

    span: Span
    per_year_ht: Decimal | None
    per_year_ttc: Decimal | None
    tariff: SourcedTariff

    @property
    def amount_ht(self) -> Fraction | None:
        """Without taxes."""
        return _part_of_year(self.per_year_ht, self.span.days)

    @property
    def amount_ttc(self) -> Fraction | None:
        """With all taxes."""
        return _part_of_year(self.per_year_ttc, self.span.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The lines of a contract over a span, and everything that keeps it from being whole."""

    contract: Contract
    span: Span
    energy_lines: tuple[EnergyLine, ...]
    subscription_lines: tuple[SubscriptionLine, ...]
    accise: Fraction | None
    coverage: Coverage
    unpriced_energy: int
    partial: tuple[Message, ...]
    notes: tuple[Message, ...]

    @property
    def lines(self) -> Sequence[EnergyLine | SubscriptionLine]:
        """Every line, subscriptions first."""
        return (*self.subscription_lines, *self.energy_lines)

    @property
    def ht(self) -> Fraction | None:
        """The amount without taxes, None when a line's is not known."""
        return total([line.amount_ht for line in self.lines])

    @property
    def ttc(self) -> Fraction | None:
        """The amount with all taxes, None when a line's is not known."""
        return total([line.amount_ttc for line in self.lines])

    @property
    def duties(self) -> Fraction | None:
        """Accise, CTA and TVA together: all taxes less none."""
        ht, ttc = self.ht, self.ttc
        return None if ht is None or ttc is None else ttc - ht

    @property
    def energy(self) -> int:
        """What was priced, in W × minutes."""
        return sum(line.energy for line in self.energy_lines)


def make_bill(contract: Contract, usage: Usage, periods: Sequence[PricePeriod]) -> Bill:
    """The bill of what was used, at the prices of each day; periods follow each other over the usage's span.

    Raises:
        BillError: when the usage has other registers than the contract, or the
            periods do not cover its span exactly.
    """
    refuse_other_registers(contract, usage)
    if not periods or (periods[0].span.start, periods[-1].span.end) != (usage.span.start, usage.span.end):
        raise BillError("the periods of prices are not those of the usage's span")
    energy_lines: list[EnergyLine] = []
    subscription_lines: list[SubscriptionLine] = []
    accise: Fraction | None = Fraction(0)
    unpriced = usage.unknown
    for period, part in _parts(periods):
        amounts = usage.between(part.start, part.end)
        if period.tariff is None:
            unpriced += int(amounts[:-1].sum())
            continue
        energy_lines += _energy_lines(period, part, usage, amounts.tolist())
        subscription_lines.append(
            SubscriptionLine(
                span=part,
                per_year_ht=period.subscription_ht,
                per_year_ttc=period.subscription_ttc,
                tariff=period.tariff,
            )
        )
        if accise is not None:
            kwh = Fraction(int(amounts[:-1].sum()), PER_KWH)
            accise = None if period.accise is None else accise + kwh * Fraction(period.accise)
    return Bill(
        contract=contract,
        span=usage.span,
        energy_lines=tuple(energy_lines),
        subscription_lines=tuple(subscription_lines),
        accise=accise,
        coverage=usage.coverage,
        unpriced_energy=unpriced,
        partial=tuple(what_is_partial(usage, periods)),
        notes=tuple(dict.fromkeys(note for period in periods for note in period.notes)),
    )


def refuse_other_registers(contract: Contract, usage: Usage) -> None:
    """Refuses a usage in registers that the contract has no price for.

    Raises:
        BillError: naming both.
    """
    tariff_registers = set(contract.tariffs[0].tariff.prices_eur_per_kwh_ttc) or set(
        contract.tariffs[0].tariff.prices_eur_per_kwh_ht
    )
    if tariff_registers != set(usage.registers):
        raise BillError(f"{contract} has no prices for the registers {', '.join(usage.registers)}")


def what_is_partial(usage: Usage, periods: Sequence[PricePeriod]) -> Iterator[Message]:
    """Every reason why a bill is not the whole cost of its span."""
    if not usage.coverage.is_complete:
        expected, present = usage.coverage.expected_half_hours, usage.coverage.present_half_hours
        yield Message.of("partial.not_measured", missing=expected - present, expected=expected)
    if usage.unknown:
        yield Message.of("partial.no_register", kwh=Message.decimal(to_kwh(usage.unknown)))
    for period in periods:
        days = {"start": Message.day(period.span.start), "end": Message.day(period.span.end)}
        if period.tariff is None:
            yield Message.of("partial.no_price", **days)
        elif period.prices_ttc is None or period.subscription_ttc is None:
            yield Message.of("partial.no_taxes", **days)


def to_cents(amount: Fraction) -> Decimal:
    """An exact amount as it is printed: rounded half up to the cent."""
    return rounded(amount, 2)


def to_kwh(energy: int, decimals: int = 3) -> Decimal:
    """An energy in W × minutes as it is printed: kWh, rounded half up."""
    return rounded(Fraction(energy, PER_KWH), decimals)


def total(amounts: Sequence[Fraction | None]) -> Fraction | None:
    """The sum, None as soon as one amount is not known."""
    known = [amount for amount in amounts if amount is not None]
    return None if len(known) < len(amounts) else sum(known, Fraction(0))


def rounded(amount: Fraction, decimals: int) -> Decimal:
    """An exact number with some decimals, rounded half up (away from 0 below it)."""
    # Whole numbers: a product of fractions would be reduced first, which takes far longer.
    numerator, denominator = abs(amount.numerator) * 10**decimals, amount.denominator
    whole = (2 * numerator + denominator) // (2 * denominator)
    return Decimal(whole if amount >= 0 else -whole).scaleb(-decimals)


def _part_of_year(per_year: Decimal | None, days: int) -> Fraction | None:
    return None if per_year is None else Fraction(per_year) * days / DAYS_PER_YEAR


def _parts(periods: Sequence[PricePeriod]) -> Iterator[tuple[PricePeriod, Span]]:
    """Each period cut at every first of a month."""
    for period in periods:
        for part in period.span.months():
            yield period, part


def _energy_lines(
    period: PricePeriod, part: Span, usage: Usage, amounts: Sequence[int]
) -> Iterator[EnergyLine]:
    for register, energy in zip(usage.registers, amounts, strict=False):
        if energy and period.tariff is not None:
            yield EnergyLine(
                span=part,
                register=register,
                energy=energy,
                price_ht=period.prices_ht[register] if period.prices_ht else None,
                price_ttc=period.prices_ttc[register] if period.prices_ttc else None,
                tariff=period.tariff,
            )
