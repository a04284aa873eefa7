"""Files that spreadsheets open as they are: XLSX, and the CSV of the reader's language.

A text is never a formula, whatever a supplier calls an offer. The API's CSV is another one: that of
RFC 4180, for programs.
"""

import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from openwatt.web.pages.answer_tables import AnswerTable, CellKind
from openwatt.web.pages.i18n import Language

XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV_TYPE: Final = "text/csv; charset=utf-8"
#: How a workbook shows a number; it writes decimal and thousands signs as its reader's computer does.
_NUMBERS: Mapping[CellKind, str] = {
    "whole": "#,##0",
    "eur": "#,##0.00",
    "price": "0.0000##",
    "kwh": "#,##0.000",
}
_DAYS: Mapping[str, tuple[str, str]] = {"fr": ("dd/mm/yyyy", "%d/%m/%Y"), "en": ("yyyy-mm-dd", "%Y-%m-%d")}
_A4 = 9
#: With one of these first, a spreadsheet takes a text of a CSV for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_OPTIONS: Final = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


def to_xlsx(tables: Sequence[AnswerTable], ours: Language, title: str, made_at: dt.datetime) -> bytes:
    """A workbook with a sheet for each table."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, _OPTIONS) as workbook:
        workbook.set_properties({"title": title, "author": "OpenWatt", "created": made_at})
        heading = workbook.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        formats: dict[CellKind, Format] = {
            kind: workbook.add_format({"num_format": shown}) for kind, shown in _NUMBERS.items()
        }
        formats["day"] = workbook.add_format({"num_format": _DAYS[ours.code][0], "align": "left"})
        formats["text"] = workbook.add_format({"num_format": "#,##0", "align": "left"})
        for table in tables:
            _write_sheet(workbook.add_worksheet(table.name), table, heading, formats)
    return stream.getvalue()


def _write_sheet(
    sheet: Worksheet, table: AnswerTable, heading: Format, formats: Mapping[CellKind, Format]
) -> None:
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.freeze_panes(1, 0)
    for at, column in enumerate(table.columns):
        sheet.set_column(at, at, column.width)
        sheet.write_string(0, at, column.heading, heading)
    for row, cells in enumerate(table.rows, start=1):
        for at, (column, value) in enumerate(zip(table.columns, cells, strict=True)):
            kind = "day" if isinstance(value, dt.date) else column.kind
            _write_cell(sheet, (row, at), value, formats[kind])
    if table.rows:
        sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)


def _write_cell(sheet: Worksheet, at: tuple[int, int], value: Any, shown: Format) -> None:
    if isinstance(value, str):
        sheet.write_string(*at, value)
    elif isinstance(value, dt.date):
        sheet.write_datetime(*at, value, shown)
    elif isinstance(value, int | Decimal):
        sheet.write_number(*at, float(value), shown)


def to_spreadsheet_csv(table: AnswerTable, ours: Language) -> bytes:
    """A table as a spreadsheet set to the reader's language opens it by a double click."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=";" if ours.code == "fr" else ",")
    writer.writerow([column.heading for column in table.columns])
    writer.writerows([_csv_cell(value, ours) for value in row] for row in table.rows)
    return stream.getvalue().encode("utf-8-sig")  # without the mark, Excel takes accents for others


def _csv_cell(value: Any, ours: Language) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, dt.date):
        return value.strftime(_DAYS[ours.code][1])
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text.replace(".", ",") if ours.code == "fr" else text
