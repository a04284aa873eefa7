"""Source documents in the database: their bytes, how many tariffs they gave, when they were last seen."""

import datetime as dt
from dataclasses import dataclass

from msgspec.structs import asdict
from psycopg.rows import kwargs_row

from openwatt.domain.tariff import SourceKind
from openwatt.store.database import Connection, Database
from openwatt.store.sql import statement
from openwatt.store.tariffs import SourceDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDocument:
    """A document with the number of its tariffs; `last_seen_at` is None when no run has found it."""

    kind: SourceKind
    title: str
    url: str | None
    document_sha256: str | None
    tariffs: int
    last_seen_at: dt.datetime | None


def documents_seen(database: Database) -> list[SeenDocument]:
    """Every document that tariffs come from, or that has confirmed them last; the last seen one first."""
    return database.read("documents/seen", {}, SeenDocument)


class StoredDocument(SourceDocument, frozen=True, kw_only=True):
    """A document with its bytes; `content` is None for one that only the catalogue names."""

    media_type: str | None
    content: bytes | None


def store_content(connection: Connection, document: StoredDocument) -> None:
    """Stores a document with its bytes, once, by its reference."""
    connection.execute(statement("documents/insert_with_content"), asdict(document))


def find_document(connection: Connection, reference: str) -> StoredDocument | None:
    """The stored document of a reference."""
    with connection.cursor(row_factory=kwargs_row(StoredDocument)) as cursor:
        return cursor.execute(statement("documents/content"), {"reference": reference}).fetchone()


def document_of_run(connection: Connection, run_id: int) -> StoredDocument | None:
    """The document that a run found; None when it found none."""
    with connection.cursor(row_factory=kwargs_row(StoredDocument)) as cursor:
        return cursor.execute(statement("documents/of_run"), {"run_id": run_id}).fetchone()
