"""A Parquet table of measurements as a source of homes: columns home, start, step_minutes and wh.

Of the package only this and `parquet_results` know pyarrow, an optional extra: both are imported on demand.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openwatt.domain.errors import OpenWattError
from openwatt.domain.load_curve import LoadCurve, Readings, build_curve, measure_readings
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.folder import Entry, cut
from openwatt.portfolio.kernel import MeteredHome, Unreadable
from openwatt.portfolio.source import Batch, HomeSettings, Piece, PieceIndex, batch_size, hashes_of
from openwatt.sentences.catalogue import sentence

#: What the table holds; docs/use.md has the same words.
SCHEMA = {
    "home": "string",
    "start": "timestamp with a time zone",
    "step_minutes": "integer",
    "wh": "integer or decimal",
}
_ROWS_PER_READ = 1 << 17
#: Rows of a batch: sixty homes of a year at 30 minutes.
_ROWS_PER_BATCH = 1 << 20
#: What pyarrow raises of a file that is damaged or cannot be opened.
_FAULTS = (pa.ArrowException, OSError)
_SCATTERED = "its rows do not lie together: sort the table by home and start"


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file whose rows of one home lie together; `now` tells which of them lie in the future.

    A row is the energy, in Wh, of one step from an instant; nulls in `wh` are steps
    without a value. Doubles are refused, since they are not exact.
    """

    path: Path
    now: datetime

    def pieces(self) -> Sequence[Piece]:
        """The one file; its time and size tell that it changed."""
        found = self.path.stat()
        return [Piece(self.path.name, f"{found.st_mtime_ns} {found.st_size}")]

    def index(self, number: int, piece: Piece, settings: HomeSettings) -> PieceIndex:
        """The homes in the order of the table."""
        entries = self.entries()
        homes = [entry.home for entry in entries]
        batches = [Batch(len(some), some) for some in cut(entries, batch_size(len(entries)), _ROWS_PER_BATCH)]
        return PieceIndex(number, batches, hashes_of(homes), piece.version, settings.count(homes))

    def read(self, piece: Piece, batch: Batch, settings: HomeSettings) -> Iterator[MeteredHome]:  # noqa: ARG002
        """The curve of each home; at most one batch's rows are in memory."""
        for entry, measured in zip(batch.place, self._measured(batch.place), strict=True):
            yield MeteredHome(entry.home, settings.of(entry.home), measured)

    def entries(self) -> Sequence[Entry]:
        """The homes in the order of the table, from a first pass over the column `home` alone.

        Raises:
            PortfolioError: when it is no Parquet file, has other columns, or a row has no home.
        """
        places: dict[str, int] = {}
        entries: list[Entry] = []
        row = 0
        try:
            with self._open() as file:
                refuse_other_columns(self.path, file.schema_arrow)
                for batch in file.iter_batches(_ROWS_PER_READ, columns=["home"]):
                    for home, size in home_runs(batch.column(0)):
                        if home is None:
                            raise PortfolioError(f"{self.path}: row {row + 1} names no home")
                        _add(entries, places, Entry(home, row, size))
                        row += size
        except _FAULTS as error:
            raise PortfolioError(f"{self.path} is no Parquet file that can be read: {error}") from None
        if not entries:
            raise PortfolioError(f"{self.path} holds no row")
        return entries

    def _measured(self, entries: Sequence[Entry]) -> Iterator[LoadCurve | Unreadable]:
        """The curve of each home; at most one batch's rows are in memory."""
        first, last = entries[0].at, entries[-1].at + entries[-1].size
        try:
            with self._open() as file:
                columns = _columns(_rows(file, first, last))
        except _FAULTS as error:
            yield from (Unreadable(f"the table cannot be read: {error}") for _ in entries)
            return
        for entry in entries:
            rows = slice(entry.at - first, entry.at - first + entry.size)
            yield Unreadable(entry.fault) if entry.fault else _curve([one[rows] for one in columns], self.now)

    def _open(self) -> Any:

        return pq.ParquetFile(self.path)


def curves_of(rows: pa.Table, now: datetime) -> Iterator[tuple[str | None, LoadCurve | Unreadable]]:
    """Each home's name and curve, of rows with the columns of `SCHEMA`, those of one home together."""
    runs = list(home_runs(rows["home"].combine_chunks()))
    firsts = np.cumsum([0, *(size for _, size in runs)]).tolist()
    try:
        columns = _columns(rows)
    except pa.ArrowException as error:
        if len(runs) == 1:
            yield runs[0][0], Unreadable(f"its measurements cannot be read: {error}")
            return
        for (_, size), first in zip(runs, firsts[:-1], strict=True):
            yield from curves_of(rows.slice(first, size), now)
        return
    for (home, size), first in zip(runs, firsts[:-1], strict=True):
        yield home, _curve([one[first : first + size] for one in columns], now)


def _curve(columns: Sequence[Any], now: datetime) -> LoadCurve | Unreadable:
    starts_us, steps_min, milli_wh, present = columns
    if (starts_us % 60_000_000).any():
        return Unreadable("a start does not fall on a whole minute")
    if (steps_min < 1).any() or (steps_min > 1440).any():
        return Unreadable("step_minutes are not all from 1 to 1440")
    readings = Readings(
        stamps_min=starts_us // 60_000_000,
        milli=milli_wh,
        present=present,
        steps_min=steps_min,
        stamp_is="start",
        is_energy=True,
    )
    try:
        return build_curve([measure_readings(readings, now)])
    except OpenWattError as error:
        return Unreadable(sentence(error))


def _add(entries: list[Entry], places: dict[str, int], entry: Entry) -> None:
    """Adds a stretch of a home's rows: to the stretch that it goes on, or to a fault of its home."""
    place = places.setdefault(entry.home, len(entries))
    if place == len(entries):
        entries.append(entry)
    elif place == len(entries) - 1 and entries[place].at + entries[place].size == entry.at:
        entries[place] = entries[place]._replace(size=entries[place].size + entry.size)
    else:
        entries[place] = entries[place]._replace(fault=_SCATTERED)


def refuse_other_columns(name: str | Path, schema: Any) -> None:
    """Refuses a table that has not the columns of `SCHEMA`.

    Raises:
        PortfolioError: naming what is wrong with the columns of the table of that name.
    """
    fits: Mapping[str, Callable[[Any], bool]] = {
        "home": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
        "start": lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None,
        "step_minutes": pa.types.is_integer,
        "wh": lambda kind: pa.types.is_integer(kind) or pa.types.is_decimal(kind),
    }
    faults = []
    for column, wanted in SCHEMA.items():
        if column not in schema.names:
            faults.append(f"column {column} ({wanted}) is missing")
        elif not fits[column](_plain(schema.field(column).type)):
            faults.append(f"column {column} is {schema.field(column).type}, not {wanted}")
    if faults:
        raise PortfolioError(f"{name}: {'; '.join(faults)}")


def _plain(kind: Any) -> Any:

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def home_runs(homes: Any) -> Iterator[tuple[str | None, int]]:
    """Stretches of one home's name that follow each other, with their lengths."""
    compute: Any = pc  # the stubs lack this function
    runs = compute.run_end_encode(homes.cast(pa.large_string()))
    ends = runs.run_ends.to_numpy()
    return zip(runs.values.to_pylist(), np.diff(ends, prepend=0).tolist(), strict=True)


def _rows(file: Any, first: int, last: int) -> Any:
    """The rows of the table between two places, read in batches: a row group may have any size."""
    groups, row, skipped = [], 0, 0
    for number in range(file.num_row_groups):
        size = file.metadata.row_group(number).num_rows
        if row + size <= first:
            skipped += size
        elif row < last:
            groups.append(number)
        row += size
    batches, at = [], skipped
    for batch in file.iter_batches(
        _ROWS_PER_READ, row_groups=groups, columns=["start", "step_minutes", "wh"]
    ):
        low, high = max(first - at, 0), min(last - at, len(batch))
        if low < high:
            batches.append(batch.slice(low, high - low))
        at += len(batch)
        if at >= last:
            break
    return pa.Table.from_batches(batches)


def _columns(rows: Any) -> list[Any]:
    """Starts in µs UTC, steps, energies in mWh (0 where there is none), and which rows have all three."""
    starts = rows["start"].cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    wh = rows["wh"]
    if pa.types.is_decimal(wh.type):
        exact = pc.round(wh, 3).cast(pa.decimal128(22, 3), safe=False)
        milli = pc.multiply_checked(exact, pa.scalar(Decimal(1000))).cast(pa.int64())
    else:
        milli = pc.multiply_checked(wh.cast(pa.int64()), 1000)
    present = pc.and_(pc.is_valid(wh), pc.is_valid(rows["start"]))
    whole = [pc.fill_null(one, 0) for one in (starts, rows["step_minutes"].cast(pa.int64()), milli)]
    return [one.to_numpy() for one in (*whole, present)]
