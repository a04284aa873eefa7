"""The JSON types of registers, bills and rankings.

Each is made from values of the domain by its `of`; the OpenAPI contract is generated from the types.
"""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypedDict

from msgspec import UNSET, Meta, Struct, UnsetType

from openwatt.comparison.answer import CustomerAnswer
from openwatt.comparison.question import CustomerQuestion, assumption_message
from openwatt.domain.bill import Bill, EnergyLine, SubscriptionLine, to_cents, to_kwh
from openwatt.domain.comparison import Comparison, Ranked
from openwatt.domain.contract import Contract, PriceDocument
from openwatt.domain.legal_time import Span, instant_of
from openwatt.domain.load_curve import Coverage, Finding
from openwatt.domain.messages import Message
from openwatt.domain.part_of_year import PartOfYear, Season
from openwatt.domain.tariff import SourceKind
from openwatt.domain.usage import RegisterTotals
from openwatt.representations.advice import AdviceItem
from openwatt.representations.figures import Eur, Percent, cents, percent
from openwatt.representations.names import Instant, OptionName, RegisterName
from openwatt.representations.tariffs import Sha256, SourceKindField
from openwatt.sentences.catalogue import sentence

Privacy = Annotated[str, Meta(description="What becomes of what was sent.")]


class Instants(Struct, frozen=True, kw_only=True):
    """From an instant to another, the end excluded, in French legal time."""

    start: Instant
    end: Instant

    @classmethod
    def of(cls, start_min: int, end_min: int) -> Self:
        """The item of two instants in minutes UTC."""
        return cls(start=instant_of(start_min), end=instant_of(end_min))


class Days(Struct, frozen=True, kw_only=True):
    """Legal days from one to another, the end excluded."""

    start: dt.date
    end: dt.date

    @classmethod
    def of(cls, span: Span) -> Self:
        """The item of a span."""
        return cls(start=span.start, end=span.end)


class CoverageItem(Struct, frozen=True, kw_only=True):
    """How much of a span was measured."""

    expected_half_hours: Annotated[int, Meta(description="46, 48 or 50 a day.")]
    present_half_hours: int
    complete: Annotated[bool, Meta(description="Whether every minute was measured.")]

    @classmethod
    def of(cls, coverage: Coverage) -> Self:
        """The item of a coverage."""
        return cls(
            expected_half_hours=coverage.expected_half_hours,
            present_half_hours=coverage.present_half_hours,
            complete=coverage.is_complete,
        )


class FindingItem(Struct, frozen=True, kw_only=True):
    """Something odd in the measurements, and what was done about it."""

    kind: Annotated[str, Meta(description="A word of a closed list, such as `gap` or `duplicate`.")]
    count: int
    first_at: Instant | None
    message: str

    @classmethod
    def of(cls, finding: Finding, language: str = "en") -> Self:
        """The item of a finding, its sentence in a language."""
        return cls(
            kind=finding.kind,
            count=finding.count,
            first_at=finding.first_at,
            message=sentence(finding.message, language),
        )


class RegistersPage(Struct, frozen=True, kw_only=True):
    """How much of a load curve ran in each register of an option."""

    option: OptionName
    wh: Annotated[dict[RegisterName, int], Meta(description="Whole Wh by register.")]
    unknown_wh: Annotated[int, Meta(description="What ran while no register was known.")]
    span: Instants
    coverage: CoverageItem
    findings: list[FindingItem]
    privacy: Privacy

    @classmethod
    def of(cls, totals: RegisterTotals, *, privacy: Message, language: str) -> Self:
        """The page of a curve's totals by register."""
        return cls(
            option=totals.option,
            wh=dict(totals.wh),
            unknown_wh=totals.unknown_wh,
            span=Instants.of(totals.start_min, totals.end_min),
            coverage=CoverageItem.of(totals.coverage),
            findings=[FindingItem.of(finding, language) for finding in totals.findings],
            privacy=sentence(privacy, language),
        )


class PriceSource(Struct, frozen=True, kw_only=True):
    """A document that says a price."""

    kind: SourceKindField
    title: str
    url: str | None
    document_sha256: Sha256 | None
    page: int | None

    @classmethod
    def each(cls, sources: Iterable[PriceDocument]) -> list[Self]:
        """The items of some sources, each document once."""
        return [
            cls(
                kind=one.kind,
                title=one.title,
                url=one.url,
                document_sha256=one.document_sha256,
                page=one.page,
            )
            for one in dict.fromkeys(sources)
        ]


def sentences(messages: Iterable[Message], language: str) -> list[str]:
    """The sentences of some messages."""
    return [sentence(message, language) for message in messages]


class _Names(TypedDict):
    """The names of a contract, as fields of an item."""

    supplier: str
    offer: str
    option: OptionName
    power_kva: int


def _names(contract: Contract) -> _Names:
    supplier, offer, option, power_kva = contract.key
    return {"supplier": supplier, "offer": offer, "option": option, "power_kva": power_kva}


class ContractItem(Struct, frozen=True, kw_only=True):
    """What can be subscribed to."""

    supplier: str
    offer: str
    option: OptionName
    power_kva: int


class BillLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The kWh of one register, or the subscription, over days of one month with one price."""

    month: str
    start: dt.date
    end: Annotated[dt.date, Meta(description="The day after the last.")]
    register: Annotated[RegisterName | None, Meta(description="Absent from a line of subscription.")] = None
    kwh: Decimal | None = None
    price_eur_per_kwh_ht: Decimal | None = None
    price_eur_per_kwh_ttc: Decimal | None = None
    days: Annotated[int | None, Meta(description="Absent from a line of energy.")] = None
    subscription_eur_per_year_ht: Decimal | None = None
    subscription_eur_per_year_ttc: Decimal | None = None
    amount_eur_ht: Eur = None
    amount_eur_ttc: Eur = None
    sources: list[PriceSource]

    @classmethod
    def of(cls, line: EnergyLine | SubscriptionLine) -> Self:
        """The item of a line; a figure that is not known is absent."""
        common: dict[str, Any] = {
            "month": f"{line.span.start:%Y-%m}",
            "start": line.span.start,
            "end": line.span.end,
            "amount_eur_ht": cents(line.amount_ht),
            "amount_eur_ttc": cents(line.amount_ttc),
            "sources": PriceSource.each(line.tariff.sources),
        }
        if isinstance(line, EnergyLine):
            return cls(
                **common,
                register=line.register,
                kwh=to_kwh(line.energy),
                price_eur_per_kwh_ht=line.price_ht,
                price_eur_per_kwh_ttc=line.price_ttc,
            )
        return cls(
            **common,
            days=line.span.days,
            subscription_eur_per_year_ht=line.per_year_ht,
            subscription_eur_per_year_ttc=line.per_year_ttc,
        )


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

    @classmethod
    def of(cls, bill: Bill, language: str = "en") -> Self:
        """The item of a bill."""
        return cls(
            contract=ContractItem(**_names(bill.contract)),
            span=Days.of(bill.span),
            ht_eur=cents(bill.ht),
            duties_eur=cents(bill.duties),
            accise_eur_ht=cents(bill.accise),
            ttc_eur=cents(bill.ttc),
            kwh=to_kwh(bill.energy),
            uncosted_kwh=to_kwh(bill.unpriced_energy),
            lines=[BillLine.of(line) for line in bill.lines],
            coverage=CoverageItem.of(bill.coverage),
            partial=sentences(bill.partial, language),
            notes=sentences(bill.notes, language),
        )


class RankedRow(ContractItem, frozen=True, kw_only=True):
    """A contract's total over the span and what it saves; a negative saving costs more."""

    total_ttc_eur: Decimal
    total_ttc_eur_per_year: Annotated[
        Eur,
        Meta(
            description="The same for 365 days; null where the span cannot stand for a year, or where the "
            "total is not whole."
        ),
    ]
    total_ht_eur: Eur
    duties_eur: Annotated[Eur, Meta(description="All taxes less none.")]
    saving_against_regulated_eur: Annotated[
        Eur, Meta(description="Against the regulated tariff of the same option and power.")
    ]
    saving_against_regulated_eur_per_year: Eur
    saving_against_regulated_percent: Percent
    saving_against_present_eur: Eur
    saving_against_present_percent: Percent
    saving_against_baseline_eur: Annotated[
        Eur,
        Meta(
            description="Against the one contract with which all are compared: the present one, else the "
            "regulated tariff in BASE."
        ),
    ]
    saving_against_baseline_eur_per_year: Eur
    closed_to_new_customers: bool
    whole: Annotated[bool, Meta(description="Whether every day and all energy is in the total.")]
    partial: Annotated[list[str], Meta(description="Why the total is not whole.")]
    unseen_registers: Annotated[
        list[RegisterName],
        Meta(description="Registers that did not run in the span: the total speaks of no other time."),
    ]


class CurrentRow(RankedRow, frozen=True, kw_only=True):
    """The same at today's prices, which may be older than today; absent at the prices of each day."""

    outdated: Annotated[
        bool | UnsetType,
        Meta(
            description="Whether its price cannot be today's: duties or the network tariff changed after it "
            "was last seen."
        ),
    ] = UNSET
    last_seen_on: Annotated[
        dt.date | UnsetType | None, Meta(description="The last day on which its price was seen.")
    ] = UNSET
    overtaken_on: Annotated[
        dt.date | UnsetType | None,
        Meta(description="Where it is outdated: the first day of change after it was last seen."),
    ] = UNSET
    source_kind: Annotated[
        SourceKind | UnsetType | None,
        Meta(description="Who says its price with taxes; `sources` have the documents."),
    ] = UNSET


class RankedContract(CurrentRow, frozen=True, kw_only=True):
    """A contract of a ranking with what its total rests on."""

    outdated_reason: Annotated[
        str | UnsetType | None, Meta(description="Where it is outdated: why its price cannot be today's.")
    ] = UNSET
    notes: list[str]
    sources: Annotated[list[PriceSource], Meta(description="The documents of every price in the total.")]

    @classmethod
    def of(cls, ranked: Ranked, comparison: Comparison, language: str = "en") -> Self:
        """The item of one contract of a comparison's ranking."""
        return cls(**_ranked(ranked, comparison, language))


class RankedItem(RankedContract, frozen=True, kw_only=True):
    """The same with what it rests on."""

    bill: Annotated[
        BillItem | None, Meta(description="By month and register, where details were requested.")
    ] = None

    @classmethod
    def of(
        cls, ranked: Ranked, comparison: Comparison, language: str = "en", *, details: bool = True
    ) -> Self:
        """The item of one contract of a comparison's ranking, and its bill where that is wanted."""
        bill = BillItem.of(comparison.bill(ranked.contract), language) if details else None
        return cls(**_ranked(ranked, comparison, language), bill=bill)


def _ranked(ranked: Ranked, comparison: Comparison, language: str) -> dict[str, Any]:
    """The figures of a contract of a ranking, as fields of an item."""
    costed = comparison.costed[ranked.contract.key]
    total_ht, saving, beside = (
        costed.total_ht,
        ranked.saving_against_regulated,
        ranked.saving_against_baseline,
    )
    age: dict[str, Any] = {}
    if comparison.prices == "now":
        age = {
            "outdated": ranked.outdated is not None,
            "last_seen_on": ranked.last_seen_on,
            "overtaken_on": ranked.outdated.changed_on if ranked.outdated else None,
            "source_kind": ranked.source_kind,
            "outdated_reason": sentence(ranked.outdated.message, language) if ranked.outdated else None,
        }
    return {
        **_names(ranked.contract),
        "total_ttc_eur": to_cents(ranked.total_ttc),
        "total_ttc_eur_per_year": cents(comparison.per_year(ranked.total_ttc, whole=ranked.whole)),
        "total_ht_eur": cents(total_ht),
        "duties_eur": None if total_ht is None else to_cents(ranked.total_ttc - total_ht),
        "saving_against_regulated_eur": cents(saving),
        "saving_against_regulated_eur_per_year": cents(comparison.per_year(saving, whole=ranked.whole)),
        "saving_against_regulated_percent": percent(saving, ranked.regulated_ttc),
        "saving_against_present_eur": cents(ranked.saving_against_present),
        "saving_against_present_percent": percent(ranked.saving_against_present, ranked.present_ttc),
        "saving_against_baseline_eur": cents(beside),
        "saving_against_baseline_eur_per_year": cents(comparison.per_year(beside, whole=ranked.whole)),
        "closed_to_new_customers": ranked.closed_to_new_customers,
        "whole": ranked.whole,
        "partial": sentences(ranked.partial, language),
        "unseen_registers": list(ranked.unseen),
        **age,
        "notes": sentences(ranked.notes, language),
        "sources": PriceSource.each(
            source for period in costed.periods if period.tariff for source in period.tariff.sources
        ),
    }


class LeftOut(ContractItem, frozen=True, kw_only=True):
    """A contract that could not be costed."""

    reason: str

    @classmethod
    def of(cls, contract: Contract, reason: Message, language: str = "en") -> Self:
        """The item of a contract and why it was left out."""
        return cls(**_names(contract), reason=sentence(reason, language))


class PartOfYearItem(Struct, frozen=True, kw_only=True):
    """What a span that cannot stand for a year lacks; its ranking is of the span alone."""

    days: int
    measured_percent: int
    missing_seasons: Annotated[list[Season], Meta(description="Seasons with no day in the span.")]
    unseen_registers: Annotated[
        dict[OptionName, list[RegisterName]],
        Meta(description="By option, its registers that did not run in the span."),
    ]
    message: str

    @classmethod
    def of(cls, part: PartOfYear, language: str = "en") -> Self:
        """The item of a part of a year."""
        return cls(
            days=part.days,
            measured_percent=part.measured_percent,
            missing_seasons=list(part.missing_seasons),
            unseen_registers={option: list(names) for option, names in part.unseen.items()},
            message=sentence_of_part(part, language),
        )


def sentence_of_part(part: PartOfYear, language: str = "en") -> str:
    """What a part of a year lacks, and what to give for an estimate of a year."""
    lacks = ", ".join(sentence(Message(f"part.no_{season}"), language) for season in part.missing_seasons)
    messages = [Message.of("part.days", days=part.days, percent=part.measured_percent)]
    messages += [Message.of("part.seasons", seasons=lacks)] if lacks else []
    messages += [
        Message.of("part.registers", option=option, registers=", ".join(names))
        for option, names in part.unseen.items()
    ]
    return "; ".join(sentences([*messages, Message("part.estimate")], language))


def baseline_item(comparison: Comparison) -> ContractItem | None:
    """The contract with which all of a comparison are compared."""
    if comparison.baseline is None:
        return None
    return ContractItem(**_names(comparison.costed[comparison.baseline].contract))


class BillsPage(Struct, frozen=True, kw_only=True):
    """What every contract would have cost, from the cheapest; whole totals first."""

    span: Days
    prices: Literal["then", "now"]
    baseline: Annotated[
        ContractItem | None,
        Meta(
            description="With which `saving_against_baseline_eur` compares: the present contract, else the "
            "regulated tariff in BASE; null where neither has a price."
        ),
    ]
    part_of_year: Annotated[
        PartOfYearItem | None, Meta(description="What the span lacks; null where it can stand for a year.")
    ]
    ranking: list[RankedItem]
    outdated: Annotated[
        list[RankedItem] | UnsetType,
        Meta(
            description="At today's prices: the contracts whose price cannot be today's. They are in no "
            "ranking and have no saving, unless `include_outdated` puts them back."
        ),
    ] = UNSET
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

    @classmethod
    def of(
        cls,
        question: CustomerQuestion,
        answer: CustomerAnswer,
        *,
        details: bool,
        address: str | None,
        privacy: Message,
        language: str,
    ) -> Self:
        """The page of an answer; the present contract has its bill, with `details` each has."""
        comparison = answer.comparison
        present = question.terms.present
        part = comparison.part_of_year

        def items(found: Iterable[Ranked]) -> list[RankedItem]:
            return [
                RankedItem.of(one, comparison, language, details=details or one.contract.key == present)
                for one in found
            ]

        return cls(
            span=Days.of(comparison.span),
            prices=comparison.prices,
            baseline=baseline_item(comparison),
            part_of_year=None if part is None else PartOfYearItem.of(part, language),
            ranking=items(comparison.ranking),
            outdated=items(comparison.outdated) if comparison.prices == "now" else UNSET,
            left_out=[LeftOut.of(contract, reason, language) for contract, reason in comparison.left_out],
            coverage=CoverageItem.of(comparison.coverage),
            findings=[FindingItem.of(finding, language) for finding in comparison.findings],
            advice=AdviceItem.of(answer.advice),
            assumptions=sentences(map(assumption_message, answer.assumptions), language),
            address=address,
            privacy=sentence(privacy, language),
        )
