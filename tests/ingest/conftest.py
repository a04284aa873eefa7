"""Looking at a site's documents with a real database behind."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from openwatt.ingest.declarations import load_sources
from openwatt.ingest.fetching.client import Fetcher, FetchLimits
from openwatt.ingest.inspection import Inspection, inspect_document
from openwatt.ingest.pipeline import Ingestion, RunResult
from openwatt.store.database import Database, bind_to_history
from openwatt.store.runs import StoredRun, last_run
from openwatt.store.source_states import SourceState, source_states
from openwatt.store.tariffs import PublishedTariff, TariffFilter, tariffs_on
from tests.ingest.document_server import Site, site

SOURCES = load_sources()
#: A day on which every drawn sheet is in force.
START = dt.datetime(2025, 11, 15, 6, tzinfo=dt.UTC)
#: Faults of a moment are asked again at once.
HASTY = FetchLimits(attempts=2, first_wait_seconds=0.01, longest_wait_seconds=0.01, give_up_seconds=20)


class Direct:
    """The reader without a process of its own; it can be told to fail as one of ours might."""

    def __init__(self) -> None:
        self.reads = 0
        self.fault: Exception | None = None

    def inspect_document(self, *given: Any, **named: Any) -> Inspection:
        self.reads += 1
        if self.fault is not None:
            raise self.fault
        return inspect_document(*given, **named)


class Desk:
    """Somebody who looks at sources once a day, and at what the database knows then."""

    def __init__(self, connection: psycopg.Connection[Any], database: Database, pages: Site) -> None:
        self.connection = connection
        self.database = database
        self.site = pages
        self.now = START
        self.inspector = Direct()
        self.sources = dict(SOURCES)
        self.fetcher = Fetcher("OpenWatt/test", lambda _host: None, HASTY, loopback=True)
        self.ingestion = Ingestion(
            connection=connection,
            sources=self.sources,
            fetcher=self.fetcher,
            inspector=self.inspector,
            clock=lambda: self.now,
        )

    def put(self, name: str, content: bytes, **page: Any) -> None:
        """Lets a source's address give this document from now on."""
        self.change(name, address=self.site.put(name, content, **page))

    def change(self, name: str, **changes: Any) -> None:
        """Changes what a source's file says."""
        self.sources[name] = replace(self.sources[name], **changes)

    def look(self, name: str, given: bytes | None = None) -> RunResult:
        """The next day's look at a source."""
        self.now += dt.timedelta(days=1)
        return self.ingestion.run(self.sources[name], file=given)

    def run(self, name: str) -> StoredRun:
        """The newest run of a source."""
        found = last_run(self.connection, name)
        assert found is not None
        return found

    def state(self, name: str) -> SourceState:
        """How a source stands."""
        (found,) = [state for state in source_states(self.connection) if state.source == name]
        return found

    def tariffs(self, **wanted: Any) -> dict[tuple[str, str, int], PublishedTariff]:
        """What is known on the day of the first look."""
        found = tariffs_on(self.database, TariffFilter(**wanted), on=START.date(), limit=1000)
        return {(one.tariff.offer, one.tariff.option, one.tariff.power_kva): one for one in found}

    def count(self, table: str) -> int:
        """How many rows a table has."""
        row = self.connection.execute(f"select count(*) from {table}".encode()).fetchone()
        assert row
        return int(row[0])


@pytest.fixture
def desk_at(database: Callable[[str], Database]) -> Iterator[Callable[[str], Desk]]:
    """Makes a desk over a database."""
    with site() as pages:
        desks = []

        def at(url: str) -> Desk:
            connection = psycopg.connect(url, autocommit=True)
            bind_to_history(connection, 60)
            desks.append(Desk(connection, database(url), pages))
            return desks[-1]

        yield at
        for desk in desks:
            desk.fetcher.close()
            desk.connection.close()


@pytest.fixture
def desk(desk_at: Callable[[str], Desk], filled_url: str) -> Desk:
    """A desk over the shipped catalogue."""
    return desk_at(filled_url)
