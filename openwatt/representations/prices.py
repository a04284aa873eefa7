"""The JSON types of prices over time, of the price of now and of a Tempo season."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from openwatt.domain.contract import Contract, SourcedTariff
from openwatt.domain.freshness import DataStatus, DataStatusReason, ExplainedStatus
from openwatt.domain.legal_time import PARIS, instant_of
from openwatt.domain.tariff import Colour, is_off_peak
from openwatt.prices.contract_prices import ContractPrices, PriceAt
from openwatt.prices.intervals import PriceInterval, Reason, ReasonCode
from openwatt.prices.season import TempoSeason, count_season
from openwatt.representations.bills import ContractItem
from openwatt.representations.names import Instant, RegisterName
from openwatt.representations.tariffs import Source
from openwatt.sentences.catalogue import sentence

EurPerKwh = Annotated[Decimal | None, Meta(description="EUR per kWh; null where it is not known.")]
Register = Annotated[
    RegisterName | None, Meta(description="The register that runs; null where it is not known.")
]
AppliesFrom = Annotated[
    dt.date | None, Meta(description="First day of the tariff in force; null where there is none.")
]
StatusOfPrices = Annotated[
    DataStatus,
    Meta(description="That of the tariff in force today, or of the last known one, as in /v1/tariffs."),
]


ReasonOfStatus = Annotated[
    DataStatusReason | None, Meta(description="Why it is not `fresh`, as in /v1/tariffs; null where it is.")
]


class ReasonItem(Struct, frozen=True, kw_only=True):
    """Why a price is not known."""

    code: ReasonCode
    message: str

    @classmethod
    def of(cls, reason: Reason | None, language: str = "en") -> Self | None:
        """The item of a reason, None where there is none."""
        return None if reason is None else cls(code=reason.code, message=sentence(reason.message, language))


class PriceItem(Struct, frozen=True, kw_only=True):
    """A stretch of time with one register and one price, in French legal time; the end is excluded."""

    start: Instant
    end: Instant
    register: Register
    price_eur_per_kwh_ttc: EurPerKwh
    price_eur_per_kwh_ht: EurPerKwh
    applies_from: AppliesFrom
    reason: Annotated[
        ReasonItem | None, Meta(description="Why the price with all taxes is null; null where it is not.")
    ]

    @classmethod
    def of(cls, interval: PriceInterval, language: str = "en") -> Self:
        """The item of an interval."""
        return cls(
            start=instant_of(interval.start_min),
            end=instant_of(interval.end_min),
            register=interval.register,
            price_eur_per_kwh_ttc=interval.price_ttc,
            price_eur_per_kwh_ht=interval.price_ht,
            applies_from=_applies_from(interval),
            reason=ReasonItem.of(interval.reason, language),
        )


class PricePage(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The prices of a contract from an instant to another, without gap or overlap."""

    contract: ContractItem
    currency: Literal["EUR"] = "EUR"
    unit: Literal["EUR/kWh"] = "EUR/kWh"
    from_: Instant
    to: Annotated[Instant, Meta(description="The end, excluded.")]
    known_until: Annotated[
        Instant,
        Meta(
            description="Up to here the price of every moment is known, at most `to`: the colours are "
            "announced, the tariff has no end, and the duties are set."
        ),
    ]
    data_status: StatusOfPrices
    data_status_reason: ReasonOfStatus
    prices: list[PriceItem]

    @classmethod
    def of(
        cls,
        contract: Contract,
        intervals: Sequence[PriceInterval],
        *,
        known_until_min: int,
        status: ExplainedStatus,
        language: str = "en",
    ) -> Self:
        """The page of a contract's intervals, of which there is at least one."""
        return cls(
            contract=_contract(contract),
            from_=instant_of(intervals[0].start_min),
            to=instant_of(intervals[-1].end_min),
            known_until=instant_of(known_until_min),
            data_status=status.status,
            data_status_reason=status.reason,
            prices=[PriceItem.of(interval, language) for interval in intervals],
        )


class EvccRate(Struct, frozen=True, kw_only=True):
    """A rate as evcc takes it: the price in EUR per kWh with all taxes, from an instant in UTC to another."""

    start: Instant
    end: Instant
    value: Decimal

    @classmethod
    def list_of(cls, intervals: Sequence[PriceInterval]) -> list[Self]:
        """The rates of the intervals whose price is known."""
        return [
            cls(
                start=instant_of(interval.start_min).astimezone(dt.UTC),
                end=instant_of(interval.end_min).astimezone(dt.UTC),
                value=interval.price_ttc,
            )
            for interval in intervals
            if interval.price_ttc is not None
        ]


class NextPrice(Struct, frozen=True, kw_only=True):
    """What follows the present price; register and price are null where they are not known."""

    start: Instant
    register: Register
    price_eur_per_kwh_ttc: EurPerKwh

    @classmethod
    def of(cls, interval: PriceInterval | None) -> Self | None:
        """The item of the interval that follows, None where none is known."""
        if interval is None:
            return None
        return cls(
            start=instant_of(interval.start_min),
            register=interval.register,
            price_eur_per_kwh_ttc=interval.price_ttc,
        )


class ColourDays(Struct, frozen=True, kw_only=True):
    """Days by colour."""

    BLEU: int
    BLANC: int
    ROUGE: int

    @classmethod
    def of(cls, days: Mapping[Colour, int]) -> Self:
        """The item of days by colour."""
        return cls(BLEU=days["BLEU"], BLANC=days["BLANC"], ROUGE=days["ROUGE"])


ColourOfDay = Annotated[
    Literal["BLEU", "BLANC", "ROUGE", "unknown"],
    Meta(description="Of a legal day, whose colour holds from 06:00; `unknown` where no source states it."),
]


class TempoNow(Struct, frozen=True, kw_only=True):
    """The colours of today and tomorrow, and what the season's targets leave after today."""

    today: ColourOfDay
    tomorrow: ColourOfDay
    days_left: ColourDays

    @classmethod
    def of(cls, colours: Mapping[dt.date, str], day: dt.date) -> Self:
        """The item of a day."""
        return cls(
            today=_colour(colours, day),
            tomorrow=_colour(colours, day + dt.timedelta(days=1)),
            days_left=ColourDays.of(count_season(colours, day).left),
        )


class PriceNow(Struct, frozen=True, kw_only=True):
    """The price of a kilowatt hour at an instant, since when and until when it holds, and what comes next."""

    contract: ContractItem
    at: Annotated[
        Instant,
        Meta(
            description="The instant that was asked for; without one, the later of `since` and the "
            "beginning of today, so that the answer stays the same until the price changes."
        ),
    ]
    register: Register
    price_eur_per_kwh_ttc: EurPerKwh
    price_eur_per_kwh_ht: EurPerKwh
    since: Annotated[
        Instant | None, Meta(description="When this price began; null where no other came before.")
    ]
    until: Annotated[
        Instant | None,
        Meta(description="When it ends, excluded; null where no change is known within 400 days."),
    ]
    off_peak: Annotated[
        bool | None,
        Meta(description="Whether an off-peak register runs; null where it is not known which one runs."),
    ]
    next: NextPrice | None
    subscription_eur_per_month_ttc: Annotated[
        Decimal | None, Meta(description="A twelfth of the year's, rounded to the cent as on sheets.")
    ]
    tempo: Annotated[TempoNow | None, Meta(description="Null for every other option.")]
    applies_from: AppliesFrom
    data_status: StatusOfPrices
    data_status_reason: ReasonOfStatus
    source: Annotated[Source | None, Meta(description="The document that states the price with all taxes.")]
    reason: Annotated[
        ReasonItem | None, Meta(description="Why the price with all taxes is null; null where it is not.")
    ]

    @classmethod
    def of(
        cls,
        of_contract: ContractPrices,
        price: PriceAt,
        *,
        at: dt.datetime,
        status: ExplainedStatus,
        language: str = "en",
    ) -> Self:
        """The item of a contract's price at an instant."""
        interval, contract = price.interval, of_contract.contract
        tempo = None
        if contract.option == "TEMPO":
            tempo = TempoNow.of(of_contract.home.colours["TEMPO"], at.astimezone(PARIS).date())
        return cls(
            contract=_contract(contract),
            at=at.astimezone(PARIS),
            register=interval.register,
            price_eur_per_kwh_ttc=interval.price_ttc,
            price_eur_per_kwh_ht=interval.price_ht,
            since=None if price.since_min is None else instant_of(price.since_min),
            until=None if price.until_min is None else instant_of(price.until_min),
            off_peak=None if interval.register is None else is_off_peak(interval.register),
            next=NextPrice.of(price.following),
            subscription_eur_per_month_ttc=price.subscription_eur_per_month_ttc,
            tempo=tempo,
            applies_from=_applies_from(interval),
            data_status=status.status,
            data_status_reason=status.reason,
            source=_source(interval.tariff),
            reason=ReasonItem.of(interval.reason, language),
        )


class TempoSeasonItem(Struct, frozen=True, kw_only=True):
    """A Tempo season, counted up to a day: which colours were used, and what the targets leave."""

    start: Annotated[dt.date, Meta(description="First day of the season: a 1 September.")]
    end: Annotated[dt.date, Meta(description="Last day, included.")]
    on: Annotated[dt.date, Meta(description="The day that is counted to, included.")]
    days_used: ColourDays
    days_left: Annotated[
        ColourDays,
        Meta(description="What the targets leave after that day; 0 where a colour had more days than that."),
    ]
    days_target: Annotated[
        ColourDays, Meta(description="Targets of the tariff's terms, not limits: 2019-20 had 18 red days.")
    ]
    days_unknown: Annotated[int, Meta(description="Days up to that one whose colour no source states.")]

    @classmethod
    def of(cls, season: TempoSeason) -> Self:
        """The item of a season."""
        return cls(
            start=season.span.start,
            end=season.span.end - dt.timedelta(days=1),
            on=season.on,
            days_used=ColourDays.of(season.used),
            days_left=ColourDays.of(season.left),
            days_target=ColourDays.of(season.targets),
            days_unknown=season.unknown,
        )


def _contract(contract: Contract) -> ContractItem:
    supplier, offer, option, power_kva = contract.key
    return ContractItem(supplier=supplier, offer=offer, option=option, power_kva=power_kva)


def _applies_from(interval: PriceInterval) -> dt.date | None:
    return None if interval.tariff is None else interval.tariff.tariff.applies_from


def _source(sourced: SourcedTariff | None) -> Source | None:
    if sourced is None or not sourced.sources:
        return None
    document = sourced.sources[-1]  # that of the prices with all taxes stands last
    return Source(
        kind=document.kind, url=document.url, document_sha256=document.document_sha256, title=document.title
    )


def _colour(colours: Mapping[dt.date, str], day: dt.date) -> Literal["BLEU", "BLANC", "ROUGE", "unknown"]:
    match colours.get(day):
        case "BLEU" | "BLANC" | "ROUGE" as colour:
            return colour
        case _:
            return "unknown"
