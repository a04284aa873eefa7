"""The reader of the grid operator's daily indexes: what each register showed, day by day."""

import re
from collections.abc import Sequence

import numpy as np

from openwatt.domain.errors import MeterFileError
from openwatt.domain.legal_time import MINUTES_PER_DAY, WINTER_OFFSET_MIN, day_of, day_start_min
from openwatt.domain.load_curve import Finding
from openwatt.domain.messages import Message
from openwatt.domain.reconciliation import Indexes
from openwatt.domain.tariff import OPTIONS
from openwatt.meter.cells import homes_in, quoted, stamp_of
from openwatt.meter.contents import unpack
from openwatt.meter.grids import TextLines
from openwatt.meter.refusals import refuse_two_homes
from openwatt.meter.vocabulary import METADATA_LEAD

#: The operator's codes of registers, where they are not ours already.
_CODES = {
    "BUHC": "BLEU_HC", "BUHP": "BLEU_HP", "BCHC": "BLANC_HC", "BCHP": "BLANC_HP", "RHC": "ROUGE_HC",
    "RHP": "ROUGE_HP", "HPM": "PM", "HCSH": "HCH", "HPSH": "HPH", "HCSB": "HCB", "HPSB": "HPB",
}  # fmt: skip
_SUPPLIER_COLUMN = re.compile(r"EAS F\d+")
_PERIOD = re.compile(r"du\s+(\S+)\s+au\b", re.IGNORECASE)


def read_indexes(data: bytes) -> Indexes:
    """The daily indexes in a file, per register of the supplier's calendar that its footer names.

    Rows before the last change of calendar are left out, and a finding says so.

    Raises:
        MeterFileError: when it is another kind of file, of several homes, or cannot be read.
    """
    texts = [contents.every() for contents in unpack(data) if isinstance(contents, TextLines)]
    indexes = [lines for lines in texts if _are_indexes(lines)]
    if len(indexes) != 1:
        raise MeterFileError(Message("indexes.other_file"))
    return _read(indexes[0])


def _are_indexes(lines: Sequence[str]) -> bool:
    """Whether lines are the operator's export, and its second line says that it is of indexes."""
    return (
        lines[0].lower().startswith(f"{METADATA_LEAD};")
        and len(lines) > 1
        and [*lines[1].split(";"), ""][1].strip().lower() == "index"
    )


def _read(lines: Sequence[str]) -> Indexes:
    rows: list[tuple[int, list[str]]] = []
    header: list[str] = []
    homes: set[str] = set()
    footers: list[tuple[int, dict[str, str]]] = []
    for n, line in enumerate(lines):
        cells = [cell.strip() for cell in line.split(";")]
        lead = cells[0].lower()
        if lead in {METADATA_LEAD, "periode"}:
            continue
        if n and lines[n - 1].lower().startswith(f"{METADATA_LEAD};"):
            homes |= homes_in(cells[:1])
        elif lead == "horodate":
            header = cells
        elif period := _PERIOD.match(cells[0]):
            minute = stamp_of(period.group(1)).minute
            footers.append((_midnight(minute), _registers(cells)))
        else:
            stamp = stamp_of(cells[0])
            if not stamp.aware:
                raise MeterFileError(Message.of("indexes.no_offset", cell=quoted(cells[0])))
            if not stamp.seconds:
                rows.append((_midnight(stamp.minute), cells))
    refuse_two_homes(homes)
    return _indexes(header, rows, footers)


def _midnight(minute: int) -> int:
    """The stamp of a daily index: midnight of legal time, which the export prints in winter time all year.

    In summer it prints 01:00+02:00; taken as 01:00, an hour of each summer night
    would be missed (333 Wh on the meter whose six registers agree to the Wh).
    """
    day, rest = divmod(minute + WINTER_OFFSET_MIN, MINUTES_PER_DAY)
    return minute if rest else day_start_min(day_of(day))


def _registers(cells: list[str]) -> dict[str, str]:
    """Column of the export (EAS F1 …) → register, from one line of the footer."""
    registers = {}
    for code, column in zip(cells, cells[2:], strict=False):
        if _SUPPLIER_COLUMN.fullmatch(column) and code:
            registers[column] = _CODES.get(code.upper(), code.upper())
    if not registers:
        raise MeterFileError(Message("indexes.no_registers"))
    return registers


def _indexes(
    header: list[str], rows: list[tuple[int, list[str]]], footers: list[tuple[int, dict[str, str]]]
) -> Indexes:
    if not header or not footers:
        raise MeterFileError(Message("indexes.no_footer"))
    since, columns = max(footers, key=lambda footer: footer[0])
    option = next((option for option, names in OPTIONS.items() if set(names) == set(columns.values())), None)
    if option is None:
        raise MeterFileError(
            Message.of("indexes.unknown_option", registers=", ".join(columns.values())[:100])
        )
    used = dict(sorted((minute, cells) for minute, cells in rows if minute >= since))
    if len(used) < 2:
        raise MeterFileError(Message("indexes.too_few"))
    places = {columns[column]: place for place, column in enumerate(header) if column in columns}
    registers = OPTIONS[option]
    if missing := [register for register in registers if register not in places]:
        raise MeterFileError(Message.of("indexes.no_column", registers=", ".join(missing)))
    wh = np.array([[_wh(cells, places[r]) for r in registers] for cells in used.values()], dtype=np.int64)
    findings = []
    if early := sum(minute < since for minute, _ in rows):
        findings.append(Finding("left_out", early, Message("finding.early_indexes")))
    if (np.diff(wh, axis=0) < 0).any():
        findings.append(
            Finding("decrease", int((np.diff(wh, axis=0) < 0).sum()), Message("finding.decrease"))
        )
    return Indexes(
        option=option,
        registers=registers,
        stamps_min=np.array(list(used), dtype=np.int64),
        wh=wh,
        findings=tuple(findings),
    )


def _wh(cells: list[str], place: int) -> int:
    text = cells[place] if place < len(cells) else ""
    if not (text.isascii() and text.isdecimal()) or len(text) > 12:
        raise MeterFileError(Message.of("indexes.no_index", cell=quoted(text)))
    return int(text)
