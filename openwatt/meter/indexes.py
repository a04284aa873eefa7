"""The reader of the grid operator's daily indexes: what each register showed, day by day."""

import re

import numpy as np

from openwatt.domain.errors import MeterFileError
from openwatt.domain.legal_time import MINUTES_PER_DAY, WINTER_OFFSET_MIN, day_of, day_start_min
from openwatt.domain.load_curve import Finding
from openwatt.domain.reconciliation import Indexes
from openwatt.domain.tariff import OPTIONS
from openwatt.meter.cells import minute_of, refuse_two_homes
from openwatt.meter.contents import Contents, unpack
from openwatt.meter.enedis import is_export

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
    exports = [contents for contents in unpack(data) if is_export(contents)]
    indexes = [
        contents for contents in exports if contents.lines[1:2] and _kind(contents.lines[1]) == "index"
    ]
    if len(indexes) != 1:
        raise MeterFileError("the file is not a daily index export of the grid operator's account")
    return _read(indexes[0])


def _kind(metadata: str) -> str:
    return [*metadata.split(";"), ""][1].strip().lower()


def _read(contents: Contents) -> Indexes:
    rows: list[tuple[int, list[str]]] = []
    header: list[str] = []
    homes: set[str] = set()
    footers: list[tuple[int, dict[str, str]]] = []
    footer_header: list[str] = []
    for n, line in enumerate(contents.lines):
        cells = [cell.strip() for cell in line.split(";")]
        lead = cells[0].lower()
        if lead == "identifiant prm":
            continue
        if n and contents.lines[n - 1].lower().startswith("identifiant prm;"):
            homes.add(cells[0])
        elif lead == "horodate":
            header = cells
        elif lead == "periode":
            footer_header = cells
        elif period := _PERIOD.match(cells[0]):
            minute, _ = minute_of(period.group(1))
            footers.append((_midnight(minute or 0), _registers(cells, footer_header)))
        else:
            minute, aware = minute_of(cells[0])
            if not aware:
                raise MeterFileError(f"the stamp {cells[0][:40]!r} of an index says no offset from UTC")
            if minute is not None:
                rows.append((_midnight(minute), cells))
    refuse_two_homes(homes)
    return _indexes(header, rows, footers)


def _midnight(minute: int) -> int:
    """The stamp of a daily index: midnight of legal time, which the export prints in winter time all year.

    In summer it prints 01:00+02:00; taken as 01:00, an hour of each summer night
    would be missed (333 Wh on the meter whose six registers agree to the Wh).
    """
    day, rest = divmod(minute + WINTER_OFFSET_MIN, MINUTES_PER_DAY)
    return minute if rest else day_start_min(day_of(day))


def _registers(cells: list[str], header: list[str]) -> dict[str, str]:
    """Column of the export (EAS F1 …) → register, from one line of the footer."""
    registers = {}
    for code, column in zip(cells, cells[2:], strict=False):
        if _SUPPLIER_COLUMN.fullmatch(column) and code:
            registers[column] = _CODES.get(code.upper(), code.upper())
    if not registers:
        raise MeterFileError(f"the footer names no register, its header has {len(header)} columns")
    return registers


def _indexes(
    header: list[str], rows: list[tuple[int, list[str]]], footers: list[tuple[int, dict[str, str]]]
) -> Indexes:
    if not header or not footers:
        raise MeterFileError("the index export has no header or no footer that names its registers")
    since, columns = max(footers, key=lambda footer: footer[0])
    option = next((option for option, names in OPTIONS.items() if set(names) == set(columns.values())), None)
    if option is None:
        raise MeterFileError(f"the registers {', '.join(columns.values())} are those of no known option")
    used = dict(sorted((minute, cells) for minute, cells in rows if minute >= since))
    if len(used) < 2:
        raise MeterFileError("the index export holds fewer than two readings of the present contract")
    places = {columns[column]: place for place, column in enumerate(header) if column in columns}
    registers = OPTIONS[option]
    if missing := [register for register in registers if register not in places]:
        raise MeterFileError(f"the index export has no column of {', '.join(missing)}")
    wh = np.array([[_wh(cells, places[r]) for r in registers] for cells in used.values()], dtype=np.int64)
    findings = []
    if early := sum(minute < since for minute, _ in rows):
        findings.append(Finding("left_out", early, "indexes before the present calendar are left out"))
    if (np.diff(wh, axis=0) < 0).any():
        findings.append(
            Finding(
                "decrease", int((np.diff(wh, axis=0) < 0).sum()), "an index fell: was the meter replaced?"
            )
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
        raise MeterFileError(f"{text[:40]!r} is no index in Wh")
    return int(text)
