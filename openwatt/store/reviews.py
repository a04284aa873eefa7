"""Runs as people look at them, and what they decided on the documents that were refused."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from psycopg.rows import kwargs_row

from openwatt.store.database import Connection, Database
from openwatt.store.documents import KeptDocument
from openwatt.store.errors import DecisionError, UnknownRunError
from openwatt.store.sql import statement

Verdict = Literal["approved", "rejected"]

#: A run's number is a bigint; nothing beyond can be one.
LARGEST_RUN_ID = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided on a refused run, once; an approval names the run that published."""

    run_id: int
    decision: Verdict
    reviewer: str
    reason: str
    decided_at: dt.datetime
    published_run_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """One look at a source. `detail` is what it says of itself; `decision` that on its document.

    `document_bytes` is None where the bytes are not kept.
    """

    run_id: int
    source: str
    supplier: str | None
    offers: tuple[str, ...]
    origin: str
    address: str | None
    started_at: dt.datetime
    finished_at: dt.datetime
    outcome: str
    reader: str | None
    document_title: str | None
    document_sha256: str | None
    document_bytes: int | None
    detail: Mapping[str, Any]
    decision: Decision | None


class RunFilter(NamedTuple):
    """Which runs are asked for; None asks for all. `undecided` asks for those that wait for a decision."""

    source: str | None = None
    outcome: str | None = None
    undecided: bool = False


def runs_listed(
    database: Database, wanted: RunFilter, *, after: int | None = None, limit: int
) -> list[StoredRun]:
    """Runs from the newest to the oldest, at most `limit`, of those that follow the run `after`."""
    parameters = wanted._asdict() | {"run_id": None, "after": after, "limit": limit}
    return database.read("runs/list", parameters, _run)


def run_numbered(database: Database, run_id: int) -> StoredRun | None:
    """One run; None when there is no such."""
    found = database.read("runs/list", _only(run_id), _run)
    return found[0] if found else None


def undecided_run(connection: Connection, run_id: int) -> StoredRun:
    """A refused run to decide on, inside the caller's transaction: until its end nobody else decides.

    Raises:
        UnknownRunError: there is no such run.
        DecisionError: it was not refused, or its document was decided on already.
    """
    connection.execute(statement("reviews/lock"))
    with connection.cursor(row_factory=kwargs_row(_run)) as cursor:
        run = cursor.execute(statement("runs/list"), _only(run_id)).fetchone()
    if run is None:
        raise UnknownRunError(f"there is no run {run_id}: `openwatt review --all` lists those there are")
    check_undecided(run)
    return run


def check_undecided(run: StoredRun) -> None:
    """Refuses a run on which nothing is to decide.

    Raises:
        DecisionError: saying what it is instead, or who decided.
    """
    if run.outcome != "refused":
        raise DecisionError(f"run {run.run_id} is {run.outcome}: only a refused run is decided on")
    if run.decision is not None:
        was = run.decision
        which = "it" if was.run_id == run.run_id else f"the same document, as run {was.run_id},"
        raise DecisionError(
            f"run {run.run_id} is decided on already: {which} was {was.decision} by {was.reviewer} "
            f"on {was.decided_at:%Y-%m-%d} ({was.reason})"
        )


def record_decision(connection: Connection, decision: Decision) -> None:
    """Keeps a decision for good, in the transaction in which `undecided_run` gave its run."""
    parameters = {name: getattr(decision, name) for name in Decision.__dataclass_fields__}
    connection.execute(statement("reviews/insert"), parameters)


def decision_on(connection: Connection, source: str, sha256: str | None) -> Decision | None:
    """What was decided on a document of a source, so that the same bytes need not be decided on again."""
    with connection.cursor(row_factory=kwargs_row(Decision)) as cursor:
        return cursor.execute(
            statement("reviews/of_document"), {"source": source, "sha256": sha256}
        ).fetchone()


def document_of_run(connection: Connection, run_id: int) -> KeptDocument | None:
    """The document that a run found; None when it found none."""
    with connection.cursor(row_factory=kwargs_row(KeptDocument)) as cursor:
        return cursor.execute(statement("documents/of_run"), {"run_id": run_id}).fetchone()


def periods_published_since(
    connection: Connection, supplier: str, since: dt.datetime
) -> set[tuple[str, str, int, dt.date]]:
    """(offer, option, power, first day) of the tariffs that a supplier's documents gave after an instant."""
    rows = connection.execute(statement("tariffs/published_since"), {"supplier": supplier, "since": since})
    return {tuple(row) for row in rows}


def _only(run_id: int) -> dict[str, object]:
    return {**RunFilter()._asdict(), "run_id": run_id, "after": None, "limit": 1}


def _run(**row: Any) -> StoredRun:
    row["offers"] = tuple(row["offers"])
    for name in ("started_at", "finished_at"):
        row[name] = row[name].astimezone(dt.UTC)
    told = {name: row.pop(name) for name in ("decision", "reviewer", "reason", "published_run_id")}
    decided_run, decided_at = row.pop("decided_run_id"), row.pop("decided_at")
    decision = None
    if decided_run is not None:
        decision = Decision(run_id=decided_run, decided_at=decided_at.astimezone(dt.UTC), **told)
    return StoredRun(**row, decision=decision)
