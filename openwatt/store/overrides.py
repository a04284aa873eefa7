"""Addresses that replace those of sources for a while."""

import datetime as dt

from openwatt.store.database import Connection
from openwatt.store.sql import statement


def address_in_force(connection: Connection, source: str, on: dt.date) -> str | None:
    """The address that somebody has set for a source until `on` or later; None for its own."""
    row = connection.execute(statement("address_in_force"), {"source": source, "on": on}).fetchone()
    return str(row[0]) if row else None
