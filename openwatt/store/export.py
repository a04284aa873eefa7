"""Streams the whole history row by row: every observation of every tariff, and the colours of Tempo days."""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg
from psycopg.rows import kwargs_row

from openwatt.store.sql import statement
from openwatt.store.tariffs import PublishedTariff
from openwatt.store.tempo import TempoDay

T = TypeVar("T")

_ROWS_A_FETCH = 2000


def export_size(connection: psycopg.Connection[Any]) -> int:
    """The number of rows of an export."""
    row = connection.execute(statement("tariffs/count")).fetchone()
    return int(row[0]) if row else 0


def export_rows(connection: psycopg.Connection[Any]) -> Generator[PublishedTariff, None, None]:
    """Every observation, oldest first within a contract, as one snapshot of the database."""
    return _rows(connection, statement("tariffs/export"), PublishedTariff)


def export_tempo_days(connection: psycopg.Connection[Any]) -> Generator[TempoDay, None, None]:
    """Every Tempo day whose colour is known, oldest first, as one snapshot of the database."""
    return _rows(connection, statement("tempo/export"), TempoDay)


def _rows(connection: psycopg.Connection[Any], query: Any, row: Callable[..., T]) -> Generator[T, None, None]:
    """The rows of a statement.

    A server-side cursor keeps memory flat however long the history is. A caller that stops
    early closes the generator before the connection.
    """
    with connection.transaction(), connection.cursor("export", row_factory=kwargs_row(row)) as cursor:
        cursor.itersize = _ROWS_A_FETCH
        yield from cursor.execute(query)
