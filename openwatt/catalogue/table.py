"""The reader of the catalogue's CSV files, which types every cell and reports every fault at once."""

import csv
import datetime as dt
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from importlib.resources.abc import Traversable
from io import TextIOWrapper
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO, TypeVar

from openwatt.domain.errors import OpenWattError, TariffError

T = TypeVar("T")
CellReader = Callable[[str], Any]
#: A value and the number of its line in the file, counted from 1 as editors do.
Numbered = tuple[int, T]
#: Names what is wrong between the lines of a file.
TableCheck = Callable[[Sequence[Numbered[T]]], Iterable[str]]
#: First and last day, None where there is none.
Period = tuple[dt.date | None, dt.date | None]
Table = Path | Traversable | TextIO


class CatalogueError(OpenWattError):
    """Raised when a file of the catalogue cannot be used; `faults` names every fault with its line."""

    def __init__(self, file: str, faults: Sequence[str]) -> None:
        self.file = file
        self.faults = tuple(faults)
        super().__init__("\n".join(f"{file}: {fault}" for fault in faults))


def read_table(
    table: Table,
    columns: Mapping[str, CellReader],
    build: Callable[[dict[str, Any]], T],
    check: TableCheck[T] = lambda _: (),
    optional_columns: Mapping[str, CellReader] = MappingProxyType({}),
) -> tuple[T, ...]:
    """Reads the values of a comma-separated UTF-8 file with a header line, in its order.

    `columns` says how each cell is read, `build` makes one line's value and `check`
    names what is wrong between lines. The columns may stand in any order, and a file may
    lack an optional one.

    Raises:
        CatalogueError: with every fault of the file.
    """
    name = _name(table)
    values: list[Numbered[T]] = []
    faults: list[str] = []
    with _opened(table) as lines:
        try:
            reader = csv.reader(lines, strict=True)
            header = next(reader, [])
            faults += _header_faults(header, columns, optional_columns)
            if faults:
                raise CatalogueError(name, faults)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                value, line_faults = _line(header, cells, {**columns, **optional_columns}, build)
                faults += [f"line {reader.line_num}: {fault}" for fault in line_faults]
                if not line_faults:
                    values.append((reader.line_num, value))
        except UnicodeDecodeError as error:
            faults.append(f"is not UTF-8 text (byte {error.start})")
        except csv.Error as error:
            faults.append(f"line {reader.line_num}: is not CSV: {error}")
    faults += check(values)
    if faults:
        raise CatalogueError(name, faults)
    return tuple(value for _, value in values)


def once(subject: Callable[[T], Hashable]) -> TableCheck[T]:
    """The check that no two lines are about the same thing."""

    def check(lines: Sequence[Numbered[T]]) -> Iterator[str]:
        numbers: dict[Hashable, list[int]] = {}
        for number, value in lines:
            numbers.setdefault(subject(value), []).append(number)
        for what, where in numbers.items():
            if len(where) > 1:
                yield f"lines {', '.join(map(str, where))}: {what} stands {len(where)} times"

    return check


def one_value_a_day(subject: Callable[[T], str], period: Callable[[T], Period]) -> TableCheck[T]:
    """The check that no two lines about the same thing share a day; a period includes its two ends."""

    def check(lines: Sequence[Numbered[T]]) -> Iterator[str]:
        last: dict[str, tuple[dt.date, int]] = {}
        for number, value in sorted(lines, key=lambda line: period(line[1])[0] or dt.date.min):
            what, (start, end) = subject(value), period(value)
            before = last.get(what)
            if before and (start or dt.date.min) <= before[0]:
                yield f"lines {before[1]} and {number}: both say {what} on {start or 'the first days'}"
            latest = (end or dt.date.max, number)
            last[what] = max(before, latest) if before else latest

    return check


def _line(
    header: Sequence[str],
    cells: Sequence[str],
    columns: Mapping[str, CellReader],
    build: Callable[[dict[str, Any]], T],
) -> tuple[Any, list[str]]:
    """Reads the value of one line, or every fault in it."""
    if len(cells) != len(header):
        return None, [f"has {len(cells)} cells, the header has {len(header)}"]
    read: dict[str, Any] = {}
    faults = []
    for column, cell in zip(header, cells, strict=True):
        try:
            read[column] = columns[column](_printable(cell.strip()))
        except ValueError as error:
            faults.append(f"{column} {error}")
    if faults:
        return None, faults
    try:
        return build(read), []
    except TariffError as error:
        return None, list(error.faults)
    except ValueError as error:
        return None, [str(error)]


def _printable(cell: str) -> str:
    """Refuses a cell with a NUL or another control character, which no database takes."""
    if not cell.isprintable():
        raise ValueError(f"{cell!r} holds a character that cannot be printed")
    return cell


def _header_faults(
    header: Sequence[str], columns: Mapping[str, CellReader], optional_columns: Mapping[str, CellReader]
) -> list[str]:
    if not header:
        return ["is empty; the first line names the columns"]
    return [
        *(f"line 1: column {column} is missing" for column in columns if column not in header),
        *(
            f"line 1: column {column!r} is not known"
            for column in header
            if column not in {*columns, *optional_columns}
        ),
        *(f"line 1: column {c} stands twice" for c in dict.fromkeys(header) if header.count(c) > 1),
    ]


def _name(table: Table) -> str:
    return str(getattr(table, "name", "the table"))


@contextmanager
def _opened(table: Table) -> Iterator[TextIO]:
    if isinstance(table, Path | Traversable):
        with (
            table.open("rb") as raw,
            TextIOWrapper(raw, encoding="utf-8-sig", newline="") as lines,  # a spreadsheet adds the mark
        ):
            yield lines
    else:
        yield table


def text(cell: str) -> str:
    """Reads a cell that must not be empty."""
    if not cell:
        raise ValueError("is empty")
    return cell


def one_of(words: Iterable[str]) -> CellReader:
    """Makes a reader of cells that hold one of a few words."""
    known = tuple(words)

    def read(cell: str) -> str:
        if cell not in known:
            raise ValueError(f"{cell!r} is none of {', '.join(known)}")
        return cell

    return read


def optional(read: CellReader) -> CellReader:
    """Makes a reader of cells that may be empty, which is None."""
    return lambda cell: read(cell) if cell else None


def or_open(read: CellReader) -> CellReader:
    """Makes a reader of cells that hold a value or the word `open`, which is None."""
    return lambda cell: None if cell == "open" else read(cell)


def day(cell: str) -> dt.date:
    """Reads a date such as 2025-08-01."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", cell, re.ASCII):
        raise ValueError(f"{cell!r} is not a date such as 2025-08-01")
    try:
        return dt.date.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"{cell} is not in the calendar") from None


def number(cell: str) -> Decimal:
    """Reads a decimal number such as 0.1952, with a point and nothing else."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", cell, re.ASCII):
        raise ValueError(f"{cell!r} is not a number such as 0.1952")
    return Decimal(cell)


def whole(cell: str) -> int:
    """Reads a whole number such as 6."""
    if not re.fullmatch(r"\d{1,6}", cell, re.ASCII):
        raise ValueError(f"{cell!r} is not a whole number")
    return int(cell)


def web_address(cell: str) -> str:
    """Reads an address such as https://example.org/grid.pdf."""
    if not re.fullmatch(r"https?://\S+", cell):
        raise ValueError(f"{cell!r} is not a web address")
    return cell


def flag(cell: str) -> bool:
    """Reads 1 or 0 as a boolean."""
    if cell not in {"0", "1"}:
        raise ValueError(f"{cell!r} is neither 0 nor 1")
    return cell == "1"


def source_id(cell: str) -> str:
    """Reads the id of a document: small letters, digits, points and dashes."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", cell):
        raise ValueError(f"{cell!r} is not a source's id such as edf-tarif-bleu-2025-08-01")
    return cell


def source_ids(cell: str) -> tuple[str, ...]:
    """Reads one or more ids of documents, separated by spaces."""
    return tuple(source_id(word) for word in text(cell).split())
