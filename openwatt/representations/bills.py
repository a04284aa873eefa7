"""What the API says of a customer's use: registers, rankings, bills and advice as types.

They are made from the plain mappings of `domain.answers`; the OpenAPI contract is generated from them.
"""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from openwatt.representations.tariffs import Sha256

Eur = Annotated[Decimal | None, Meta(description="EUR, rounded to the cent; null where it cannot be told.")]
Percent = Annotated[Decimal | None, Meta(description="Per cent; null where it cannot be told.")]
Privacy = Annotated[str, Meta(description="What becomes of what was sent.")]


class Instants(Struct, frozen=True, kw_only=True):
    """From an instant to another, the end excluded, in French legal time."""

    start: dt.datetime
    end: dt.datetime


class Days(Struct, frozen=True, kw_only=True):
    """Legal days from one to another, the end excluded."""

    start: dt.date
    end: dt.date


class CoverageItem(Struct, frozen=True, kw_only=True):
    """How much of a span was measured."""

    expected_half_hours: Annotated[int, Meta(description="46, 48 or 50 a day.")]
    present_half_hours: int
    complete: Annotated[bool, Meta(description="Whether every minute was measured.")]


class FindingItem(Struct, frozen=True, kw_only=True):
    """Something odd in the measurements, and what was done about it."""

    kind: Annotated[str, Meta(description="A word of a closed list, such as `gap` or `duplicate`.")]
    count: int
    first_at: dt.datetime | None
    message: str


class RegistersPage(Struct, frozen=True, kw_only=True):
    """How much of a load curve ran in each register of an option."""

    option: str
    wh: Annotated[dict[str, int], Meta(description="Whole Wh by register.")]
    unknown_wh: Annotated[int, Meta(description="What ran while no register was known.")]
    span: Instants
    coverage: CoverageItem
    findings: list[FindingItem]
    privacy: Privacy


class PriceSource(Struct, frozen=True, kw_only=True):
    """A document that says a price."""

    title: str
    url: str | None
    document_sha256: Sha256 | None
    page: int | None


class ContractItem(Struct, frozen=True, kw_only=True):
    """What can be subscribed to."""

    supplier: str
    offer: str
    option: str
    power_kva: int


class BillLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The kWh of one register, or the subscription, over days of one month with one price."""

    month: str
    start: dt.date
    end: Annotated[dt.date, Meta(description="The day after the last.")]
    register: Annotated[str | None, Meta(description="Absent from a line of subscription.")] = None
    kwh: Decimal | None = None
    price_eur_per_kwh_ht: Decimal | None = None
    price_eur_per_kwh_ttc: Decimal | None = None
    days: Annotated[int | None, Meta(description="Absent from a line of energy.")] = None
    subscription_eur_per_year_ht: Decimal | None = None
    subscription_eur_per_year_ttc: Decimal | None = None
    amount_eur_ht: Eur = None
    amount_eur_ttc: Eur = None
    sources: list[PriceSource]


class BillItem(Struct, frozen=True, kw_only=True):
    """The bill of one contract; its total is that of the exact lines, not of the rounded ones."""

    contract: ContractItem
    span: Days
    ht_eur: Eur
    duties_eur: Annotated[Eur, Meta(description="Accise, CTA and TVA together.")]
    accise_eur_ht: Eur
    ttc_eur: Eur
    kwh: Decimal
    uncosted_kwh: Annotated[Decimal, Meta(description="What no price is known for.")]
    lines: list[BillLine]
    coverage: CoverageItem
    partial: list[str]
    notes: list[str]


class RankedRow(ContractItem, frozen=True, kw_only=True):
    """A contract's total over the span and what it saves; a negative saving costs more."""

    total_ttc_eur: Decimal
    total_ttc_eur_per_year: Annotated[Decimal, Meta(description="The same for 365 days.")]
    total_ht_eur: Eur
    duties_eur: Annotated[Eur, Meta(description="All taxes less none.")]
    saving_against_regulated_eur: Annotated[
        Eur, Meta(description="Against the regulated tariff of the same option and power.")
    ]
    saving_against_regulated_eur_per_year: Eur
    saving_against_regulated_percent: Percent
    saving_against_present_eur: Eur
    saving_against_present_percent: Percent
    closed_to_new_customers: bool
    whole: Annotated[bool, Meta(description="Whether every day and all energy is in the total.")]


class RankedItem(RankedRow, frozen=True, kw_only=True):
    """The same with what it rests on."""

    partial: Annotated[list[str], Meta(description="Why the total is not whole.")]
    notes: list[str]
    sources: Annotated[list[PriceSource], Meta(description="The documents of every price in the total.")]
    bill: Annotated[
        BillItem | None, Meta(description="By month and register, where details were asked for.")
    ] = None


class LeftOut(ContractItem, frozen=True, kw_only=True):
    """A contract that could not be costed."""

    reason: str


class PowerAdviceItem(Struct, frozen=True, kw_only=True):
    """The highest measured power beside the subscribed one."""

    power_kva: int
    highest_w: int
    highest_at: dt.datetime
    mean_over_min: Annotated[int, Meta(description="Length of the step; shorter peaks do not show.")]
    lower_power_kva: Annotated[int | None, Meta(description="The next lower power, if it would do.")]
    saving_ttc_eur: Annotated[Eur, Meta(description="What it would have saved over the span.")]


class OffPeakAdviceItem(Struct, frozen=True, kw_only=True):
    """The share of energy in off-peak hours, and the share from which HPHC costs less than BASE."""

    share_percent: Percent
    break_even_percent: Percent
    pays: bool | None


class RedDaysItem(Struct, frozen=True, kw_only=True):
    """What Tempo's red days cost, and what moving a kWh of their day saves."""

    days: int
    kwh: Decimal
    cost_ttc_eur: Decimal
    cost_ttc_eur_per_day: Decimal
    saving_eur_per_kwh_moved_to_the_night: Decimal
    saving_eur_per_kwh_moved_to_a_blue_day: Decimal


class AdviceItem(Struct, frozen=True, kw_only=True):
    """What a home could change; what cannot be told is null."""

    power: PowerAdviceItem | None = None
    off_peak: OffPeakAdviceItem | None = None
    red_days: RedDaysItem | None = None


class BillsPage(Struct, frozen=True, kw_only=True):
    """What every contract would have cost, from the cheapest; whole totals first."""

    span: Days
    prices: Literal["then", "now"]
    ranking: list[RankedItem]
    left_out: list[LeftOut]
    coverage: CoverageItem
    findings: list[FindingItem]
    advice: AdviceItem
    assumptions: Annotated[list[str], Meta(description="What was not said and had to be assumed.")]
    address: Annotated[
        str | None,
        Meta(description="Asks this again and can be shared; null with a file or very long lists."),
    ]
    privacy: Privacy
