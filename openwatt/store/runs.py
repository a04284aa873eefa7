"""Runs of the ingestion in the database: what came of each look at a source."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import msgspec
from psycopg.rows import kwargs_row

from openwatt.store.database import Connection, Database
from openwatt.store.sql import statement

#: What can come of a run: the same word in table, label, log and runbook.
Outcome = Literal["published", "unchanged", "refused", "unreadable", "unreachable"]
#: How a document came: from its address, as a file, or by a review that let a refused one through.
Origin = Literal["address", "file", "review"]

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one look at a source.

    `offers` are those whose state the run tells; `document` is a kept document's
    reference; `etag` and `last_modified` are what the next look asks with; `reader`
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
class StoredRun(Run):
    """A run as the database holds it."""

    run_id: int


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


def last_run(connection: Connection, source: str) -> StoredRun | None:
    """The newest run of a source."""
    with connection.cursor(row_factory=kwargs_row(_stored)) as cursor:
        return cursor.execute(statement("runs/last"), {"source": source}).fetchone()


def _stored(offers: list[str], **row: Any) -> StoredRun:
    return StoredRun(offers=tuple(offers), **row)


def last_answer(connection: Connection, source: str) -> LastAnswer | None:
    """What a source's address gave last; None before its first document."""
    with connection.cursor(row_factory=kwargs_row(LastAnswer)) as cursor:
        return cursor.execute(statement("runs/last_answer"), {"source": source}).fetchone()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What the runs of one source mean together."""

    source: str
    supplier: str | None
    offers: list[str]
    outcome: Outcome
    last_look_at: dt.datetime
    last_success_at: dt.datetime | None
    failures_in_a_row: int
    cadence_days: int | None
    reviews_pending: int


def source_states(connection: Connection) -> list[SourceState]:
    """The state of every source that was ever looked at, by its name."""
    with connection.cursor(row_factory=kwargs_row(SourceState)) as cursor:
        return cursor.execute(statement("sources/states")).fetchall()


def declared_source_states(database: Database, declared: Collection[str]) -> list[SourceState]:
    """The state of every declared source that was ever looked at, by its name."""
    return database.read("sources/declared_states", {"declared": list(declared)}, SourceState)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferState:
    """An offer whose source has failed since its last success, and how the newest run ended."""

    supplier: str | None
    offer: str
    outcome: Outcome
    failures_in_a_row: int


def offer_states(database: Database, declared: Collection[str]) -> list[OfferState]:
    """Every offer that has a declared source which does not stand well."""
    return database.read("sources/offer_states", {"declared": list(declared)}, OfferState)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIngestState:
    """One source that was looked at, its instants in Unix seconds.

    `outcome` is that of its newest run; `last_success_at` is None before the first
    success; `failures_in_a_row` counts the runs since then; `cadence_s` is None where
    no run has said it; `reviews_pending` counts documents that were refused and that
    nobody has decided on.
    """

    source: str
    outcome: Outcome
    last_look_at: float
    last_success_at: float | None
    failures_in_a_row: int
    cadence_s: int | None
    reviews_pending: int
    runs: dict[str, int]


def ingest_states(database: Database, declared: Collection[str]) -> list[StoredIngestState]:
    """The state of every declared source that was ever looked at, and of a drill while it lasts.

    A source that is declared no longer keeps its runs and figures, but nobody looks at
    it any more: its state would alarm for ever.
    """
    return database.read("sources/ingest_states", {"declared": list(declared)}, StoredIngestState)
