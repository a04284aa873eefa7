"""The readers of other makers' text files: scripts with named columns, EDF's account, bare stamps."""

import datetime as dt
import re

from openwatt.domain.errors import MeterFileError
from openwatt.domain.load_curve import Readings
from openwatt.meter.cells import Column
from openwatt.meter.contents import Contents
from openwatt.meter.enedis import step_between

_DAY = re.compile(r"(\d{2})/(\d{2})/(\d{4});*")
_EDF_ROW = re.compile(r"(\d{2}):(\d{2})(?::(\d{2}))?;([^;]*)(?:;.*)?")
_STAMP = re.compile(r"(?:\d{4}-\d{2}-\d{2}|\d{2}/\d{2}/\d{4})[ T]\d{2}:\d{2}|\d{10}$")
_UNITS = {"kw": (1_000_000, False), "w": (1000, False), "kwh": (1_000_000, True), "wh": (1000, True)}


def _cells(line: str) -> list[str]:
    return [cell.strip().strip('"').strip() for cell in line.split(";")]


def is_script(contents: Contents) -> bool:
    """Whether its first line names a column `debut`, as scripts in a browser write it."""
    return bool(contents.lines) and _cells(contents.lines[0])[0].lower() in {"debut", "début"}


def read_script(contents: Contents) -> Readings:
    """`debut;…;kW`, stamped with the **start** of the step; kW unless the value's column names another unit.

    Raises:
        MeterFileError: a row that cannot be read.
    """
    header = [cell.lower() for cell in _cells(contents.lines[0])]
    value = len(header) - 1
    if value == 0:
        raise MeterFileError("the file names a column debut and none of values")
    unit = re.search(r"\b(kwh|wh|kw|w)\b", header[value])
    milli_per_unit, is_energy = _UNITS[unit.group(1) if unit else "kw"]
    end = header.index("fin") if "fin" in header else None
    column = Column()
    for line in contents.lines[1:]:
        cells = _cells(line)
        if len(cells) <= value:
            raise MeterFileError(f"{line[:40]!r} has fewer cells than the header")
        step = step_between(cells[0], cells[end]) if end is not None else 0
        column.add(cells[0], cells[value], milli_per_unit, step)
    return column.readings("start", is_energy=is_energy)


def is_edf(contents: Contents) -> bool:
    """Whether a line that is a day precedes lines that are hours."""
    for line, following in zip(contents.lines[:20], contents.lines[1:21], strict=False):
        if _DAY.fullmatch(line.strip()) and _EDF_ROW.fullmatch(following.strip()):
            return True
    return False


def read_edf(contents: Contents) -> Readings:
    """EDF's account: under each day, newest first, `HH:MM:SS;W;nature`.

    A day's block goes from 00:00:00, its newest row, down to 00:30:00: midnight
    closes the day, so that stamps are the **ends** of steps, like those of the grid
    operator from whom EDF has them.

    Raises:
        MeterFileError: a row that cannot be read.
    """
    column = Column()
    day: dt.date | None = None
    for line in contents.lines:
        text = line.strip()
        if found := _DAY.fullmatch(text):
            try:
                day = dt.date(int(found.group(3)), int(found.group(2)), int(found.group(1)))
            except ValueError:
                raise MeterFileError(f"{text[:40]!r} is no day") from None
        elif row := _EDF_ROW.fullmatch(text):
            if day is None:
                raise MeterFileError(f"{text[:40]!r} stands before the first day")
            closes = row.group(1) == row.group(2) == "00"
            try:
                stamp_day = day + dt.timedelta(days=1) if closes else day
            except OverflowError:
                raise MeterFileError(f"{day} is not a time of this century") from None
            stamp = f"{stamp_day}T{row.group(1)}:{row.group(2)}:{row.group(3) or '00'}"
            column.add(stamp, row.group(4), 1000)
        elif day is not None:
            raise MeterFileError(f"{text[:40]!r} is neither a day nor an hour with its power")
    return column.readings("end")


def is_bare(contents: Contents) -> bool:
    """Whether its lines are stamps with a value and nothing names them."""
    if not contents.lines:
        return False
    cells = _cells(contents.lines[0])
    return len(cells) >= 2 and bool(_STAMP.match(cells[0]))


def read_bare(contents: Contents) -> Readings:
    """`stamp;W` without a header, stamped with the **end** of the step.

    Raises:
        MeterFileError: a row that cannot be read, or rows of more than one value.
    """
    column = Column()
    for line in contents.lines:
        cells = _cells(line)
        if len(cells) < 2 or any(cells[2:]):
            raise MeterFileError(f"{line[:40]!r} is no row of a stamp and a value")
        column.add(cells[0], cells[1], 1000)
    return column.readings("end")
