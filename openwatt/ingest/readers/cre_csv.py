"""The reader of the regulator's open data: a CSV per option, a row per period and power."""

import csv
import datetime as dt
import io
import re
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation

from openwatt.domain.reading import SUBSCRIPTION, Doubt, Figure, Line, PrintedDay, Reading, Tax
from openwatt.domain.tariff import OPTIONS
from openwatt.ingest.declarations import SourceDeclaration
from openwatt.ingest.errors import UnreadableDocumentError

#: The files have a few hundred rows; a hundred times that is another document.
MAX_ROWS = 20_000

_PRICE = re.compile(r"PART_VARIABLE_(?:(HP|HC)(BLEU|BLANC|ROUGE)?_)?(HT|TTC)")
_KEYS = ("DATE_DEBUT", "DATE_FIN", "P_SOUSCRITE")


def read_csv(document: bytes, source: SourceDeclaration) -> Reading:
    """Reads the rows of a file of the dataset: `;`, decimal commas, DD/MM/YYYY, last days included.

    Only the tax sides that the source declares are read as figures: the amounts with
    taxes are known to be wrong for some periods, and are sums to check a new one by.
    Rows without any amount are padding.

    Raises:
        UnreadableDocumentError: no such CSV.
    """
    try:
        text = document.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableDocumentError("the bytes are no UTF-8 text") from error
    rows = list(csv.reader(io.StringIO(text), delimiter=";"))
    if not rows or not set(_KEYS) <= set(rows[0]):
        raise UnreadableDocumentError(f"the first line does not name {', '.join(_KEYS)}")
    if len(rows) > MAX_ROWS:
        raise UnreadableDocumentError(f"{len(rows)} rows, the limit is {MAX_ROWS}")
    faults: list[Doubt] = []
    columns = _columns(rows[0], source, faults)
    lines = []
    for number, cells in enumerate(rows[1:], start=2):
        row = dict(zip(rows[0], cells, strict=False))
        if not any(
            row.get(column, "").strip() for column, (_, tax) in columns.items() if tax in source.taxes
        ):
            continue
        try:
            lines.append(_line(row, columns, source))
        except (ValueError, InvalidOperation, KeyError) as error:
            faults.append(
                Doubt(rule="layout", message=f"the row cannot be read: {error}", where=f"row {number}")
            )
    lines.sort(key=lambda line: (line.applies_from.day if line.applies_from else dt.date.min, line.power_kva))
    return Reading(lines=tuple(lines), faults=tuple(faults))


def is_of(document: bytes, source: SourceDeclaration) -> bool:
    """Whether a document's first line has the columns of a source's option, and no others."""
    try:
        header = document[:2000].decode("utf-8-sig").splitlines()[0].split(";")
    except (UnicodeDecodeError, IndexError):
        return False
    faults: list[Doubt] = []
    return set(_KEYS) <= set(header) and bool(_columns(header, source, faults)) and not faults


def _columns(header: list[str], source: SourceDeclaration, faults: list[Doubt]) -> dict[str, tuple[str, Tax]]:
    """Maps columns to their meaning; a column of prices that is not understood is a fault."""
    columns: dict[str, tuple[str, Tax]] = {}
    for name in header:
        if name in _KEYS:
            continue
        tax: Tax = "TTC" if name.endswith("_TTC") else "HT"
        if name in ("PART_FIXE_HT", "PART_FIXE_TTC"):
            meaning = SUBSCRIPTION
        elif price := _PRICE.fullmatch(name.upper()):
            register, colour = price[1], price[2]
            meaning = f"{colour}_{register}" if colour else register or "BASE"
        else:
            faults.append(Doubt(rule="layout", message=f"column {name} is not known", where="row 1"))
            continue
        columns[name] = (meaning, tax)
    option = source.option or ""
    needed = {(meaning, tax) for meaning in (SUBSCRIPTION, *OPTIONS.get(option, ())) for tax in source.taxes}
    found = {(meaning, tax) for meaning, tax in columns.values() if tax in source.taxes}
    for meaning, tax in sorted(needed ^ found):
        faults.append(
            Doubt(rule="layout", message=f"{meaning} {tax} is missing or not of {option}", where="row 1")
        )
    return columns


def _line(row: Mapping[str, str], columns: Mapping[str, tuple[str, Tax]], source: SourceDeclaration) -> Line:
    start, end = row["DATE_DEBUT"].strip(), row["DATE_FIN"].strip()
    figures, sums = {}, {}
    for name, place in columns.items():
        if place[1] in source.taxes:
            figures[place] = _figure(row[name])
        else:
            with suppress(InvalidOperation):  # without its sum a new period cannot be proven, and is doubted
                sums[place] = _figure(row[name])
    return Line(
        supplier=source.supplier,
        offer=source.offers[0].name,
        option=source.option or "",
        power_kva=int(row["P_SOUSCRITE"]),
        figures=figures,
        sums=sums,
        applies_from=PrintedDay(day=_day(start), precision="day", printed=start),
        applies_to=_day(end) if end else None,
    )


def _figure(cell: str) -> Figure:
    printed = cell.strip()
    amount = Decimal(printed.replace(",", "."))
    return Figure(amount=amount, printed=printed, step=Decimal(1).scaleb(int(amount.as_tuple().exponent)))


def _day(text: str) -> dt.date:
    day, month, year = text.split("/")
    return dt.date(int(year), int(month), int(day))
