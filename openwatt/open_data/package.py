"""Writes the open-data package: the tables as files, and `datapackage.json`, which says what they hold.

The form is that of Frictionless (https://specs.frictionlessdata.io/data-package/): any tool that knows it
finds types, sources and licences there, and every other one finds plain CSV, JSON Lines and Parquet.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BufferedRandom
from itertools import islice
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import asdict

from openwatt.domain.errors import OpenWattError
from openwatt.open_data.table_schema import table_schema
from openwatt.representations.csv_rows import csv_lines
from openwatt.representations.tariffs import Source, TariffItem, TempoDayItem
from openwatt.store.database import Connection
from openwatt.store.export import export_rows, export_tempo_days

PACKAGE_NAME: Final = "openwatt"
#: The file that says what the others hold.
DESCRIPTOR: Final = "datapackage.json"
#: Form of a table → media type; its file has the name of the table and this form as its ending.
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "csv": "text/csv",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
_BATCH = 1000
_HASHED_AT_ONCE = 1 << 20
#: What OpenWatt adds: reading, checking, putting together.
_OURS = {"name": "MIT", "title": "MIT License", "path": "https://opensource.org/license/mit"}
#: That of the regulator's files on data.gouv.fr.
_LICENCE_OUVERTE = {
    "title": "Licence Ouverte / Open Licence 2.0",
    "path": "https://www.etalab.gouv.fr/licence-ouverte-open-licence/",
}
_OF_LICENCE_OUVERTE = "https://www.data.gouv.fr/"

Create = Callable[[str], BufferedRandom]


class ParquetMissingError(OpenWattError):
    """Raised when Parquet is wanted and pyarrow is not installed; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of the package."""

    name: str
    title: str
    description: str
    item_type: type[msgspec.Struct]
    primary_key: Sequence[str]
    items: Callable[[Connection], Iterator[msgspec.Struct]]


class _TableWriter(Protocol):
    """Writes items of a table in one form."""

    def write(self, items: Sequence[msgspec.Struct], /) -> None:
        """Adds items."""

    def close(self) -> None:
        """Writes what ends the file; the stream stays open."""


class _CsvWriter:
    def __init__(self, stream: BufferedRandom, item_type: type[msgspec.Struct]) -> None:
        self._stream = stream
        self._item_type = item_type
        stream.writelines(line.encode() for line in csv_lines((), item_type))

    def write(self, items: Sequence[msgspec.Struct]) -> None:
        lines = csv_lines(items, self._item_type, header=False)
        self._stream.writelines(line.encode() for line in lines)

    def close(self) -> None:
        pass


class _JsonLinesWriter:
    def __init__(self, stream: BufferedRandom, _item_type: type[msgspec.Struct]) -> None:
        self._stream = stream
        self._encoder = msgspec.json.Encoder(decimal_format="number")

    def write(self, items: Sequence[msgspec.Struct]) -> None:
        self._stream.write(self._encoder.encode_lines(items))

    def close(self) -> None:
        pass


def _parquet_writer(stream: BufferedRandom, item_type: type[msgspec.Struct]) -> _TableWriter:
    from openwatt.open_data.parquet import ParquetTableWriter  # noqa: PLC0415 (an optional extra)

    return ParquetTableWriter(stream, item_type)


_WRITERS: Mapping[str, Callable[[BufferedRandom, type[msgspec.Struct]], _TableWriter]] = {
    "csv": _CsvWriter,
    "jsonl": _JsonLinesWriter,
    "parquet": _parquet_writer,
}


def need_parquet() -> None:
    """Refuses Parquet where its library is not installed.

    Raises:
        ParquetMissingError: naming the extra that brings it.
    """
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 (an optional extra)
    except ImportError:
        raise ParquetMissingError(
            "Parquet needs the extra `portfolio`: pip install 'openwatt[portfolio]', "
            "or leave it out with --no-parquet"
        ) from None


def write_package(
    connection: Connection,
    create: Create,
    *,
    now: dt.datetime,
    changes: Sequence[dt.date],
    forms: Sequence[str],
    on_rows: Callable[[int], None] = lambda _rows: None,
) -> None:
    """Writes each table in each of `forms`, then the descriptor, to the streams that `create` opens by name.

    `changes` are the days on which duties or the network tariff change; `data_status` is that of `now`.
    `on_rows` is called with the number of rows as they are written. Streams are left open, at their end:
    they must be readable too, for their hashes. Memory is bounded, however long the history is.
    All of it is one snapshot of the database.
    """
    resources = []
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        for table in _tables(now, changes):
            streams = {form: create(f"{table.name}.{form}") for form in forms}
            sources = _write_table(table, connection, streams, on_rows)
            resources += [
                _resource(table, form, stream, sources)
                for form, stream in streams.items()
                if form != "jsonl"  # it says the same as the CSV again, which Table Schema cannot describe
            ]
    descriptor = _package(resources, now)
    create(DESCRIPTOR).write(msgspec.json.format(msgspec.json.encode(descriptor), indent=2) + b"\n")


def _tables(now: dt.datetime, changes: Sequence[dt.date]) -> tuple[_Table, ...]:
    def tariffs(connection: Connection) -> Iterator[TariffItem]:
        with closing(export_rows(connection)) as rows:
            for row in rows:
                yield TariffItem.of(row, on=row.applies_from, now=now, changes=changes)

    def tempo_days(connection: Connection) -> Iterator[TempoDayItem]:
        with closing(export_tempo_days(connection)) as rows:
            yield from map(TempoDayItem.of, rows)

    return (
        _Table(
            name="tariffs",
            title="Every observation of every residential electricity tariff",
            description="One row for each time that a tariff (an offer under one option and subscribed "
            "power, from a day) was observed with other figures than before: for what holds now, "
            "take the newest `observed_at` of each `applies_from`. `data_status` is that of the instant "
            "`created` of the package.",
            item_type=TariffItem,
            primary_key=("supplier", "offer", "option", "power_kva", "applies_from", "observed_at"),
            items=tariffs,
        ),
        _Table(
            name="tempo_days",
            title="The colour of every Tempo day",
            description="A Tempo day runs from 06:00 to 06:00 of the next morning, legal time.",
            item_type=TempoDayItem,
            primary_key=("day",),
            items=tempo_days,
        ),
    )


def _write_table(
    table: _Table,
    connection: Connection,
    streams: Mapping[str, BufferedRandom],
    on_rows: Callable[[int], None],
) -> set[Source]:
    """Writes a table in each form and returns where its figures come from."""
    writers = [_WRITERS[form](stream, table.item_type) for form, stream in streams.items()]
    sources: set[Source] = set()
    for batch in _batches(table.items(connection)):
        for writer in writers:
            writer.write(batch)
        for name in ("source", "source_ht"):
            found = (getattr(item, name, None) for item in batch)
            sources |= {msgspec.structs.replace(source, reader=None) for source in found if source}
        on_rows(len(batch))
    for writer in writers:
        writer.close()
    return sources


def _batches(items: Iterable[msgspec.Struct]) -> Iterator[list[msgspec.Struct]]:
    waiting = iter(items)
    while batch := list(islice(waiting, _BATCH)):
        yield batch


def _package(resources: list[dict[str, Any]], now: dt.datetime) -> dict[str, Any]:
    return {
        "profile": "data-package",
        "name": PACKAGE_NAME,
        "title": "French residential electricity tariffs, dated and sourced",
        "description": "Every figure names its source. Prices are facts that the named documents state; the "
        "documents stay their publishers'. The first licence is that of what OpenWatt adds.",
        "created": now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "keywords": ["electricity", "tariffs", "France", "TRVE", "Tempo"],
        "licenses": [_OURS],
        "resources": resources,
    }


def _resource(table: _Table, form: str, stream: BufferedRandom, sources: set[Source]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "profile": "tabular-data-resource" if form == "csv" else "data-resource",
        "name": table.name if form == "csv" else f"{table.name}_{form}",
        "path": f"{table.name}.{form}",
        "title": table.title,
        "description": table.description,
        "format": form,
        "mediatype": MEDIA_TYPES[form],
        "schema": table_schema(table.item_type, table.primary_key),
        "licenses": [_OURS],
        "sources": [_source(source) for source in sorted(sources, key=_order)],
    }
    if form == "csv":  # the validator counts no bytes of Parquet, and would miss them
        digest, size = _digest(stream)
        described |= {"encoding": "utf-8", "bytes": size, "hash": f"sha256:{digest}"}
    if any("license" in source for source in described["sources"]):
        described["licenses"] = [_OURS, _LICENCE_OUVERTE]
    return described


def _digest(stream: BufferedRandom) -> tuple[str, int]:
    """SHA-256 and size of what a stream holds; its position is the end again."""
    size = stream.tell()
    stream.seek(0)
    digest = hashlib.sha256()
    while block := stream.read(_HASHED_AT_ONCE):
        digest.update(block)
    return digest.hexdigest(), size


def _order(source: Source) -> tuple[str, ...]:
    return tuple(str(value or "") for value in asdict(source).values())


def _source(source: Source) -> dict[str, Any]:
    """A source in the descriptor's words, with what else is known of it."""
    described: dict[str, Any] = {"title": source.title, "kind": source.kind}
    if source.url:
        described["path"] = source.url
    if source.document_sha256:
        described["sha256"] = source.document_sha256
    if source.kind == "regulator" and (source.url or "").startswith(_OF_LICENCE_OUVERTE):
        described["license"] = _LICENCE_OUVERTE
    return described
