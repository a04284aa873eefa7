"""Another address for a source until a day: set by a person, undone by a person, or over by itself."""

import datetime as dt
from dataclasses import asdict, dataclass

from psycopg.rows import kwargs_row

from openwatt.store.database import Connection
from openwatt.store.sql import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressOverride:
    """Where a source is asked until a day, included; without an address it undoes the one before."""

    source: str
    address: str | None
    until: dt.date | None
    author: str
    reason: str
    set_at: dt.datetime


def set_override(connection: Connection, override: AddressOverride) -> None:
    """Keeps an override; the newest of a source counts."""
    connection.execute(statement("sources/set_override"), asdict(override))


def overrides_in_force(
    connection: Connection, on: dt.date, source: str | None = None
) -> list[AddressOverride]:
    """The overrides that count on a day, of all sources or of one, by source."""
    with connection.cursor(row_factory=kwargs_row(AddressOverride)) as cursor:
        return cursor.execute(
            statement("sources/overrides_in_force"), {"on": on, "source": source}
        ).fetchall()


def address_in_force(connection: Connection, source: str, on: dt.date) -> str | None:
    """The address that somebody has set for a source until `on` or later; None for its own."""
    found = overrides_in_force(connection, on, source)
    return found[0].address if found else None
