"""The unpacking of an uploaded file into what readers take: text, rows of a sheet, or a JSON document."""

import gzip
import io
import json
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any

from openwatt.domain.errors import MeterFileError
from openwatt.meter.bounds import MAX_BYTES, MAX_MEMBERS, Budget, MeterBoundError, Reached, refuse_above
from openwatt.meter.sheets import read_rows

__all__ = ["MAX_BYTES", "Contents", "unpack"]

_READ_BYTES = 1 << 16
#: What stands before each entry of a zip's directory: with them entries are counted before they are built.
_ENTRY = b"PK\x01\x02"
#: Entries of a zip, those of zips stored in it too: 200 workbooks have 15 each.
_MOST_ENTRIES = 5000
#: Where `splitlines` splits, but for the two signs of \r\n that count twice.
_LINE_ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_SEPARATORS = ";,\t"


@dataclass(frozen=True, slots=True)
class Contents:
    """One file, unpacked: its lines of text, or the rows of its sheets, or its JSON document."""

    lines: tuple[str, ...] = ()
    rows: tuple[tuple[object, ...], ...] = field(default=())
    document: Any = None


def unpack(data: bytes) -> tuple[Contents, ...]:
    """The files in some bytes: one, or every member of a zip.

    Raises:
        MeterFileError: when they are empty, damaged, or neither text, JSON nor a sheet.
        MeterBoundError: when they hold more than an upload may.
    """
    refuse_above("bytes", len(data))
    if not data.strip():
        raise MeterFileError("the file is empty")
    if data[:2] == b"\x1f\x8b":
        return unpack(_gunzip(data))
    budget = Budget()
    if data[:4] == b"PK\x03\x04":
        return _unzip(data, budget)
    return (_text(data, budget),)


def _gunzip(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        try:
            unpacked = _bounded(packed, Budget())
        except (OSError, EOFError, zlib.error) as error:
            raise MeterFileError(f"the gzip file is damaged: {error}") from None
    if unpacked[:2] == b"\x1f\x8b":
        raise MeterFileError("the file is a gzip inside a gzip")
    return unpacked


def _bounded(packed: Any, budget: Budget) -> bytes:
    parts = []
    while part := packed.read(_READ_BYTES):
        budget.take("bytes", len(part))
        parts.append(part)
    return b"".join(parts)


def _unzip(data: bytes, budget: Budget) -> tuple[Contents, ...]:
    _refuse_entries(data, _MOST_ENTRIES)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            if "xl/workbook.xml" in names:
                return (_sheet(data, budget),)
            names = [name for name in names if not name.startswith("__MACOSX/")]
            refuse_above("members", len(names))
            members = [_member(archive, name, budget) for name in reversed(names)]
            contents: list[Contents] = []
            while members:
                unpacked = members.pop()
                if unpacked[:4] == b"PK\x03\x04":
                    _refuse_entries(unpacked, _MOST_ENTRIES // MAX_MEMBERS * 10)
                    contents.append(_sheet(unpacked, budget))
                elif unpacked.strip():
                    contents.append(_text(unpacked, budget))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise MeterFileError(f"the zip file cannot be read: {error}") from None
    except (ValueError, UnicodeDecodeError, KeyError) as error:
        raise MeterFileError(f"the zip file is damaged: {error}") from None
    if not contents:
        raise MeterFileError("the zip holds no file")
    return tuple(contents)


def _member(archive: zipfile.ZipFile, name: str, budget: Budget) -> bytes:
    with archive.open(name) as member:
        return _bounded(member, budget)


def _refuse_entries(data: bytes, most: int) -> None:
    """Refuses a zip of too many entries before its directory is read: each costs 600 bytes of memory."""
    if (entries := data.count(_ENTRY)) > most:
        raise MeterBoundError(Reached("members", MAX_MEMBERS, entries))


def _sheet(data: bytes, budget: Budget) -> Contents:
    rows = read_rows(data, budget)
    if not rows:
        raise MeterFileError("the XLSX file holds no row")
    return Contents(rows=rows)


def _text(data: bytes, budget: Budget) -> Contents:
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        text = data.decode("utf-16", errors="replace")
    elif b"\x00" in data:
        raise MeterFileError("the file is binary, not an export of a meter")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    strange = sum(1 for sign in text[:4096] if sign < " " and sign not in "\t\r\n")
    if strange > len(text[:4096]) // 100:
        raise MeterFileError("the file is binary, not an export of a meter")
    if text.lstrip()[:1] in {"{", "["}:
        budget.take("nodes", sum(text.count(sign) for sign in "{[,"))
        try:
            return Contents(document=json.loads(text))
        except (ValueError, RecursionError) as error:
            raise MeterFileError(f"the JSON file is damaged: {error}") from None
    ends = sum(text.count(end) for end in _LINE_ENDS) - text.count("\r\n")
    budget.take("lines", 1 + ends)
    budget.take("cells", 1 + ends + sum(text.count(separator) for separator in _SEPARATORS))
    lines = tuple(line for line in text.splitlines() if line.strip())
    if not lines:
        raise MeterFileError("the file is empty")
    refuse_above("line", max(map(len, lines)))
    return Contents(lines=lines)
