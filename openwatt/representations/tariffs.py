"""The JSON types of tariffs, offers, Tempo days and probes, each made from what the store returns.

The OpenAPI contract is generated from these types, so that answers and contract are one.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from openwatt.domain.contract import PriceDocument
from openwatt.domain.freshness import DataStatus, DataStatusReason, SourceIncident, explained_status
from openwatt.domain.guards import Difference, Guard, GuardVerdict
from openwatt.domain.legal_time import PARIS
from openwatt.domain.offer_terms import Condition, OfferTerms, Pricing
from openwatt.domain.tariff import Confidence, NoPrice, SourceKind, per_month
from openwatt.representations.names import Instant, OptionName, RegisterName
from openwatt.store.tariffs import PublishedTariff
from openwatt.store.tempo import TempoDay

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Prices = Annotated[
    dict[RegisterName, Decimal],
    Meta(description="EUR per kWh by register; empty where this side of the tax is not known."),
]
EurPerYear = Annotated[Decimal | None, Meta(description="EUR per year; null where it is not known.")]


SourceKindField = Annotated[
    SourceKind,
    Meta(
        description="Who says the figures: `regulator` a public authority (CRE, RTE), `supplier` the "
        "supplier's own sheet, `secondary` somebody else who read one of them, such as a public repository."
    ),
]


class Source(Struct, frozen=True, kw_only=True):
    """Where figures come from."""

    kind: SourceKindField
    url: str | None
    document_sha256: Sha256 | None
    title: str
    reader: Annotated[str | None, Meta(description="Which reader took the figures from the document.")] = None


class TariffItem(Struct, frozen=True, kw_only=True):
    """One tariff: an offer's prices under one option and subscribed power, from a day."""

    supplier: str
    offer: str
    regulated: Annotated[bool, Meta(description="Whether this is the regulated tariff (TRVE).")]
    option: OptionName
    power_kva: int
    applies_from: dt.date
    applies_to: Annotated[dt.date | None, Meta(description="Last day, included; null while no end is known.")]
    subscription_eur_per_year_ht: EurPerYear
    subscription_eur_per_year_ttc: EurPerYear
    subscription_eur_per_month_ttc: Annotated[
        Decimal | None, Meta(description="A twelfth of the year's, rounded to the cent as on sheets.")
    ]
    prices_eur_per_kwh_ht: Prices
    prices_eur_per_kwh_ttc: Prices
    closed_to_new_customers: bool
    data_status: Annotated[
        DataStatus,
        Meta(
            description="`fresh`: seen within 7 days, or of a period that is over; "
            "`verifying`: not seen for 7 days, or its source gives a document that is doubted; "
            "`stale`: not seen for 14 days, or not since a change of duties or of the network tariff, or "
            "ended before the requested day and nothing newer is known; "
            "`broken`: three looks in a row at its source have failed, and this is the last right tariff."
        ),
    ]
    data_status_reason: Annotated[
        DataStatusReason | None,
        Meta(
            description="Why it is not `fresh`, the strongest reason. `ended`: before the requested day; "
            "`overtaken`: duties or the network tariff changed after it was last seen, so that it cannot be "
            "the price of today; `failing`: its source fails; `refused`: its source gives a document that is "
            "doubted; `not_seen`: not for 7 days."
        ),
    ]
    observed_at: Instant
    last_seen_at: Instant
    source: Source
    source_ht: Annotated[
        Source | None,
        Meta(description="Where the figures without taxes come from, if from another document."),
    ]
    sheet_url: Annotated[
        str | None,
        Meta(
            description="The supplier's own sheet as a secondary source names it: nobody of this "
            "installation has read it."
        ),
    ]
    confidence: Annotated[
        Confidence | None,
        Meta(description="How sure the figures of a secondary source are; null for any other."),
    ]
    note: str | None

    @classmethod
    def of(
        cls,
        published: PublishedTariff,
        *,
        on: dt.date,
        now: dt.datetime,
        changes: Sequence[dt.date],
        incidents: Mapping[tuple[str, str], SourceIncident] = MappingProxyType({}),
    ) -> Self:
        """The item of a published tariff, shown as the one of the day `on` by somebody who looks at `now`.

        `changes` are the days on which duties or the network tariff change, `incidents`
        those of offers by supplier and name.
        """
        status, reason = explained_status(
            published,
            on=on,
            last_seen_at=published.last_seen_at,
            now=now,
            incident=incidents.get((published.supplier, published.offer)),
            changes=changes,
        )
        return cls(
            supplier=published.supplier,
            offer=published.offer,
            regulated=published.regulated,
            option=published.option,
            power_kva=published.power_kva,
            applies_from=published.applies_from,
            applies_to=published.applies_to,
            subscription_eur_per_year_ht=published.subscription_eur_per_year_ht,
            subscription_eur_per_year_ttc=published.subscription_eur_per_year_ttc,
            subscription_eur_per_month_ttc=per_month(published.subscription_eur_per_year_ttc),
            prices_eur_per_kwh_ht=published.prices_eur_per_kwh_ht,
            prices_eur_per_kwh_ttc=published.prices_eur_per_kwh_ttc,
            closed_to_new_customers=published.closed_to_new_customers,
            data_status=status,
            data_status_reason=reason,
            observed_at=published.observed_at.astimezone(dt.UTC),
            last_seen_at=published.last_seen_at.astimezone(dt.UTC),
            source=_source(published),
            source_ht=_source_ht(published),
            sheet_url=published.sheet_url,
            confidence=published.confidence,
            note=published.note,
        )


def _source(published: PublishedTariff) -> Source:
    return Source(
        kind=published.kind,
        url=published.url,
        document_sha256=published.sha256,
        title=published.title,
        reader=published.reader,
    )


def _source_ht(published: PublishedTariff) -> Source | None:
    if published.ht_kind is None or published.ht_title is None:
        return None
    return Source(
        kind=published.ht_kind,
        url=published.ht_url,
        document_sha256=published.ht_sha256,
        title=published.ht_title,
        reader=published.reader,
    )


Next = Annotated[str | None, Meta(description="Address of the next page; null on the last one.")]


class TariffPage(Struct, frozen=True, kw_only=True):
    """Tariffs as of a day."""

    tariffs: list[TariffItem]
    on: dt.date
    next: Next


class TariffHistory(Struct, frozen=True, kw_only=True):
    """Tariffs that were in force on some day of a span, oldest first within a contract."""

    tariffs: list[TariffItem]
    since: dt.date | None
    until: dt.date
    next: Next


class SupplierItem(Struct, frozen=True, kw_only=True):
    """A supplier and how much is known of it."""

    name: str
    offers: int
    contracts: Annotated[int, Meta(description="Offer × option × subscribed power.")]


class SupplierPage(Struct, frozen=True, kw_only=True):
    """Every supplier, by name."""

    suppliers: list[SupplierItem]


class OfferTermsItem(Struct, frozen=True, kw_only=True):
    """What an offer promises beside its prices, as its sources state it."""

    pricing: Annotated[
        Pricing | None,
        Meta(
            description="`regulated` set by public authorities, `fixed` for a term, `indexed` follows the "
            "regulated tariff, `variable` may be changed by the supplier; null where no source says."
        ),
    ]
    fixed_months: Annotated[
        int | None, Meta(description="Months from the subscription for which the price is fixed.")
    ]
    fixed_until: Annotated[
        dt.date | None, Meta(description="Last day, the same for every customer, for which it is fixed.")
    ]
    green: Annotated[bool | None, Meta(description="Whether it is sold as green; null where no source says.")]
    green_percent: Annotated[
        int | None, Meta(description="The share that is green, where the sources state one.")
    ]
    conditions: Annotated[
        list[Condition],
        Meta(
            description="What the customer has to be or do. `flat_rate`: the discount counts within a flat "
            "rate that is estimated; `green_option`: green electricity can be added."
        ),
    ]
    page_url: Annotated[str | None, Meta(description="The supplier's own page of the offer, or its site.")]
    sources: list[Source]

    @classmethod
    def of(cls, terms: OfferTerms, documents: Sequence[PriceDocument]) -> Self:
        """The item of an offer's terms, with the documents that state them."""
        return cls(
            pricing=terms.pricing,
            fixed_months=terms.fixed_months,
            fixed_until=terms.fixed_until,
            green=terms.green,
            green_percent=terms.green_percent,
            conditions=list(terms.conditions),
            page_url=terms.page_url,
            sources=[
                Source(kind=one.kind, url=one.url, document_sha256=one.document_sha256, title=one.title)
                for one in documents
            ],
        )


class OfferItem(Struct, frozen=True, kw_only=True):
    """An offer and what it is sold as."""

    supplier: str
    name: str
    regulated: bool
    url: str | None
    options: list[OptionName]
    powers_kva: list[int]
    no_price: Annotated[
        NoPrice | None,
        Meta(
            description="Why no tariff of it is listed: `spot` its price changes every hour with the market, "
            "`hours` the hours of its registers are not known here; null for any other."
        ),
    ]
    terms: Annotated[
        OfferTermsItem | None, Meta(description="null where the catalogue states nothing of it.")
    ]


class OfferPage(Struct, frozen=True, kw_only=True):
    """Every offer, by supplier and name."""

    offers: list[OfferItem]


class TempoDayItem(Struct, frozen=True, kw_only=True):
    """A Tempo day: it runs from 06:00 to 06:00 of the next morning, legal time."""

    day: dt.date
    colour: Annotated[
        Literal["BLEU", "BLANC", "ROUGE", "unknown"],
        Meta(description="`unknown` where no source states it; it is never guessed."),
    ]
    starts_at: Instant
    ends_at: Instant
    note: str | None
    source: Source | None

    @classmethod
    def of(cls, found: TempoDay) -> Self:
        """The item of a stored day."""
        source = None
        if found.kind is not None and found.title is not None:
            source = Source(kind=found.kind, url=found.url, document_sha256=found.sha256, title=found.title)
        return cls(
            day=found.day,
            colour=found.colour or "unknown",
            starts_at=_six_o_clock(found.day),
            ends_at=_six_o_clock(found.day + dt.timedelta(days=1)),
            note=found.note,
            source=source,
        )


def _six_o_clock(day: dt.date) -> dt.datetime:
    return Instant.combine(day, dt.time(6), PARIS)


class TempoPage(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The colours of a span of days."""

    days: list[TempoDayItem]
    from_: dt.date
    until: Annotated[dt.date, Meta(description="Last day, included.")]
    to: Annotated[
        dt.date, Meta(description="The old name of `until`.", extra_json_schema={"deprecated": True})
    ]
    next: Next


class DifferenceItem(Struct, frozen=True, kw_only=True):
    """By how much an offer's figure differs from the regulated one."""

    offer_eur: Decimal
    trve_eur: Decimal
    difference_eur: Decimal
    difference_percent: Annotated[
        Decimal | None, Meta(description="Of the regulated figure; null where that is zero.")
    ]

    @classmethod
    def of(cls, difference: Difference) -> Self:
        """The item of a difference."""
        return cls(
            offer_eur=difference.offer_eur,
            trve_eur=difference.trve_eur,
            difference_eur=difference.difference_eur,
            difference_percent=difference.difference_percent,
        )


class GuardItem(Struct, frozen=True, kw_only=True):
    """An offer beside the regulated tariff of the same option and power."""

    supplier: str
    offer: str
    option: OptionName
    power_kva: int
    verdict: Annotated[
        GuardVerdict,
        Meta(
            description="`alert` when a figure is more than 50 % away from the regulated one; "
            "`not_comparable` where there is no regulated tariff of this option and power on that day."
        ),
    ]
    subscription_eur_per_year_ht: DifferenceItem | None
    subscription_eur_per_year_ttc: DifferenceItem | None
    prices_eur_per_kwh_ht: dict[RegisterName, DifferenceItem]
    prices_eur_per_kwh_ttc: dict[RegisterName, DifferenceItem]
    source: Source

    @classmethod
    def of(cls, published: PublishedTariff, compared: Guard) -> Self:
        """The item of an offer's tariff and its comparison."""
        return cls(
            supplier=published.supplier,
            offer=published.offer,
            option=published.option,
            power_kva=published.power_kva,
            verdict=compared.verdict,
            subscription_eur_per_year_ht=_difference(compared.subscription_ht),
            subscription_eur_per_year_ttc=_difference(compared.subscription_ttc),
            prices_eur_per_kwh_ht={r: DifferenceItem.of(d) for r, d in compared.prices_ht.items()},
            prices_eur_per_kwh_ttc={r: DifferenceItem.of(d) for r, d in compared.prices_ttc.items()},
            source=_source(published),
        )


def _difference(difference: Difference | None) -> DifferenceItem | None:
    return None if difference is None else DifferenceItem.of(difference)


class GuardPage(Struct, frozen=True, kw_only=True):
    """Every offer beside the regulated tariff."""

    guards: list[GuardItem]
    on: dt.date
    alerts: Annotated[int, Meta(description="How many of them are `alert`.")]
    next: Next


class Health(Struct, frozen=True, kw_only=True):
    """The process answers; nothing else is checked."""

    status: Literal["alive"]


class Readiness(Struct, frozen=True, kw_only=True):
    """The service can do its work: the database answers and has this code's schema."""

    status: Literal["ready"]
    schema: Annotated[int, Meta(description="Number of the database's schema.")]
    data_version: Annotated[int, Meta(description="It moves with each publication.")]


class Version(Struct, frozen=True, kw_only=True):
    """Which code answers."""

    version: str
    revision: str
    schema: int
