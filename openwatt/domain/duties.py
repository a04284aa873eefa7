"""The duties (accise, CTA, TVA) by date, and prices with all taxes computed from those without."""

import datetime as dt
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from itertools import pairwise

from openwatt.domain.errors import UnknownDutyError
from openwatt.domain.messages import Message

CENT = Decimal("0.01")
#: Sheets and bills print the kWh with all taxes in hundredths of a cent.
KWH_STEP = Decimal("0.0001")

#: Duty → the unit in which its rates are given, here and in every table of rates.
DUTIES = {
    "accise": "EUR/kWh",
    "tcfe_local_max": "EUR/kWh",
    "cta": "% of the TURPE fixed part",
    "tva_kwh": "%",
    "tva_subscription": "%",
}
#: Duties whose texts set them for one period: a rate without an end would outlive its text.
SET_FOR_A_PERIOD = frozenset({"accise"})
#: First and last day of a value, both included, and the value.
_DatedValue = tuple[dt.date | None, dt.date | None, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedRate:
    """The rate of one duty over a period whose two ends are included.

    `applies_from` is None when no beginning is known and `applies_to` while no end
    is. An `implied` rate is worked out from prices, no text that sets it was read.
    """

    duty: str
    unit: str
    applies_from: dt.date | None
    applies_to: dt.date | None
    value: Decimal
    source: str
    implied: bool = False

    def holds_on(self, day: dt.date) -> bool:
        """Whether the rate is in force on a legal day."""
        return _holds(day, self.applies_from, self.applies_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurpeFixedPart:
    """The yearly fixed part of the network tariff for a formula (CU, CU4, MU4, MUDT) and a power, HT.

    It is set for one year, so its end is known. An `implied` amount is worked out from
    bills, no text that sets it was read.
    """

    formula: str
    power_kva: int
    applies_from: dt.date | None
    applies_to: dt.date
    fixed_eur_per_year_ht: Decimal
    source: str
    implied: bool = False

    def holds_on(self, day: dt.date) -> bool:
        """Whether the amount is in force on a legal day."""
        return _holds(day, self.applies_from, self.applies_to)


@dataclass(frozen=True)
class Duties:
    """Every rate known, by date; a date without a rate is refused, never filled with a neighbour's."""

    rates: tuple[DatedRate, ...]
    turpe: tuple[TurpeFixedPart, ...]

    def rate(self, duty: str, on: dt.date) -> Decimal:
        """The rate of a duty on a day, in the unit of `DUTIES`.

        Raises:
            UnknownDutyError: no rate is known for that day.
        """
        for rate in self.rates:
            if rate.duty == duty and rate.holds_on(on):
                return rate.value
        raise UnknownDutyError(Message.of("duty.no_rate", duty=duty, day=Message.day(on)))

    def unknown_on(self, day: dt.date) -> tuple[str, ...]:
        """The duties of which no rate is known on a day."""
        known = {rate.duty for rate in self.rates if rate.holds_on(day)}
        return tuple(duty for duty in DUTIES if duty not in known)

    def turpe_fixed_part(self, formula: str, power_kva: int, on: dt.date) -> TurpeFixedPart:
        """The fixed part of the network tariff on a day.

        Raises:
            UnknownDutyError: no amount is known for that formula, power and day.
        """
        for part in self.turpe:
            if (part.formula, part.power_kva) == (formula, power_kva) and part.holds_on(on):
                return part
        raise UnknownDutyError(
            Message.of("duty.no_turpe", formula=formula, power_kva=power_kva, day=Message.day(on))
        )

    def turpe_fixed_eur_per_year_ht(self, formula: str, power_kva: int, on: dt.date) -> Decimal:
        """The yearly amount of `turpe_fixed_part`; raises as it does."""
        return self.turpe_fixed_part(formula, power_kva, on).fixed_eur_per_year_ht

    def change_days(self) -> tuple[dt.date, ...]:
        """The days on which a duty or a fixed part takes another value or is not known any more, in order.

        A rate that is set again at the same value changes nothing, and neither does the first
        one known.
        """
        return self._change_days

    @cached_property  # every comparison at today's prices needs them
    def _change_days(self) -> tuple[dt.date, ...]:
        dated: dict[Hashable, list[_DatedValue]] = defaultdict(list)
        for rate in self.rates:
            dated[rate.duty].append((rate.applies_from, rate.applies_to, rate.value))
        for part in self.turpe:
            period = (part.applies_from, part.applies_to, part.fixed_eur_per_year_ht)
            dated[part.formula, part.power_kva].append(period)
        return tuple(sorted({day for values in dated.values() for day in _changes(values)}))

    def latest_change(self, on: dt.date) -> dt.date | None:
        """The last of `change_days` up to a day, that day included: no older price is one of that day."""
        return max((day for day in self.change_days() if day <= on), default=None)


def price_eur_per_kwh_ttc(price_eur_per_kwh_ht: Decimal, on: dt.date, duties: Duties) -> Decimal:
    """A price per kWh with all taxes on a day, rounded half up to 0.0001 EUR.

    The local tax is taken at its maximum, as the regulated grid of 2022 printed
    it; a day for which it is not known is refused like any other duty.

    Raises:
        UnknownDutyError: a duty has no known rate on that day.
    """
    before_tva = price_eur_per_kwh_ht + duties.rate("accise", on) + duties.rate("tcfe_local_max", on)
    return (before_tva * _with_percent(duties.rate("tva_kwh", on))).quantize(KWH_STEP, ROUND_HALF_UP)


def subscription_eur_per_month_ttc(
    subscription_eur_per_year_ht: Decimal, power_kva: int, on: dt.date, duties: Duties, *, turpe_formula: str
) -> Decimal:
    """A subscription with all taxes per **month** from the yearly one without, rounded half up to the cent.

    CTA is a share of the network's fixed part, so it depends on the formula that
    the supplier has chosen: CU4 for the regulated tariff.

    Raises:
        UnknownDutyError: a duty has no known rate on that day.
    """
    turpe = duties.turpe_fixed_eur_per_year_ht(turpe_formula, power_kva, on)
    before_tva = subscription_eur_per_year_ht + duties.rate("cta", on) / 100 * turpe
    per_year = before_tva * _with_percent(duties.rate("tva_subscription", on))
    return (per_year / 12).quantize(CENT, ROUND_HALF_UP)


def _with_percent(rate: Decimal) -> Decimal:
    return 1 + rate / 100


def _holds(day: dt.date, applies_from: dt.date | None, applies_to: dt.date | None) -> bool:
    return (applies_from is None or applies_from <= day) and (applies_to is None or day <= applies_to)


def _changes(values: Sequence[_DatedValue]) -> Iterator[dt.date]:
    """The days on which one dated value becomes another, or ends with none after it."""
    ordered = sorted(values, key=lambda one: one[0] or dt.date.min)
    for (_, end, value), (start, _, next_value) in pairwise(ordered):
        follows = end is None or (start is not None and start <= end + dt.timedelta(days=1))
        if end is not None and not follows:
            yield end + dt.timedelta(days=1)
        if start is not None and next_value != value:
            yield start
    if ordered and (last := ordered[-1][1]) is not None:
        yield last + dt.timedelta(days=1)
