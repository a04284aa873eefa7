"""The readers of the grid operator's exports: the hourly CSV and the newer XLSX."""

import re
from collections.abc import Sequence
from itertools import chain

from openwatt.domain.errors import MeterFileError
from openwatt.domain.load_curve import STEPS_MIN, Readings
from openwatt.meter.cells import Column, minute_of
from openwatt.meter.contents import Contents

_PRM_HEADER = "identifiant prm;"
_UNITS = {"w": 1000, "kw": 1_000_000}
#: The two spellings of a header cell differ by accents and unit only.
_START, _END = re.compile(r"date (de )?d[eé]but", re.IGNORECASE), re.compile(r"date (de )?fin", re.IGNORECASE)
_VALUE = re.compile(r"valeur\s*\(\s*(?:en\s+)?(k?wh?)\s*\)", re.IGNORECASE)


def is_export(contents: Contents) -> bool:
    """Whether it is one of the operator's CSV exports, of whatever kind of data."""
    return bool(contents.lines) and contents.lines[0].lower().startswith(_PRM_HEADER)


def refuse_other_export(metadata: str) -> None:
    """Refuses an export that holds no load curve of consumption, by the cells of its second line.

    Raises:
        MeterFileError: saying what it holds and what to bring instead.
    """
    cells = [cell.strip() for cell in metadata.split(";")]
    kind, measured, business, *_ = (*cells[1:2], *cells[4:6], "", "", "")
    if business.lower().startswith("production") or "production" in kind.lower():
        raise MeterFileError("the file is of production, not of consumption; export the consumption")
    if kind.lower() == "index":
        raise MeterFileError(
            "the file holds daily indexes, not a load curve; export the hourly consumption "
            "(or compare the two with `openwatt reconcile`)"
        )
    if "max" in kind.lower() or "max" in measured.lower() or "VA" in cells:
        raise MeterFileError(
            "the file holds daily maxima of power, not a load curve; export the hourly consumption"
        )
    if kind.lower() not in {"courbe de charge", "courbe", ""}:
        raise MeterFileError(f"the file holds {kind!r}, not a load curve; export the hourly consumption")


def read_export(contents: Contents) -> Readings:
    """The hourly CSV: mean power in W, stamped with the **end** of each step.

    The same home's exports may follow each other in one file.

    Raises:
        MeterFileError: another kind of data, two homes, or a row that cannot be read.
    """
    column, milli_per_unit = Column(), 1000
    lines = iter(contents.lines)
    for line in lines:
        lowered = line.lower()
        if lowered.startswith(_PRM_HEADER):
            metadata = next(lines, "")
            refuse_other_export(metadata)
            cells = [cell.strip() for cell in metadata.split(";")]
            column.homes.add(cells[0])
            unit = (cells[7:8] or [""])[0].lower()
            if unit not in _UNITS:
                raise MeterFileError(f"the unit of a load curve is W, the file says {unit!r}")
            milli_per_unit = _UNITS[unit]
        elif not lowered.startswith("horodate;"):
            stamp, separator, value = line.partition(";")
            if not separator:
                raise MeterFileError(f"{line[:40]!r} is no row of a stamp and a value")
            column.add(stamp, value.partition(";")[0], milli_per_unit)
    return column.readings("end")


def is_sheet(contents: Contents) -> bool:
    """Whether it is the operator's XLSX, or its copy as CSV: a start, an end and a value on each row."""
    return _header(_rows(contents, 50)) is not None


def read_sheet(contents: Contents) -> Readings:
    """The newer XLSX: legal time, the start and the end of each step, mean power in kW.

    Raises:
        MeterFileError: production, two homes, or a row that cannot be read.
    """
    rows = _rows(contents)
    found = _header(rows)
    if found is None:
        raise MeterFileError("the sheet has no row of headers Date début, Date fin, Valeur (kW)")
    place, (start, end, value), unit = found
    title = " ".join(str(cell) for row in rows[:place] for cell in row if cell is not None)
    if "production" in title.lower() or "injection" in title.lower():
        raise MeterFileError("the file is of production, not of consumption; export the consumption")
    column = Column(homes=set(re.findall(r"\b\d{14}\b", " ".join(_texts(rows)))))
    is_energy = unit.endswith("h")
    milli_per_unit = 1_000_000 if unit.startswith("k") else 1000
    for row in rows[place + 1 :]:
        if (
            len(row) <= max(start, end, value)
            or row[start] is None
            or _START.fullmatch(str(row[start]).strip())
        ):
            continue
        column.add(row[start], row[value], milli_per_unit, step_between(row[start], row[end]))
    return column.readings("start", is_energy=is_energy)


def step_between(start: object, end: object) -> int:
    """Minutes from one stamp to another, 0 when that is no step (a clock change between them, say)."""
    (first, _), (last, _) = minute_of(start), minute_of(end)
    step = (last or 0) - (first or 0)
    return step if step in STEPS_MIN else 0


def _rows(contents: Contents, limit: int | None = None) -> Sequence[Sequence[object]]:
    """The rows of a sheet, or the cells of lines."""
    return contents.rows[:limit] or [
        [cell.strip().strip('"') for cell in line.split(";")] for line in contents.lines[:limit]
    ]


def _texts(rows: Sequence[Sequence[object]]) -> Sequence[str]:
    return [str(cell) for cell in chain.from_iterable(rows[:20]) if isinstance(cell, (str, int))]


def _header(rows: Sequence[Sequence[object]]) -> tuple[int, tuple[int, int, int], str] | None:
    """The place of the header row, of its start, end and value cells, and the value's unit."""
    for place, row in enumerate(rows[:50]):
        cells = [str(cell or "").strip() for cell in row]
        starts = [n for n, cell in enumerate(cells) if _START.fullmatch(cell)]
        ends = [n for n, cell in enumerate(cells) if _END.fullmatch(cell)]
        values = [(n, found.group(1)) for n, cell in enumerate(cells) if (found := _VALUE.fullmatch(cell))]
        if starts and ends and values:
            return place, (starts[0], ends[0], values[0][0]), values[0][1].lower()
    return None
