"""The documents behind the figures: what was read, how much came of it, when it was last seen."""

import datetime as dt
from dataclasses import dataclass

from openwatt.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDocument:
    """A document with the number of its tariffs; `last_seen_at` is None when no look has found it."""

    title: str
    url: str | None
    document_sha256: str | None
    tariffs: int
    last_seen_at: dt.datetime | None


def documents_seen(database: Database) -> list[SeenDocument]:
    """Every document that tariffs come from, the last seen one first."""
    return database.read("documents_seen", {}, SeenDocument)
