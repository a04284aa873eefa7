"""Contracts, and which of their prices apply on which days, with and without taxes."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from openwatt.domain.duties import (
    DatedRate,
    Duties,
    TurpeFixedPart,
    price_eur_per_kwh_ttc,
    subscription_eur_per_month_ttc,
)
from openwatt.domain.errors import BillError, UnknownDutyError, message_of
from openwatt.domain.legal_time import PARIS, Span
from openwatt.domain.messages import Message
from openwatt.domain.tariff import OPTIONS, SourceKind, Tariff

#: Prices as they were on each day, or today's on every day of the past.
PriceBasis = Literal["then", "now"]
#: The network formula whose fixed part CTA is taken on, as for the regulated tariff.
TURPE_FORMULA = "CU4"
#: What a price per kWh with taxes rests on, and what a subscription does beside the network's fixed part.
_PRICE_DUTIES = ("accise", "tcfe_local_max", "tva_kwh")
_SUBSCRIPTION_DUTIES = ("cta", "tva_subscription")


@dataclass(frozen=True, slots=True)
class PriceDocument:
    """Where a price was read: who says it, the document, its hash, and the page when there are several."""

    kind: SourceKind
    title: str
    url: str | None = None
    document_sha256: str | None = None
    page: int | None = None


@dataclass(frozen=True, slots=True)
class SourcedTariff:
    """A tariff, the documents that say it, and the last look that found it in one of them.

    Without that look, which only a market that is read from the store knows, a price is never
    taken for an overtaken one.
    """

    tariff: Tariff
    sources: tuple[PriceDocument, ...] = ()
    last_seen_at: dt.datetime | None = field(default=None, repr=False)

    @property
    def last_seen_on(self) -> dt.date | None:
        """The legal day of that look."""
        return None if self.last_seen_at is None else self.last_seen_at.astimezone(PARIS).date()


@dataclass(frozen=True, slots=True)
class Contract:
    """An offer at one option and power, with all its tariffs in the order of their first day."""

    supplier: str
    offer: str
    option: str
    power_kva: int
    tariffs: tuple[SourcedTariff, ...]

    def __str__(self) -> str:
        return f"{self.supplier} {self.offer} {self.option} {self.power_kva} kVA"

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells it from every other contract."""
        return self.supplier, self.offer, self.option, self.power_kva

    @property
    def first_day(self) -> dt.date:
        """The first day whose price is known."""
        return self.tariffs[0].tariff.applies_from

    def on(self, day: dt.date) -> SourcedTariff | None:
        """The tariff in force on a day: of several, the one that began last."""
        for sourced in reversed(self.tariffs):
            tariff = sourced.tariff
            if tariff.applies_from <= day and (tariff.applies_to is None or day <= tariff.applies_to):
                return sourced
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePeriod:
    """Days on which neither a price nor a duty changes; without a tariff, nothing is known of them.

    Prices are in EUR per kWh by register and subscriptions in EUR per year; a side
    is None when it is neither printed nor computable, and `notes` say why.
    """

    span: Span
    tariff: SourcedTariff | None
    prices_ht: Mapping[str, Decimal] | None = None
    prices_ttc: Mapping[str, Decimal] | None = None
    subscription_ht: Decimal | None = None
    subscription_ttc: Decimal | None = None
    accise: Decimal | None = None
    notes: tuple[Message, ...] = ()


def contracts_of(tariffs: Iterable[SourcedTariff]) -> tuple[Contract, ...]:
    """Tariffs gathered by what they can be subscribed as, in the order of their names."""
    by_key: dict[tuple[str, str, str, int], list[SourcedTariff]] = defaultdict(list)
    for sourced in tariffs:
        tariff = sourced.tariff
        by_key[tariff.supplier, tariff.offer, tariff.option, tariff.power_kva].append(sourced)
    return tuple(
        Contract(*key, tuple(sorted(found, key=lambda one: one.tariff.applies_from)))
        for key, found in sorted(by_key.items())
    )


class DutyDays:
    """Duties by day, each day looked up once: a comparison asks for the same few days for every contract."""

    def __init__(self, duties: Duties) -> None:
        self.duties = duties
        self._on: dict[dt.date, Mapping[str, Decimal | None]] = {}
        self._turpe_on: dict[tuple[int, dt.date], Decimal | None] = {}
        dated: Sequence[DatedRate | TurpeFixedPart] = (*duties.rates, *duties.turpe)
        self.changes = frozenset(day for one in dated for day in _edges(one.applies_from, one.applies_to))

    def on(self, day: dt.date) -> Mapping[str, Decimal | None]:
        """The rate of each duty on a day, None where it is not known."""
        if day not in self._on:
            names = (*_PRICE_DUTIES, *_SUBSCRIPTION_DUTIES)
            self._on[day] = {name: _rate(self.duties, name, day) for name in names}
        return self._on[day]

    def same_for_prices(self, one: dt.date, other: dt.date) -> bool:
        """Whether the prices per kWh of two days bear the same duties."""
        first, second = self.on(one), self.on(other)
        return all(first[name] == second[name] for name in _PRICE_DUTIES)

    def same_for_subscription(self, one: dt.date, other: dt.date, power_kva: int) -> bool:
        """Whether the subscriptions of two days bear the same duties, the network's fixed part included."""
        first, second = self.on(one), self.on(other)
        return all(first[name] == second[name] for name in _SUBSCRIPTION_DUTIES) and (
            self._turpe(power_kva, one) == self._turpe(power_kva, other)
        )

    def _turpe(self, power_kva: int, day: dt.date) -> Decimal | None:
        key = power_kva, day
        if key not in self._turpe_on:
            try:
                amount = self.duties.turpe_fixed_eur_per_year_ht(TURPE_FORMULA, power_kva, day)
            except UnknownDutyError:
                amount = None
            self._turpe_on[key] = amount
        return self._turpe_on[key]


def price_periods(
    contract: Contract, span: Span, duties: DutyDays, prices: PriceBasis, today: dt.date
) -> tuple[PricePeriod, ...]:
    """The span cut wherever a price or a duty changes; with `now`, today's prices and duties on all of it.

    Raises:
        BillError: with `now`, when the contract has no price today.
    """
    if prices == "now":
        current = contract.on(today)
        if current is None:
            raise BillError(
                Message.of("left_out.no_price_on", contract=str(contract), day=Message.day(today))
            )
        return (_period(span, current, duties, today),)
    changes = {
        day for one in contract.tariffs for day in _edges(one.tariff.applies_from, one.tariff.applies_to)
    } | duties.changes
    edges = [span.start, *sorted(day for day in changes if span.start < day < span.end), span.end]
    return tuple(
        _period(Span(start, end), contract.on(start), duties, start) for start, end in pairwise(edges)
    )


def _edges(applies_from: dt.date | None, applies_to: dt.date | None) -> Iterator[dt.date]:
    """The first day of something dated, and the day after its last."""
    if applies_from is not None:
        yield applies_from
    if applies_to is not None:
        yield applies_to + dt.timedelta(days=1)


def _period(span: Span, sourced: SourcedTariff | None, duties: DutyDays, day: dt.date) -> PricePeriod:
    if sourced is None:
        return PricePeriod(span=span, tariff=None)
    tariff = sourced.tariff
    notes: list[Message] = []
    printed_on = tariff.applies_from
    prices_ttc = tariff.prices_eur_per_kwh_ttc or None
    subscription_ttc = tariff.subscription_eur_per_year_ttc
    if prices_ttc is None or not duties.same_for_prices(printed_on, day):
        prices_ttc = _prices_ttc(tariff, day, duties.duties, notes) or prices_ttc
    if subscription_ttc is None or not duties.same_for_subscription(printed_on, day, tariff.power_kva):
        computed = _subscription_ttc(tariff, day, duties.duties, notes)
        subscription_ttc = subscription_ttc if computed is None else computed
    return PricePeriod(
        span=span,
        tariff=sourced,
        prices_ht=tariff.prices_eur_per_kwh_ht or None,
        prices_ttc=prices_ttc,
        subscription_ht=tariff.subscription_eur_per_year_ht,
        subscription_ttc=subscription_ttc,
        accise=duties.on(day)["accise"],
        notes=tuple(notes),
    )


def _prices_ttc(
    tariff: Tariff, day: dt.date, duties: Duties, notes: list[Message]
) -> Mapping[str, Decimal] | None:
    if not tariff.prices_eur_per_kwh_ht:
        notes.append(Message.of("note.prices_other_duties", day=Message.day(day)))
        return None
    try:
        return {
            register: price_eur_per_kwh_ttc(tariff.prices_eur_per_kwh_ht[register], day, duties)
            for register in OPTIONS[tariff.option]
        }
    except UnknownDutyError as error:
        notes.append(Message.of("note.prices_of_sheet", reason=message_of(error)))
        return None


def _subscription_ttc(tariff: Tariff, day: dt.date, duties: Duties, notes: list[Message]) -> Decimal | None:
    yearly_ht = tariff.subscription_eur_per_year_ht
    if yearly_ht is None:
        notes.append(Message.of("note.subscription_other_duties", day=Message.day(day)))
        return None
    try:
        monthly = subscription_eur_per_month_ttc(
            yearly_ht, tariff.power_kva, day, duties, turpe_formula=TURPE_FORMULA
        )
    except UnknownDutyError as error:
        notes.append(Message.of("note.subscription_of_sheet", reason=message_of(error)))
        return None
    network = duties.turpe_fixed_part(TURPE_FORMULA, tariff.power_kva, day)
    if network.implied:
        notes.append(Message.of("note.derived_turpe", day=Message.day(network.applies_from or day)))
    return monthly * 12


def _rate(duties: Duties, name: str, day: dt.date) -> Decimal | None:
    try:
        return duties.rate(name, day)
    except UnknownDutyError:
        return None
