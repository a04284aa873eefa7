"""Tempo colours in the database: one a day, the newest observation counts."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg

from openwatt.domain.tariff import Colour, SourceKind
from openwatt.store.database import Database
from openwatt.store.sql import statement
from openwatt.store.tariffs import SourceDocument, store_documents


@dataclass(frozen=True, slots=True, kw_only=True)
class TempoDay:
    """The colour of one Tempo day; None where it is not known."""

    day: dt.date
    colour: Colour | None
    note: str | None
    observed_at: dt.datetime | None
    url: str | None
    sha256: str | None
    kind: SourceKind | None
    title: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisedColour:
    """The colour of a known Tempo day, when it was observed, and how many corrections that is after."""

    day: dt.date
    colour: Colour
    observed_at: dt.datetime
    url: str | None
    corrections: int


class ColourObservation(NamedTuple):
    """A colour as it was read from a document."""

    day: dt.date
    observed_at: dt.datetime
    colour: Colour
    document: SourceDocument
    note: str | None


def tempo_days(database: Database, start: dt.date, end: dt.date) -> list[TempoDay]:
    """Every day from `start` to `end`, both included, oldest first."""
    return database.read("tempo/days", {"from": start, "to": end}, TempoDay)


def revised_colours(database: Database, since: dt.date) -> list[RevisedColour]:
    """Every known day from `since` on, oldest first."""
    return database.read("tempo/revisions", {"since": since}, RevisedColour)


def tempo_colours(database: Database) -> dict[dt.date, Colour]:
    """The colour of every day that is known."""
    return dict(database.read("tempo/colours", {}, lambda day, colour: (day, colour)))


def publish_colours(connection: psycopg.Connection[Any], colours: Iterable[ColourObservation]) -> int:
    """Adds the colours that changed, inside the caller's transaction, and returns how many that was."""
    connection.execute(statement("tempo/create_incoming"))
    documents: dict[str, SourceDocument] = {}
    with connection.cursor().copy(statement("tempo/copy_incoming")) as copy:
        for day, observed_at, colour, document, note in colours:
            documents[document.reference] = document
            copy.write_row((day, observed_at, colour, document.reference, note))
    store_documents(connection, documents.values())
    return connection.execute(statement("tempo/publish")).rowcount


def tempo_known_to(database: Database) -> dt.date | None:
    """The last day whose colour is known."""
    (day,) = database.read("tempo/known_to", {}, _day)
    return day


def _day(day: dt.date | None) -> dt.date | None:
    return day
