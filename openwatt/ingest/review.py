"""The review of refused documents: a person approves one, which is then published, or rejects it."""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from openwatt.catalogue.references import known_references
from openwatt.domain.doubts import References
from openwatt.domain.legal_time import PARIS
from openwatt.ingest.declarations import SourceDeclaration
from openwatt.ingest.inspection import Inspection, as_json
from openwatt.ingest.publication import make_run, publish_inspection
from openwatt.ingest.readers.manual_table import is_typed_table, read_typed_table
from openwatt.ingest.sandbox import DocumentSandbox
from openwatt.store.database import Connection
from openwatt.store.documents import document_of_run
from openwatt.store.errors import DecisionError
from openwatt.store.reviews import periods_published_since, record_decision, undecided_run
from openwatt.store.runs import Decision, StoredRun, record_run
from openwatt.store.source_locks import source_lock
from openwatt.store.tariffs import SourceDocument, record_sighting, regulated_history

_decoder = msgspec.json.Decoder(float_hook=Decimal)


def read_again(
    sandbox: DocumentSandbox,
    content: bytes,
    source: SourceDeclaration,
    references: References,
    *,
    on: dt.date,
    origin: str,
) -> Inspection:
    """Reads a stored document again, as its run did."""
    if origin == "file" and is_typed_table(content):
        return read_typed_table(content, source, references, on=on)
    return sandbox.inspect_document(content, {source.name: source}, references, on=on, name=source.name)


def approve_run(
    connection: Connection,
    run_id: int,
    sources: Mapping[str, SourceDeclaration],
    *,
    reviewer: str,
    reason: str,
    now: Callable[[], dt.datetime],
) -> dict[str, int]:
    """Publishes what a refused run has read; returns `published` and the number of the run that did so.

    One transaction holds the tariffs, the run and the decision. The reviewer has seen what
    the run recorded: when the stored document reads otherwise by now, or gives one more
    reason to doubt, nothing is published.

    Raises:
        UnknownRunError, DecisionError: it cannot be approved as things stand.
    """
    with connection.transaction():
        run = undecided_run(connection, run_id)
    with source_lock(connection, run.source) as held:
        if not held:
            raise DecisionError(f"another process is just at {run.source}: try again in a moment")
        return _approve(connection, run, sources, reviewer=reviewer, reason=reason, now=now)


def _approve(
    connection: Connection,
    run: StoredRun,
    sources: Mapping[str, SourceDeclaration],
    *,
    reviewer: str,
    reason: str,
    now: Callable[[], dt.datetime],
) -> dict[str, int]:
    started_at, run_id = now(), run.run_id
    source = sources.get(run.source)
    document = document_of_run(connection, run_id)
    if source is None:
        raise DecisionError(
            f"run {run_id} is of {run.source}, which is no source any more: nothing can read it"
        )
    if document is None or document.content is None:
        raise DecisionError(f"the bytes of run {run_id}'s document are not stored: it cannot be read again")
    references = known_references(regulated_history(connection))
    today = started_at.astimezone(PARIS).date()
    with DocumentSandbox() as sandbox:
        inspection = read_again(sandbox, document.content, source, references, on=today, origin=run.origin)
    check_same(run, inspection)
    with connection.transaction():
        undecided_run(connection, run_id)  # whoever was faster has decided
        _check_newest(connection, run, inspection)
        decided_at = now()
        published = publish_inspection(
            connection, source, inspection, document=document, observed_at=decided_at
        )
        published_run = record_run(
            connection,
            make_run(
                source,
                "published" if published else "unchanged",
                origin="review",
                started_at=started_at,
                finished_at=decided_at,
                document=document,
                inspection=inspection,
                published=published,
                message=f"run {run_id} approved by {reviewer}: {reason}",
            ),
        )
        _see(connection, document, run)
        record_decision(
            connection,
            Decision(
                run_id=run_id,
                decision="approved",
                reviewer=reviewer,
                reason=reason,
                decided_at=decided_at,
                published_run_id=published_run,
            ),
        )
    return {"published": published, "published_run_id": published_run}


def reject_run(connection: Connection, run_id: int, *, reviewer: str, reason: str, at: dt.datetime) -> None:
    """Leaves a refused run's document unpublished for good.

    Raises:
        UnknownRunError, DecisionError: it cannot be rejected as things stand.
    """
    with connection.transaction():
        undecided_run(connection, run_id)
        record_decision(
            connection,
            Decision(run_id=run_id, decision="rejected", reviewer=reviewer, reason=reason, decided_at=at),
        )


def _see(connection: Connection, document: SourceDocument, run: StoredRun) -> None:
    """Records the sighting by the run that found the document: its freshness counts from then."""
    record_sighting(connection, document.reference, run.finished_at, run.run_id)


def check_same(run: StoredRun, inspection: Inspection) -> None:
    """Refuses a reading that differs from what the run recorded and its reviewer has seen.

    Raises:
        DecisionError: saying what differs.
    """
    again = f"look at it again: openwatt review show {run.run_id}"
    read: dict[str, Any] = _decoder.decode(as_json(inspection))
    if inspection.outcome == "unreadable":
        raise DecisionError(f"the document of run {run.run_id} cannot be read any more: {inspection.reason}")
    if not read["tariffs"] and not read.get("colours"):
        raise DecisionError(
            f"nothing was read in the document of run {run.run_id}: there is nothing to publish"
        )
    for name in ("tariffs", "colours"):
        if read.get(name, []) != run.detail.get(name, []):
            raise DecisionError(
                f"the document of run {run.run_id} is read otherwise by now ({name} differ): "
                f"{again}, then reject it and run openwatt ingest {run.source}"
            )
    new = [doubt for doubt in read["doubts"] if doubt not in run.detail.get("doubts", [])]
    if new:
        raise DecisionError(
            f"{len(new)} doubts of run {run.run_id} are new since it was refused "
            f"({'; '.join(doubt['message'] for doubt in new[:3])}): {again}"
        )


def _check_newest(connection: Connection, run: StoredRun, inspection: Inspection) -> None:
    """Refuses figures of a period for which newer documents were published since."""
    newer = periods_published_since(connection, run.supplier or "", run.finished_at)
    for tariff in inspection.tariffs():
        if (tariff.offer, tariff.option, tariff.power_kva, tariff.applies_from) in newer:
            raise DecisionError(
                f"{tariff.offer} {tariff.option} {tariff.power_kva} kVA from {tariff.applies_from} was "
                f"published from a newer document since run {run.run_id}: reject it"
            )
