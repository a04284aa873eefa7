"""Runs of the ingestion in the database: what came of each look at a source."""

from dataclasses import dataclass

from openwatt.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIngestState:
    """One source that was looked at, its instants in Unix seconds.

    `last_success_at` is None before the first success; `failures_in_a_row` counts the
    runs since then; `cadence_s` is None where no run has said it; `reviews_pending`
    counts documents that were refused and that nobody has decided on.
    """

    source: str
    last_look_at: float
    last_success_at: float | None
    failures_in_a_row: int
    cadence_s: int | None
    reviews_pending: int
    runs: dict[str, int]


def ingest_states(database: Database) -> list[StoredIngestState]:
    """The state of every source that was ever looked at."""
    return database.read("ingest_states", {}, StoredIngestState)
