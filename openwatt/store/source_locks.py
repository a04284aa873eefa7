"""One process a source: an advisory lock of the database, so that several hosts may ingest at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from openwatt.store.database import Connection
from openwatt.store.sql import statement


@contextmanager
def source_lock(connection: Connection, source: str) -> Iterator[bool]:
    """Whether this process alone may work on a source for the length of the block.

    The lock belongs to the connection: it ends with it, whatever ends the process.
    """
    row = connection.execute(statement("sources/try_lock"), {"source": source}).fetchone()
    held = bool(row and row[0])
    try:
        yield held
    finally:
        if held and not connection.closed and not connection.broken:
            connection.execute(statement("sources/unlock"), {"source": source})
