"""Refused runs as `openwatt ingest` records them: a sheet with a misprint, kept with its doubts."""

import datetime as dt
from functools import cache

import pytest

from openwatt.catalogue.references import shipped_references
from openwatt.ingest.declarations import load_sources
from openwatt.ingest.inspection import Inspection, inspect_document
from openwatt.ingest.publication import make_document, make_run
from openwatt.store.database import Connection
from openwatt.store.documents import store_content
from openwatt.store.runs import record_run
from tests.ingest import drawn_sheets

SOURCE = "yeli_verte"
SOURCES = load_sources()
REFERENCES = shipped_references()
LOOKED_AT = dt.datetime(2025, 11, 20, 6, tzinfo=dt.UTC)

#: The subscription of 15 kVA for two registers, printed below that of 12.
_RIGHT, _WRONG = "27,73", "23,73"


@cache
def misprinted(wrong: str = _WRONG) -> bytes:
    """A sheet of which one figure, as it is printed, cannot be right."""
    columns = tuple(column.replace(_RIGHT, wrong) for column in drawn_sheets.YELI)
    assert columns != drawn_sheets.YELI
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn_sheets, "YELI", columns)
        return drawn_sheets.simple_and_double().pdf


@cache
def read(content: bytes, source: str = SOURCE) -> Inspection:
    return inspect_document(content, SOURCES, REFERENCES, on=LOOKED_AT.date(), name=source)


def refuse(
    connection: Connection,
    content: bytes | None = None,
    *,
    source: str = SOURCE,
    at: dt.datetime = LOOKED_AT,
    seen: Inspection | None = None,
) -> int:
    """Records that a document was refused, as it is read, or as `seen` says it was."""
    content = misprinted() if content is None else content
    inspection = seen or read(content, source)
    assert inspection.outcome == "refused"
    document = make_document(SOURCES[source], content, url=SOURCES[source].address)
    with connection.transaction():
        store_content(connection, document)
        run = make_run(
            SOURCES[source],
            "refused",
            started_at=at,
            finished_at=at + dt.timedelta(seconds=2),
            document=document,
            inspection=inspection,
            address=SOURCES[source].address,
        )
        return record_run(connection, run)
