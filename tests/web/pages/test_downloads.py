"""What people take from an answer: a workbook and a CSV in their language, and a printed page."""

import csv
import datetime as dt
import io
import re
from decimal import Decimal
from html import unescape

import openpyxl
import pytest
from flask.testing import FlaskClient
from openpyxl.cell.cell import Cell
from openpyxl.workbook import Workbook

from openwatt.web.pages.answer_tables import AnswerTable, TableColumn
from openwatt.web.pages.i18n import LANGUAGES
from openwatt.web.pages.spreadsheets import XLSX_TYPE, to_spreadsheet_csv, to_xlsx
from tests.conftest import NOW
from tests.shared_data import needs_shared_data
from tests.web.pages.test_carried_use import carried_in, send_back
from tests.web.pages.test_home import CURVE, ask

TYPED = "/?kwh=4500&power_kva=6&profile=electric_heating&off_peak_hours=22:30-06:30&lang="
#: Names as a supplier might choose them, and what a spreadsheet must not make of them.
HOSTILE = (
    "=1+1",
    "+33 1",
    "-6 %",
    "@SUM(A1)",
    "\tx",
    "https://example.org/",
    "0123",
    "2026-01-02",
    'a;b,c\nd"e',
)
TABLE = AnswerTable(
    "Noms",
    [
        TableColumn("Nom", "text", 20),
        TableColumn("Prix", "price", 10),
        TableColumn("Jour", "day", 12),
        TableColumn("kVA", "whole", 6),
    ],
    [[name, Decimal("-0.1940"), dt.date(2026, 2, 1), 6] for name in HOSTILE] + [[None, None, None, None]],
)


def workbook_of(content: bytes) -> Workbook:
    return openpyxl.load_workbook(io.BytesIO(content))


def test_a_name_is_never_a_formula_and_a_figure_is_a_figure() -> None:
    sheet = workbook_of(to_xlsx([TABLE], LANGUAGES["fr"], "Noms", NOW))["Noms"]
    for row, name in enumerate(HOSTILE, start=2):
        text, price, day, power = (sheet.cell(row, column) for column in range(1, 5))
        assert (text.data_type, text.value, text.hyperlink) == ("s", name, None)
        assert (price.data_type, price.value) == ("n", -0.194)
        assert isinstance(day, Cell)
        assert (day.is_date, day.value, day.number_format) == (True, dt.datetime(2026, 2, 1), "dd/mm/yyyy")  # noqa: DTZ001  a spreadsheet's day has no zone
        assert (power.data_type, power.value) == ("n", 6)
    assert [cell.value for cell in sheet[len(HOSTILE) + 2]] == [None] * 4


@pytest.mark.parametrize(
    ("code", "sign", "price", "day"),
    [("fr", ";", "-0,1940", "01/02/2026"), ("en", ",", "-0.1940", "2026-02-01")],
)
def test_a_csv_is_written_as_a_spreadsheet_of_the_language_reads_it(
    code: str, sign: str, price: str, day: str
) -> None:
    content = to_spreadsheet_csv(TABLE, LANGUAGES[code])
    assert content.startswith("\N{ZERO WIDTH NO-BREAK SPACE}Nom".encode())
    assert content.count(b"\r\n") == len(HOSTILE) + 2
    heading, *rows, last = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=sign)
    assert heading == ["Nom", "Prix", "Jour", "kVA"]
    assert last == ["", "", "", ""]
    for name, row in zip(HOSTILE, rows, strict=True):
        assert row == [f"'{name}" if name[0] in "=+-@\t" else name, price, day, "6"]


def test_a_typed_answer_is_a_workbook_of_what_the_page_says(client: FlaskClient) -> None:
    answer = client.get(f"{TYPED}fr&download=xlsx")
    assert answer.content_type == XLSX_TYPE
    assert answer.headers["Content-Disposition"] == 'attachment; filename="openwatt-2026-11-22.xlsx"'
    assert answer.headers["Cache-Control"] == "private, no-store"
    workbook = workbook_of(answer.data)
    assert workbook.sheetnames == ["Classement", "Factures", "Hypothèses", "Sources"]

    ranking, bills, statements, sources = workbook.worksheets
    rows = [
        dict(zip([cell.value for cell in ranking[1]], row, strict=True))
        for row in ranking.iter_rows(2, values_only=True)
    ]
    every = client.get(f"{TYPED}fr&download=json").json
    costs = [line["total_ttc_eur_per_year"] for line in every["ranking"] if line["whole"]]  # type: ignore[index]  # an answer
    assert [row["Coût par an (€ TTC)"] for row in rows][: len(costs)] == costs
    assert [row["Rang"] for row in rows][:3] == [1, 2, 3]
    assert all(isinstance(row["Prix vu le"], dt.datetime) for row in rows)

    by_contract: dict[str, float] = {}
    for contract, *_, amount in bills.iter_rows(2, values_only=True):
        by_contract[str(contract)] = by_contract.get(str(contract), 0) + float(str(amount))
    assert len(by_contract) == 2
    assert min(by_contract.values()) == pytest.approx(costs[0], abs=0.2), "lines are rounded to the cent"

    said = {str(about.value): value.value for about, value in statements.iter_rows(2, 10)}
    assert said["Heures creuses"] == "22:30-06:30"
    assert said["Répartition"] == "Chauffage électrique"
    assert said["Puissance (kVA)"] == 6
    assert said["Réponse du"] == dt.datetime(2026, 11, 22)  # noqa: DTZ001  a spreadsheet's day has no zone
    hashes = [row[3] for row in sources.iter_rows(2, values_only=True)]
    assert any(re.fullmatch("[0-9a-f]{64}", str(one)) for one in hashes)


@needs_shared_data
def test_after_a_file_the_same_files_come_without_it(client: FlaskClient) -> None:
    fields = {"off_peak_hours": "22:30-06:30", "present": "EDF~Tarif Bleu~TEMPO"}
    page = ask(client, CURVE.read_bytes(), "fr", **fields)
    carried = carried_in(page.text)
    for form in ("xlsx", "csv"):
        assert f'form="question" name="download" value="{form}"' in page.text
        again = send_back(client, carried, "fr", **fields, download=form)
        assert again.status_code == 200
        of_file = ask(client, CURVE.read_bytes(), "fr", **fields, download=form)
        assert again.data == of_file.data
    said = workbook_of(send_back(client, carried, "fr", **fields, download="xlsx").data)["Hypothèses"]
    assert "Mesurée par votre compteur" in [cell.value for cell in said["B"]]


@needs_shared_data
@pytest.mark.parametrize("code", LANGUAGES)
def test_the_sheet_to_print_has_its_day_and_what_the_answer_rests_on(client: FlaskClient, code: str) -> None:
    page = ask(client, CURVE.read_bytes(), code, present="EDF~Tarif Bleu~TEMPO").text
    (sheet,) = re.findall(r'<section class="printed">(.*?)</section>', page, re.DOTALL)
    text = unescape(re.sub(r"<[^>]+>", " ", sheet))
    ours = LANGUAGES[code]
    assert ours.day(NOW.date()) in text
    assert ours.text("table.assumed", what="22:00-06:00") in text
    assert "2023" in text
    assert "2024" in text
    assert sheet.count("<svg") == 2
    assert re.search(r'href="/static/print[.0-9a-f]*\.css" media="print"', page)
    assert ours.text("keep.verify") in text
