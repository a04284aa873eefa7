"""A tariff: the prices of one offer, option and subscribed power, from a day."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Literal

from openwatt.domain.errors import TariffError

#: Option → its registers, in the order in which meters and sheets number them.
#: A register is the counter of the meter that runs at a moment; when each runs is
#: said by a register calendar (`domain.calendar`), never by the option's name.
OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "BASE": ("BASE",),
        "HPHC": ("HP", "HC"),
        "TEMPO": ("BLEU_HC", "BLEU_HP", "BLANC_HC", "BLANC_HP", "ROUGE_HC", "ROUGE_HP"),
        "EJP": ("HN", "PM"),
        "WEEKEND": ("SEM", "WE"),
        "WEEKEND_HPHC": ("HP", "HC", "WE"),
        "WEEKEND_PLUS": ("SEM", "WE"),
        "WEEKEND_PLUS_HPHC": ("HP", "HC", "WE"),
        "SAISON": ("HPH", "HCH", "HPB", "HCB"),
        "SUPER_CREUSES": ("HP", "HC", "HSC"),
        "SAISON_SUPER_CREUSES": ("HIVER_HP", "HIVER_HC", "HIVER_HSC", "ETE_HP", "ETE_HC", "ETE_HSC"),
        "ZEN_FLEX": ("ECO_HP", "ECO_HC", "SOBRIETE_HP", "SOBRIETE_HC"),
        "OCTOTEMPO": ("ROUGE_HC", "ROUGE_HP", "HIVER_HC", "HIVER_HP", "ETE_HC", "ETE_HP"),
    }
)

#: Every register of every option, each once, in the order of `OPTIONS`.
REGISTERS: tuple[str, ...] = tuple(
    dict.fromkeys(register for registers in OPTIONS.values() for register in registers)
)


def is_off_peak(register: str) -> bool:
    """Whether a register is one of off-peak hours: of every day, a colour or a season, or of the week-end.

    Where an option has both, the week-end has the price of off-peak hours.
    """
    return any(part == "WE" or part.startswith(("HC", "HSC")) for part in register.split("_"))


#: The colour of a Tempo day; RTE says BLUE, WHITE, RED.
Colour = Literal["BLEU", "BLANC", "ROUGE"]

#: Who says a figure: a public authority (the regulator CRE, the grid operators RTE and Enedis), the supplier
#: itself, or somebody else who read one of them (a public repository, an article, our own computation).
SourceKind = Literal["regulator", "supplier", "secondary"]
#: How sure a figure of a secondary source is.
Confidence = Literal["low", "medium", "high"]

#: Why an offer is listed without a price: its price changes every hour with the market, or the hours of its
#: registers are not known, so that nothing can be billed by them.
NoPrice = Literal["spot", "hours"]

#: Subscribed powers that a residential meter can be set to, in kVA (single and three phase up to 36).
MIN_POWER_KVA, MAX_POWER_KVA = 1, 36


_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """One line of a price grid, in the field's units.

    `applies_from` and `applies_to` are legal days in France; both are included,
    and `applies_to` is None while no end is known. Prices are in EUR per kWh and
    the subscription in EUR per **year**, without taxes (`_ht`) and with all taxes
    (`_ttc`); either side may be unknown (None, or an empty mapping), not both.

    Raises:
        TariffError: at construction, with every contradiction found.
    """

    supplier: str
    offer: str
    option: str
    power_kva: int
    applies_from: dt.date
    applies_to: dt.date | None
    subscription_eur_per_year_ht: Decimal | None
    subscription_eur_per_year_ttc: Decimal | None
    prices_eur_per_kwh_ht: Mapping[str, Decimal]
    prices_eur_per_kwh_ttc: Mapping[str, Decimal]
    closed_to_new_customers: bool = False
    note: str | None = None

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise TariffError(str(self), faults)

    @property
    def subscription_eur_per_month_ttc(self) -> Decimal | None:
        """A twelfth of the year's subscription, rounded to the cent as sheets print it."""
        return per_month(self.subscription_eur_per_year_ttc)

    def holds_on(self, day: dt.date) -> bool:
        """Whether the tariff applies on a legal day, as far as is known."""
        return self.applies_from <= day and (self.applies_to is None or day <= self.applies_to)

    def __str__(self) -> str:
        return f"{self.supplier} {self.offer} {self.option} {self.power_kva} kVA from {self.applies_from}"


def per_month(subscription_eur_per_year: Decimal | None) -> Decimal | None:
    """A twelfth of a year's subscription, rounded to the cent as on sheets; None where it is not known."""
    if subscription_eur_per_year is None:
        return None
    return (subscription_eur_per_year / 12).quantize(_CENT, ROUND_HALF_UP)


def _faults(tariff: Tariff) -> list[str]:
    """Every way in which a tariff contradicts itself."""
    faults = []
    registers = OPTIONS.get(tariff.option)
    if registers is None:
        faults.append(f"option {tariff.option!r} is none of {', '.join(OPTIONS)}")
    if not MIN_POWER_KVA <= tariff.power_kva <= MAX_POWER_KVA:
        faults.append(f"power_kva {tariff.power_kva} is not between {MIN_POWER_KVA} and {MAX_POWER_KVA}")
    if tariff.applies_to is not None and tariff.applies_to < tariff.applies_from:
        faults.append(f"applies_to {tariff.applies_to} is before applies_from {tariff.applies_from}")
    if tariff.subscription_eur_per_year_ht is None and tariff.subscription_eur_per_year_ttc is None:
        faults.append("no subscription, neither HT nor TTC")
    if not tariff.prices_eur_per_kwh_ht and not tariff.prices_eur_per_kwh_ttc:
        faults.append("no price per kWh, neither HT nor TTC")
    for tax, prices in (("HT", tariff.prices_eur_per_kwh_ht), ("TTC", tariff.prices_eur_per_kwh_ttc)):
        if registers is not None and prices and set(prices) != set(registers):
            faults.append(f"{tax} prices are for {', '.join(prices)}, the option has {', '.join(registers)}")
        faults += [f"{tax} price of {r} is {p}" for r, p in prices.items() if not p.is_finite() or p < 0]
    for tax, amount in (
        ("HT", tariff.subscription_eur_per_year_ht),
        ("TTC", tariff.subscription_eur_per_year_ttc),
    ):
        if amount is not None and (not amount.is_finite() or amount < 0):
            faults.append(f"{tax} subscription is {amount}")
    return faults
