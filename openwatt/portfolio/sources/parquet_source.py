"""Parquet as a source of homes: one file, or a dataset of many, whose rows of one home lie together."""

import errno
import os
import threading
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from openwatt.domain.legal_time import Minutes
from openwatt.portfolio.billing.kernel import MeteredHome, Unreadable
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.sources.parquet_files import ParquetFiles, hive_values
from openwatt.portfolio.sources.source import (
    MOST_STEPS_PER_BATCH,
    Batch,
    HomeSettings,
    Piece,
    PieceIndex,
    batch_size,
    hashes_of,
)
from openwatt.portfolio.sources.table import (
    SCHEMA,
    SETTING_SCHEMA,
    SEVERAL_ROWS,
    Stretch,
    home_runs,
    homes_of,
    is_list_form,
    refuse_other_columns,
    stretches_of,
)

#: What pyarrow and stores raise of a file that is damaged or cannot be opened.
_FAULTS = (pa.ArrowException, OSError)
_COLUMNS = (*SCHEMA, *SETTING_SCHEMA)
_ROWS_PER_READ = 1 << 17
_SCATTERED = "its rows do not lie together: sort the table by home and start"


class _Place(NamedTuple):
    """The rows of a batch in its file, from one to another.

    Of homes that have rows elsewhere too, `first` are the rows where one appears first,
    and `again` those where one that appeared before goes on.
    """

    start: int
    end: int
    first: frozenset[int]
    again: frozenset[int]
    is_list_form: bool


class _Entry(NamedTuple):
    """The first rows of a home that follow each other."""

    home: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """Parquet files with the columns of `table.SCHEMA`; `now` tells which rows lie in the future."""

    files: ParquetFiles
    now: datetime

    @classmethod
    def at(
        cls, address: str | Path, now: datetime, left_out: frozenset[Path] = frozenset()
    ) -> "ParquetSource":
        """The source of a path or of an fsspec address."""
        return cls(ParquetFiles(str(address), left_out), now)

    def pieces(self) -> Sequence[Piece]:
        """The files, in the order of their paths; their times and sizes tell that they changed.

        Raises:
            PortfolioError: when there is none, or they cannot be listed.
        """
        try:
            found = self.files.listed()
        except OSError as error:
            raise PortfolioError(f"{self.files} cannot be read: {error.strerror or error}") from None
        if not found:
            raise PortfolioError(f"{self.files} is no folder of Parquet files")
        return [Piece(*one) for one in found]

    def has_powers(self) -> bool:
        """Whether the first file says the power of its homes."""
        try:
            name = self.pieces()[0].name
            return "power_kva" in {*self.files.open(name).schema_arrow.names, *hive_values(name)}
        except _FAULTS:
            return False  # The index says what is wrong with it.

    def index(self, number: int, piece: Piece, settings: HomeSettings) -> PieceIndex:
        """The homes in the order of the file, from a first pass over the column `home` alone.

        Raises:
            PortfolioError: when it is no Parquet file, has other columns, or a row has no home.
        """
        name = self._name_of(piece)
        try:
            reader = PieceReader(self.files, piece, ["home"])
            refuse_other_columns(name, reader.schema)
            entries, scattered, again = _entries(reader, name)
        except _FAULTS as error:
            raise PortfolioError(f"{name} is no Parquet file that can be read: {error}") from None
        if not entries and not piece.name:
            raise PortfolioError(f"{name} holds no row")
        homes = [entry.home for entry in entries]
        batches = list(_batches(entries, scattered, np.array(again, dtype=np.int64), reader))
        return PieceIndex(number, batches, hashes_of(homes), piece.version, settings.count(homes))

    def read(self, piece: Piece, batch: Batch, settings: HomeSettings) -> Iterator[MeteredHome]:
        """The homes of one batch; its rows alone are in memory.

        Raises:
            PortfolioError: when not even the names of its homes can be read, or the file was changed.
        """
        place: _Place = batch.place
        stretches, homes = self._read(piece, place, settings)
        reason = SEVERAL_ROWS if place.is_list_form else _SCATTERED
        found = 0
        for one, home in zip(stretches, homes, strict=True):
            row = place.start + one.first
            if row not in place.again:
                found += 1
                yield home._replace(measured=Unreadable(reason)) if row in place.first else home
        if found != batch.homes:
            raise PortfolioError("a file of the source was changed while it was read")

    def _read(
        self, piece: Piece, place: "_Place", settings: HomeSettings
    ) -> tuple[Sequence[Stretch], Iterator[MeteredHome]]:
        try:
            rows = _reader(self.files, piece).rows(place.start, place.end)
        except _FAULTS as error:
            _HELD.reader = None
            unreadable = Unreadable(f"the table cannot be read: {error}")
        else:
            stretches = stretches_of(rows)
            return stretches, homes_of(rows, stretches, settings, self.now)
        try:
            names = PieceReader(self.files, piece, ["home"]).rows(place.start, place.end)
        except _FAULTS as error:
            # A text of the error may have the file's name, and workers log what is raised.
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise PortfolioError(f"a file of the source cannot be read: {reason}") from None
        stretches = stretches_of(names)
        homes = (one.home or "" for one in stretches)
        return stretches, (MeteredHome(home, settings.of(home), unreadable) for home in homes)

    def _name_of(self, piece: Piece) -> str:
        return f"{self.files}/{piece.name}" if piece.name else str(self.files)


class PieceReader:
    """Reads the rows of one file in their order; what was read last stays, for the next batch of the file."""

    def __init__(self, files: ParquetFiles, piece: Piece, columns: Sequence[str]) -> None:
        self.key = files, piece
        self._file = files.open(piece.name)
        names = self._file.schema_arrow.names
        in_folder = {name: _of_folder(name, value) for name, value in hive_values(piece.name).items()}
        in_folder = {
            name: value for name, value in in_folder.items() if name in _COLUMNS and name not in names
        }
        self._in_folder = {name: value for name, value in in_folder.items() if name in columns}
        self._columns = [name for name in columns if name in names]
        self.schema = self._file.schema_arrow
        for name, value in in_folder.items():
            self.schema = self.schema.append(pa.field(name, value.type))
        sizes = [self._file.metadata.row_group(n).num_rows for n in range(self._file.num_row_groups)]
        #: Where each row group begins, and where the last ends.
        self.groups: Minutes = np.cumsum([0, *sizes], dtype=np.int64)
        self._at = 0
        self._held: pa.RecordBatch | None = None
        self._chunks = self._chunks_from(0)

    @property
    def values_per_row(self) -> int:
        """How many measurements a row holds on average: one, but for lists."""
        metadata = self._file.metadata
        if not is_list_form(self.schema) or not metadata.num_rows:
            return 1
        columns = [metadata.row_group(0).column(n) for n in range(metadata.num_columns)]
        places = [n for n, column in enumerate(columns) if column.path_in_schema.split(".")[0] == "wh"]
        values: int = sum(
            metadata.row_group(group).column(places[0]).num_values for group in range(metadata.num_row_groups)
        )
        return max(1, values // int(metadata.num_rows))

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """All rows."""
        yield from map(self._with_folder_columns, self._chunks_from(0))

    def rows(self, start: int, end: int) -> pa.Table:
        """The rows from one to another."""
        group = self._group_of(start)
        held = len(self._held) if self._held is not None else 0
        if start < self._at or self.groups[group] > self._at + held:
            self._chunks, self._held, self._at = self._chunks_from(group), None, int(self.groups[group])
        found = []
        while self._at < end:
            if self._held is None:
                self._held = next(self._chunks, None)
            if self._held is None:
                break
            size = len(self._held)
            low, high = max(start - self._at, 0), min(end - self._at, size)
            if low < high:
                found.append(self._with_folder_columns(self._held.slice(low, high - low)))
            if high < size:
                break
            self._at, self._held = self._at + size, None
        if not found:
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
        return pa.Table.from_batches(found)

    def _group_of(self, row: int) -> int:
        return int(np.searchsorted(self.groups[:-1], row, side="right")) - 1

    def _chunks_from(self, group: int) -> Iterator[pa.RecordBatch]:
        """All rows from a row group on."""
        groups = list(range(group, self._file.num_row_groups))
        chunks: Iterator[pa.RecordBatch] = self._file.iter_batches(
            _ROWS_PER_READ, row_groups=groups, columns=self._columns, use_threads=False
        )
        return chunks

    def _with_folder_columns(self, chunk: pa.RecordBatch) -> pa.RecordBatch:
        for name, value in self._in_folder.items():
            codes = pa.array(np.zeros(len(chunk), dtype=np.int32))
            chunk = chunk.append_column(name, value.take(codes))
        return chunk


def _of_folder(name: str, value: str) -> Any:
    """A value that a folder's name says, as a column of one row."""
    return pa.array([int(value) if name == "power_kva" and value.isdecimal() else value])


#: The reader of each thread, which goes on where its last batch ended.
_HELD = threading.local()


def _reader(files: ParquetFiles, piece: Piece) -> PieceReader:
    reader: PieceReader | None = getattr(_HELD, "reader", None)
    if reader is None or reader.key != (files, piece):
        reader = _HELD.reader = PieceReader(files, piece, _COLUMNS)
    return reader


def _entries(reader: PieceReader, name: str) -> tuple[Sequence[_Entry], set[int], "array[int]"]:
    """The first rows of each home, which homes go on elsewhere, and the rows where they do."""
    places: dict[str, int] = {}
    entries: list[_Entry] = []
    scattered: set[int] = set()
    again = array("q")
    row = 0
    rows_are_homes = is_list_form(reader.schema)
    for chunk in reader.chunks():
        column = chunk.column("home")
        runs = ((home, 1) for home in column.to_pylist()) if rows_are_homes else home_runs(column)
        for home, size in runs:
            if home is None:
                raise PortfolioError(f"{name}: row {row + 1} names no home")
            place = places.setdefault(home, len(entries))
            if place == len(entries):
                entries.append(_Entry(home, row, row + size))
            elif not rows_are_homes and entries[place].end == row:
                entries[place] = entries[place]._replace(end=row + size)
            else:
                scattered.add(place)
                again.append(row)
            row += size
    return entries, scattered, again


def _batches(
    entries: Sequence[_Entry], scattered: set[int], again: Minutes, reader: PieceReader
) -> Iterator[Batch]:
    """Runs of homes that the kernel costs at once; where it can be, they end with a row group."""
    most, most_rows = batch_size(len(entries)), max(1, MOST_STEPS_PER_BATCH // reader.values_per_row)
    starts = np.array([entry.start for entry in entries], dtype=np.int64)
    group_ends = dict(zip(reader.groups[:-1].tolist(), reader.groups[1:].tolist(), strict=True))
    first = 0
    for number in range(1, len(entries) + 1):
        if number < len(entries):
            entry, begin = entries[number], entries[first].start
            homes = number - first
            fits = homes < most and entry.end - begin <= most_rows
            if fits and (end := group_ends.get(entry.start)) is not None:
                of_group = int(np.searchsorted(starts, end)) - number
                fits = homes + of_group <= most and end - begin <= most_rows
            if fits:
                continue
        start, end = entries[first].start, entries[number - 1].end
        low, high = np.searchsorted(again, (start, end))
        yield Batch(
            number - first,
            _Place(
                start,
                end,
                frozenset(entries[place].start for place in scattered.intersection(range(first, number))),
                frozenset(again[low:high].tolist()),
                is_list_form(reader.schema),
            ),
        )
        first = number
