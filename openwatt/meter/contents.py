"""The unpacking of an uploaded file into what readers take: lines of text, sheets, or a JSON document."""

import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from openwatt.domain.errors import MeterFileError
from openwatt.domain.messages import Message
from openwatt.meter.bounds import MAX_BYTES, MAX_MEMBERS, Budget, MeterBoundError, Reached, refuse_above
from openwatt.meter.grids import SheetGrid, TextLines
from openwatt.meter.refusals import refused
from openwatt.meter.sheets import read_sheets

__all__ = ["MAX_BYTES", "Contents", "Document", "unpack"]

_READ_BYTES = 1 << 16
#: What stands before each entry of a zip's directory: with them entries are counted before they are built.
_ENTRY = b"PK\x01\x02"
#: Entries of a zip, those of zips stored in it too: 200 workbooks have 15 each.
_MOST_ENTRIES = 5000
#: Where `splitlines` splits too.
_LINE_ENDS = tuple(end.encode() for end in "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
_NEWLINE, *_SEPARATORS = b"\n;,\t"
_MARKS = {
    b"%PDF": "pdf",
    b"\xd0\xcf\x11\xe0": "old_excel",
    b"<!DO": "web_page",
    b"<htm": "web_page",
    b"<HTM": "web_page",
}
"""The first bytes of what is no export, and what it is."""


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document."""

    value: Any


#: One file, unpacked: its lines, its sheets, or its document.
Contents = TextLines | tuple[SheetGrid, ...] | Document


def unpack(data: bytes) -> tuple[Contents, ...]:
    """The files in some bytes: one, or every member of a zip.

    Raises:
        MeterFileError: when they are empty, damaged, or neither text, JSON nor a sheet.
        MeterBoundError: when they hold more than an upload may.
    """
    refuse_above("bytes", len(data))
    if not data.strip():
        raise MeterFileError(Message("file.empty"))
    if data[:2] == b"\x1f\x8b":
        return unpack(_gunzip(data))
    budget = Budget()
    if data[:4] == b"PK\x03\x04":
        return _unzip(data, budget)
    return (_text(data, budget),)


def pack(files: Iterable[bytes]) -> bytes:
    """Several files as the one that `unpack` takes them from.

    Raises:
        MeterBoundError: when there are more bytes or files than an upload may hold.
    """
    stream, budget = io.BytesIO(), Budget()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, data in enumerate(files):
            budget.take("bytes", len(data))
            budget.take("members", 1)
            archive.writestr(f"{number:03}", data)
    return stream.getvalue()


def _gunzip(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        try:
            unpacked = _bounded(packed, Budget())
        except (OSError, EOFError, zlib.error) as error:
            raise MeterFileError(Message.of("file.damaged_gzip", error=str(error)[:100])) from None
    if unpacked[:2] == b"\x1f\x8b":
        raise MeterFileError(Message("file.nested_gzip"))
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
        raise MeterFileError(Message.of("file.unreadable_zip", error=str(error)[:100])) from None
    except (ValueError, UnicodeDecodeError, KeyError) as error:
        raise MeterFileError(Message.of("file.damaged_zip", error=type(error).__name__)) from None
    if not contents:
        raise MeterFileError(Message("file.empty_zip"))
    return tuple(contents)


def _member(archive: zipfile.ZipFile, name: str, budget: Budget) -> bytes:
    with archive.open(name) as member:
        return _bounded(member, budget)


def _refuse_entries(data: bytes, most: int) -> None:
    """Refuses a zip of too many entries before its directory is read: each costs 600 bytes of memory."""
    if (entries := data.count(_ENTRY)) > most:
        raise MeterBoundError(Reached("members", MAX_MEMBERS, entries))


def _sheet(data: bytes, budget: Budget) -> tuple[SheetGrid, ...]:
    sheets = tuple(SheetGrid(title, rows) for title, rows in read_sheets(data, budget) if rows)
    if not sheets:
        raise MeterFileError(Message("file.empty_workbook"))
    return sheets


def _text(data: bytes, budget: Budget) -> TextLines | Document:
    if kind := _MARKS.get(data.lstrip()[:4]):
        raise refused(kind)
    data = _utf8(data)
    strange = sum(1 for sign in data[:4096] if sign < 32 and sign not in b"\t\r\n\x0b\x0c\x1c\x1d\x1e")
    if strange > len(data[:4096]) // 100:
        raise MeterFileError(Message("file.binary"))
    if data.lstrip()[:1] in {b"{", b"["}:
        budget.take("nodes", sum(data.count(sign) for sign in (b"{", b"[", b",")))
        try:
            return Document(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise MeterFileError(Message.of("file.damaged_json", error=str(error)[:100])) from None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    for end in _LINE_ENDS:
        if end in data:
            data = data.replace(end, b"\n")
    signs = np.frombuffer(data, dtype=np.uint8)
    ends = int(np.count_nonzero(signs == _NEWLINE))
    budget.take("lines", 1 + ends)
    budget.take("cells", 1 + ends + sum(int(np.count_nonzero(signs == one)) for one in _SEPARATORS))
    lines = TextLines(data)
    if not len(lines):
        raise MeterFileError(Message("file.empty"))
    refuse_above("line", int((lines.ends - lines.begins).max()))
    return lines


def _utf8(data: bytes) -> bytes:
    """A text in whichever encoding, as UTF-8 without the mark at its beginning."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", errors="replace").encode("utf-8", errors="replace")
    if b"\x00" in data:
        raise MeterFileError(Message("file.binary"))
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.isascii():
        return data
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1").encode("utf-8")
    return data
