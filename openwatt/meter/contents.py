"""From the bytes of a dropped file to what readers look at: text, a sheet's rows, or a JSON document."""

import gzip
import io
import json
import warnings
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import ParseError

from openwatt.domain.errors import MeterFileError

#: More than ten years of one home at 10 minutes fits; what is larger was not made by a meter.
MAX_BYTES = 32 * 1024 * 1024
MAX_MEMBERS = 200
_READ_BYTES = 1 << 16
#: What openpyxl lets through when a sheet is damaged.
_SHEET_FAULTS = (
    *(
        zipfile.BadZipFile,
        zlib.error,
        ParseError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
    ),
    *(OSError, EOFError, OverflowError, AssertionError, NotImplementedError, RuntimeError),
)


@dataclass(frozen=True, slots=True)
class Contents:
    """One file, unpacked: its lines of text, or the rows of its first sheet, or its JSON document."""

    lines: tuple[str, ...] = ()
    rows: tuple[tuple[object, ...], ...] = field(default=())
    document: Any = None


def unpack(data: bytes) -> tuple[Contents, ...]:
    """The files in some bytes: one, or every member of a zip.

    Raises:
        MeterFileError: when they are empty, too large, damaged, or neither text, JSON nor a sheet.
    """
    _refuse_large(len(data))
    if not data.strip():
        raise MeterFileError("the file is empty")
    if data[:2] == b"\x1f\x8b":
        return unpack(_gunzip(data))
    if data[:4] == b"PK\x03\x04":
        return _unzip(data)
    return (_text(data),)


def _refuse_large(size: int) -> None:
    if size > MAX_BYTES:
        limit = MAX_BYTES // (1024 * 1024)
        raise MeterFileError(
            f"the file is larger than {limit} MB once unpacked, a year of a meter is about 1 MB"
        )


def _gunzip(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        try:
            unpacked = _bounded(packed)
        except (OSError, EOFError, zlib.error) as error:
            raise MeterFileError(f"the gzip file is damaged: {error}") from None
    if unpacked[:2] == b"\x1f\x8b":
        raise MeterFileError("the file is a gzip inside a gzip")
    return unpacked


def _bounded(packed: Any, used: int = 0) -> bytes:
    parts = []
    while part := packed.read(_READ_BYTES):
        used += len(part)
        _refuse_large(used)
        parts.append(part)
    return b"".join(parts)


def _unzip(data: bytes) -> tuple[Contents, ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            if "xl/workbook.xml" in names:
                _refuse_large(sum(info.file_size for info in archive.infolist()))
                return (_sheet(data),)
            names = [name for name in names if not name.startswith("__MACOSX/")]
            if len(names) > MAX_MEMBERS:
                raise MeterFileError(f"the zip holds {len(names)} files, {MAX_MEMBERS} at most are read")
            contents: list[Contents] = []
            used = 0
            for name in names:
                with archive.open(name) as member:
                    unpacked = _bounded(member, used)
                used += len(unpacked)
                if unpacked[:4] == b"PK\x03\x04":
                    contents.append(_sheet(unpacked))
                elif unpacked.strip():
                    contents.append(_text(unpacked))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise MeterFileError(f"the zip file cannot be read: {error}") from None
    except (ValueError, UnicodeDecodeError, KeyError) as error:
        raise MeterFileError(f"the zip file is damaged: {error}") from None
    if not contents:
        raise MeterFileError("the zip holds no file")
    return tuple(contents)


def _sheet(data: bytes) -> Contents:
    import openpyxl  # noqa: PLC0415 (0.2 s that only a reader of XLSX should pay)

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _refuse_large(sum(info.file_size for info in archive.infolist()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # A sheet without styles is no concern of its reader.
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            rows = tuple(
                tuple(row)
                for sheet in book.worksheets
                for row in sheet.iter_rows(values_only=True)
                if any(cell is not None for cell in row)
            )
            book.close()
    except _SHEET_FAULTS as error:
        raise MeterFileError(f"the XLSX file cannot be read: {type(error).__name__}") from None
    if not rows:
        raise MeterFileError("the XLSX file holds no row")
    return Contents(rows=rows)


def _text(data: bytes) -> Contents:
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
        try:
            return Contents(document=json.loads(text))
        except (ValueError, RecursionError) as error:
            raise MeterFileError(f"the JSON file is damaged: {error}") from None
    lines = tuple(line for line in text.splitlines() if line.strip())
    if not lines:
        raise MeterFileError("the file is empty")
    return Contents(lines=lines)
