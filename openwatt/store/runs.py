"""Runs of the ingestion in the database: the outcome of each look at a source, and what was decided on it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

import msgspec
from psycopg.rows import kwargs_row

from openwatt.store.database import Connection, Database
from openwatt.store.sql import statement

#: What can come of a run: the same word in table, label, log and runbook.
Outcome = Literal["published", "unchanged", "refused", "unreadable", "unreachable"]
#: How a document came: from its address, as a file, or by a review that let a refused one through.
Origin = Literal["address", "file", "review"]
Verdict = Literal["approved", "rejected"]

#: A run's number is a bigint; nothing beyond can be one.
LARGEST_RUN_ID = 2**63 - 1

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One look at a source, as it is recorded.

    `offers` are those whose state the run determines; `document` is a stored document's
    reference; `etag` and `last_modified` are sent with the next request; `reader`
    names what read the document, with its version.
    """

    source: str
    outcome: Outcome
    started_at: dt.datetime
    finished_at: dt.datetime
    origin: Origin = "address"
    supplier: str | None = None
    offers: tuple[str, ...] = ()
    document: str | None = None
    address: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    reader: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


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
class StoredRun(Run):
    """A run as the database holds it, with its document and the decision on that.

    `document_bytes` is None where the bytes are not stored.
    """

    run_id: int
    document_title: str | None
    document_sha256: str | None
    document_bytes: int | None
    decision: Decision | None


class RunFilter(NamedTuple):
    """Which runs are listed; None selects all. `undecided` selects those that wait for a decision."""

    source: str | None = None
    outcome: str | None = None
    undecided: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAnswer:
    """The last document that a source's address gave, and what came of it at the last look or review."""

    document: str
    address: str | None
    etag: str | None
    last_modified: str | None
    outcome: Outcome
    reader: str | None


def record_run(connection: Connection, run: Run) -> int:
    """Adds a run, inside the caller's transaction if there is one, and returns its id."""
    parameters: dict[str, Any] = {field.name: getattr(run, field.name) for field in fields(Run)}
    parameters["offers"] = list(run.offers)
    parameters["detail"] = _ENCODER.encode(run.detail).decode()
    row = connection.execute(statement("runs/insert"), parameters).fetchone()
    assert row is not None  # noqa: S101 - an insert that returns has a row
    return int(row[0])


def list_runs(
    database: Database, wanted: RunFilter, *, after: int | None = None, limit: int
) -> list[StoredRun]:
    """Runs from the newest to the oldest, at most `limit`, of those that follow the run `after`."""
    return database.read("runs/list", _parameters(wanted, after=after, limit=limit), _stored_run)


def find_run(database: Database | Connection, run_id: int) -> StoredRun | None:
    """The run of a number; None when there is no such."""
    parameters = _parameters(RunFilter(), run_id=run_id)
    if isinstance(database, Database):
        return next(iter(database.read("runs/list", parameters, _stored_run)), None)
    return _first(database, parameters)


def last_run(connection: Connection, source: str) -> StoredRun | None:
    """The newest run of a source."""
    return _first(connection, _parameters(RunFilter(source)))


def last_answer(connection: Connection, source: str) -> LastAnswer | None:
    """What a source's address gave last; None before its first document."""
    with connection.cursor(row_factory=kwargs_row(LastAnswer)) as cursor:
        return cursor.execute(statement("runs/last_answer"), {"source": source}).fetchone()


def count_runs(database: Database) -> dict[str, dict[str, int]]:
    """How often each outcome came, by source."""
    counts: dict[str, dict[str, int]] = {}
    for source, outcome, runs in database.read(
        "runs/count", {}, lambda source, outcome, runs: (source, outcome, runs)
    ):
        counts.setdefault(source, {})[outcome] = runs
    return counts


def _parameters(
    wanted: RunFilter, *, run_id: int | None = None, after: int | None = None, limit: int = 1
) -> dict[str, object]:
    return {**wanted._asdict(), "run_id": run_id, "after": after, "limit": limit}


def _first(connection: Connection, parameters: dict[str, object]) -> StoredRun | None:
    with connection.cursor(row_factory=kwargs_row(_stored_run)) as cursor:
        return cursor.execute(statement("runs/list"), parameters).fetchone()


def _stored_run(**row: Any) -> StoredRun:
    row["offers"] = tuple(row["offers"])
    for name in ("started_at", "finished_at"):
        row[name] = row[name].astimezone(dt.UTC)
    decided = {name: row.pop(name) for name in ("decision", "reviewer", "reason", "published_run_id")}
    decided_run, decided_at = row.pop("decided_run_id"), row.pop("decided_at")
    decision = None
    if decided_run is not None:
        decision = Decision(run_id=decided_run, decided_at=decided_at.astimezone(dt.UTC), **decided)
    return StoredRun(**row, decision=decision)
