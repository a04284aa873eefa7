"""The editions of the shipped catalogue that the database has loaded."""

from typing import Any

import psycopg

from openwatt.store.sql import statement


def edition_is_loaded(connection: psycopg.Connection[Any], sha256: str) -> bool:
    """Whether an edition was loaded; waits for another process that is loading one.

    Must be called in a transaction: the lock that makes it wait ends with it.
    """
    connection.execute(statement("catalogue/lock"))
    row = connection.execute(statement("catalogue/edition_known"), {"sha256": sha256}).fetchone()
    return bool(row and row[0])


def record_edition(connection: psycopg.Connection[Any], sha256: str) -> None:
    """Records that an edition was loaded."""
    connection.execute(statement("catalogue/record_edition"), {"sha256": sha256})
