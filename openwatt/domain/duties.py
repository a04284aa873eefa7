"""The duties (accise, CTA, TVA) by date, and prices with all taxes computed from those without."""

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

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
    """The yearly fixed part of the network tariff for a formula (CU, CU4, MU4, MUDT) and a power, HT."""

    formula: str
    power_kva: int
    applies_from: dt.date | None
    applies_to: dt.date | None
    fixed_eur_per_year_ht: Decimal
    source: str

    def holds_on(self, day: dt.date) -> bool:
        """Whether the amount is in force on a legal day."""
        return _holds(day, self.applies_from, self.applies_to)


@dataclass(frozen=True, slots=True)
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

    def turpe_fixed_eur_per_year_ht(self, formula: str, power_kva: int, on: dt.date) -> Decimal:
        """The yearly fixed part of the network tariff on a day.

        Raises:
            UnknownDutyError: no amount is known for that formula, power and day.
        """
        for part in self.turpe:
            if (part.formula, part.power_kva) == (formula, power_kva) and part.holds_on(on):
                return part.fixed_eur_per_year_ht
        raise UnknownDutyError(
            Message.of("duty.no_turpe", formula=formula, power_kva=power_kva, day=Message.day(on))
        )


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
