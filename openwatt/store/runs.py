"""Runs of the ingestion in the database: what came of each look at a source."""

from dataclasses import dataclass

from openwatt.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredIngestState:
    """One source: its last success in Unix seconds, None before the first, and its runs by outcome."""

    source: str
    last_success_at: float | None
    runs: dict[str, int]


def ingest_states(database: Database) -> list[StoredIngestState]:
    """The state of every source that was ever looked at."""
    return database.read("ingest_states", {}, StoredIngestState)
