"""What the database server says of itself."""

import datetime as dt
from dataclasses import dataclass

from openwatt.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredServer:
    """PostgreSQL's version in its own words, the number of its major version, and its clock."""

    version: str
    major: int
    server_at: dt.datetime


def server_of(database: Database) -> StoredServer:
    """The server that answers."""
    return database.read("database/server", {}, StoredServer)[0]
