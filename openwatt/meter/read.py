"""The reading of a customer's file, whoever made it: it is recognised by what is in it, never by its name.

1. `contents`: bytes, packed or not, become lines of text, sheets, or a JSON document, within `bounds`.
2. `tables`: a grid of cells (`grids`) has its header somewhere in its first rows, and its columns are known
   by the words of the `vocabulary`: stamps, values, units, steps, direction. What two meanings fit is refused
   with both, unless the customer's `options` say which. Layouts that are no table have readers of their own:
   `day_blocks`, `documents`, `indexes`, `home_assistant`.
3. `measurements`: whole columns become arrays (`columns`); a cell that is not regular is read by
   itself (`cells`), with the same result.
4. `openwatt.domain.load_curve`: the rows become one curve, with findings about what was odd.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from openwatt.domain.errors import LoadCurveError, MeterFileError
from openwatt.domain.load_curve import (
    Export,
    FileOrigin,
    Finding,
    LoadCurve,
    Measured,
    Readings,
    build_curve,
    measure_readings,
)
from openwatt.domain.messages import Message
from openwatt.meter.cells import quoted
from openwatt.meter.contents import Contents, Document, unpack
from openwatt.meter.day_blocks import are_day_blocks, read_day_blocks
from openwatt.meter.documents import read_document
from openwatt.meter.grids import Grid, SheetGrid, TextGrid, TextLines
from openwatt.meter.home_assistant import is_energy_export, read_energy_export
from openwatt.meter.options import NO_OPTIONS, FileOptions
from openwatt.meter.refusals import reason_of, refuse_two_homes, refused, refused_kind
from openwatt.meter.tables import export_of, find_header, read_table
from openwatt.meter.vocabulary import PERIOD, kind_of

_DELIMITERS = ";\t,"
#: Lines by which a file is recognised.
_FIRST_LINES = 30


def read_load_curve(data: bytes, now: dt.datetime, options: FileOptions = NO_OPTIONS) -> LoadCurve:
    """The load curve in a file, or in the several files of one home in a zip.

    Raises:
        MeterFileError: with the reason and, where there is one, what to bring instead.
    """
    measured: list[Measured] = []
    origins: list[FileOrigin] = []
    homes: set[str] = set()
    refusals: list[MeterFileError] = []
    for part in _parts(unpack(data)):
        try:
            readings, export = _read(part, options)
            measured.append(measure_readings(readings, now))
            origins.append(FileOrigin(_format_of(part), export))
            homes |= readings.homes
        except MeterFileError as error:
            refusals.append(error)
        except LoadCurveError as error:
            refusals.append(MeterFileError(error.message or Message("file.no_value")))
    if not measured:
        raise min(refusals, key=_is_of_titles)
    refuse_two_homes(homes)
    curve = build_curve(measured)
    left_out = [
        Finding("left_out", 1, Message.of("finding.left_out_file", reason=reason_of(one)))
        for one in refusals
        if not _is_of_titles(one)
    ]
    return replace(curve, findings=(*curve.findings, *left_out), origins=tuple(dict.fromkeys(origins)))


def _is_of_titles(refusal: MeterFileError) -> bool:
    """Whether a refusal is of a sheet without a table, such as one of titles beside that of the values."""
    return reason_of(refusal).key == "refused.no_table"


_Part = TextLines | SheetGrid | Document


def _parts(files: tuple[Contents, ...]) -> Iterator[_Part]:
    for contents in files:
        if isinstance(contents, tuple):
            yield from contents
        else:
            yield contents


def _format_of(part: _Part) -> Literal["csv", "xlsx", "json"]:
    if isinstance(part, Document):
        return "json"
    return "csv" if isinstance(part, TextLines) else "xlsx"


def _read(part: _Part, options: FileOptions) -> tuple[Readings, Export]:
    """The measurements of a file and whose export it is."""
    if isinstance(part, Document):
        if (readings := read_document(part.value, options)) is None:
            raise refused("document")
        return readings, "enedis_json"
    if isinstance(part, TextLines):
        return _read_text(part, options)
    first = [" ".join(part.row(number)) for number in range(min(len(part), _FIRST_LINES))]
    found = _read_grids([part], first, options)
    if found is None:
        raise refused("no_table")
    return found


def _read_text(lines: TextLines, options: FileOptions) -> tuple[Readings, Export]:
    first = [lines[number] for number in range(min(len(lines), _FIRST_LINES))]
    if are_day_blocks(first):
        return read_day_blocks(lines.every()), "edf_account"
    if is_energy_export(first[0]):
        return read_energy_export(first), "home_assistant"
    found = _read_grids([TextGrid(lines, delimiter) for delimiter in _DELIMITERS], first, options)
    if found is None:
        raise refused("unknown", first=quoted(first[0].strip()))
    return found


def _read_grids(
    grids: Sequence[Grid], first: Sequence[str], options: FileOptions
) -> tuple[Readings, Export] | None:
    """The measurements of the first of some grids that has a header, None where none has."""
    if kind := kind_of(first):
        raise refused_kind(kind)
    for grid in grids:
        if header := find_header(grid):
            return read_table(grid, header, options), export_of(header)
    if any(PERIOD.search(line) for line in first):
        raise refused("monthly", "registers")
    return None
