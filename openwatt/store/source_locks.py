"""An advisory lock for each source, so that several hosts may ingest at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager

from openwatt.store.database import Connection
from openwatt.store.sql import statement


@contextmanager
def source_lock(connection: Connection, source: str) -> Iterator[bool]:
    """Yields whether this process alone may work on a source for the length of the block.

    The lock belongs to the connection: it is released whatever ends the process.
    """
    row = connection.execute(statement("sources/try_lock"), {"source": source}).fetchone()
    held = bool(row and row[0])
    try:
        yield held
    finally:
        if held and not connection.closed and not connection.broken:
            connection.execute(statement("sources/unlock"), {"source": source})
