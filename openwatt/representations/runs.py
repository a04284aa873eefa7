"""The JSON types of runs, doubts and decisions, for the admin API and `openwatt review --json`."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from msgspec import UNSET, Meta, Struct, UnsetType, convert

from openwatt.representations.names import Instant, OptionName
from openwatt.representations.tariffs import Next, Prices, Sha256
from openwatt.store.runs import Decision, Origin, Outcome, StoredRun


class DoubtItem(Struct, frozen=True, kw_only=True):
    """A reason not to publish."""

    rule: str
    message: str
    where: str


class InspectedTariff(Struct, frozen=True, kw_only=True):
    """A tariff as a reader took it from a document, right or doubtful."""

    supplier: str
    offer: str
    option: OptionName
    power_kva: int
    applies_from: dt.date
    applies_to: dt.date | None
    subscription_eur_per_year_ht: Decimal | None
    subscription_eur_per_year_ttc: Decimal | None
    prices_eur_per_kwh_ht: Prices
    prices_eur_per_kwh_ttc: Prices
    closed_to_new_customers: bool


class SignedDoubtItem(DoubtItem, frozen=True, kw_only=True):
    """A doubt that an exception of the source lets through, by whom and until when."""

    why: str
    who: str
    until: dt.date


class InspectionItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run would make of a document; `reason` where it is unreadable, `colours` of Tempo days."""

    source: str | None
    outcome: Literal["published", "refused", "unreadable"]
    tariffs: list[InspectedTariff]
    doubts: list[DoubtItem]
    reason: str | UnsetType = UNSET
    signed_off: list[SignedDoubtItem] | UnsetType = UNSET
    colours: dict[str, Literal["BLEU", "BLANC", "ROUGE"]] | UnsetType = UNSET


class RunDocument(Struct, frozen=True, kw_only=True):
    """The document that a run found; `bytes` is null where it is not stored."""

    title: str
    sha256: Sha256 | None
    bytes: int | None


class DecisionItem(Struct, frozen=True, kw_only=True):
    """What a person decided on a refused document."""

    decision: Literal["approved", "rejected"]
    reviewer: str
    reason: str
    decided_at: Instant
    run_id: Annotated[int, Meta(description="The run that was decided on; another one of the same document.")]
    published_run_id: Annotated[int | None, Meta(description="The run that an approval published with.")]

    @classmethod
    def of(cls, decision: Decision | None) -> Self | None:
        """The item of a decision, where there is one."""
        if decision is None:
            return None
        return cls(
            decision=decision.decision,
            reviewer=decision.reviewer,
            reason=decision.reason,
            decided_at=decision.decided_at,
            run_id=decision.run_id,
            published_run_id=decision.published_run_id,
        )


class RunItem(Struct, frozen=True, kw_only=True):
    """One look at a source, and what came of it."""

    run_id: int
    source: str
    supplier: str | None
    offers: list[str]
    origin: Origin
    address: str | None
    started_at: Instant
    finished_at: Instant
    outcome: Outcome
    reader: str | None
    document: RunDocument | None
    message: str | None
    doubt_count: int
    decision: DecisionItem | None

    @classmethod
    def of(cls, run: StoredRun) -> Self:
        """The item of a stored run."""
        return cls(**_run_fields(run))


class RunPage(Struct, frozen=True, kw_only=True):
    """Runs, the newest first."""

    runs: list[RunItem]
    next: Next


class RunDetail(RunItem, frozen=True, kw_only=True):
    """A run with everything that it read and doubted."""

    doubts: list[DoubtItem]
    tariffs: list[InspectedTariff]
    published: Annotated[int | None, Meta(description="How many tariffs it added; null where it says none.")]

    @classmethod
    def of(cls, run: StoredRun) -> Self:
        """The item of a stored run."""
        published = run.detail.get("published")
        return cls(
            **_run_fields(run),
            doubts=doubts_of(run),
            tariffs=[_tariff(tariff) for tariff in _list(run.detail, "tariffs")],
            published=None if published is None else int(published),
        )


class OverrideDone(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was done: a decision on a run, or another address of a source."""

    action: Literal["approve", "reject", "address"]
    run_id: int | UnsetType = UNSET
    published: Annotated[int | UnsetType, Meta(description="Tariffs that an approval added.")] = UNSET
    published_run_id: int | UnsetType = UNSET
    source: str | UnsetType = UNSET
    address: str | UnsetType | None = UNSET
    until: dt.date | UnsetType | None = UNSET


def doubts_of(run: StoredRun) -> list[DoubtItem]:
    """The doubts that a run has recorded."""
    return [convert(doubt, DoubtItem) for doubt in _list(run.detail, "doubts")]


def _run_fields(run: StoredRun) -> dict[str, Any]:
    document = None
    if run.document_title is not None:
        document = RunDocument(title=run.document_title, sha256=run.document_sha256, bytes=run.document_bytes)
    return {
        "run_id": run.run_id,
        "source": run.source,
        "supplier": run.supplier,
        "offers": list(run.offers),
        "origin": run.origin,
        "address": run.address,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "outcome": run.outcome,
        "reader": run.reader,
        "document": document,
        "message": run.detail.get("message"),
        "doubt_count": len(_list(run.detail, "doubts")),
        "decision": DecisionItem.of(run.decision),
    }


def _list(detail: Mapping[str, Any], name: str) -> Sequence[Any]:
    return detail.get(name) or ()


def _tariff(recorded: Mapping[str, Any]) -> InspectedTariff:
    """A tariff of a run's detail, where every number is a decimal."""
    return convert({**recorded, "power_kva": int(recorded["power_kva"])}, InspectedTariff)
