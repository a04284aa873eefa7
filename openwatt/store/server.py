"""The database server: its version and its clock."""

import datetime as dt
from dataclasses import dataclass

from openwatt.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredServer:
    """PostgreSQL's version text, the number of its major version, and its clock."""

    version: str
    major: int
    server_at: dt.datetime


def server_of(database: Database) -> StoredServer:
    """Reads version and clock of the server."""
    return database.read("database/server", {}, StoredServer)[0]
