"""Address overrides: another address for a source until a day, set and undone by a person."""

import datetime as dt
from dataclasses import asdict, dataclass

from psycopg.rows import kwargs_row

from openwatt.store.database import Connection
from openwatt.store.sql import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressOverride:
    """The address of a source until a day, included; without an address it undoes the one before."""

    source: str
    address: str | None
    until: dt.date | None
    author: str
    reason: str
    set_at: dt.datetime


def set_override(connection: Connection, override: AddressOverride) -> None:
    """Stores an override; the newest of a source counts."""
    connection.execute(statement("sources/set_override"), asdict(override))


def overrides_in_force(
    connection: Connection, on: dt.date, source: str | None = None
) -> list[AddressOverride]:
    """The overrides in force on a day, of all sources or of one, by source."""
    with connection.cursor(row_factory=kwargs_row(AddressOverride)) as cursor:
        return cursor.execute(
            statement("sources/overrides_in_force"), {"on": on, "source": source}
        ).fetchall()


def address_in_force(connection: Connection, source: str, on: dt.date) -> str | None:
    """The address that is set for a source until `on` or later; None for its own."""
    found = overrides_in_force(connection, on, source)
    return found[0].address if found else None
