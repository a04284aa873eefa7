"""An answer as a file: JSON for programs, and what a spreadsheet opens in the language of the page."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from flask import Response

from openwatt.comparison.answer import CustomerAnswer
from openwatt.comparison.question import CustomerQuestion
from openwatt.representations.bills import RankedItem
from openwatt.web.api.bills import PRIVACY, bills_collection
from openwatt.web.http.app_state import app_state
from openwatt.web.http.responses import uncached_response
from openwatt.web.pages.answer import HomeView
from openwatt.web.pages.answer_tables import answer_tables, ranking_table
from openwatt.web.pages.rendering import language
from openwatt.web.pages.spreadsheets import CSV_TYPE, XLSX_TYPE, to_spreadsheet_csv, to_xlsx

#: What an answer can be downloaded as.
DOWNLOADS: Final = ("xlsx", "csv", "json")


class DownloadedAnswer(NamedTuple):
    """A question with its answer: texts of the form, their values, and what the page shows."""

    texts: Mapping[str, str]
    values: Mapping[str, Any]
    question: CustomerQuestion
    answer: CustomerAnswer
    view: HomeView


def download_response(given: DownloadedAnswer, form: str) -> Response:
    """An answer in a form of `DOWNLOADS`; a browser saves it under a name with its day."""
    texts, values, question, answer, view = given
    ours = language()
    if form == "json":
        ranking = bills_collection(values, question, answer, PRIVACY)
        response = uncached_response(ranking, form, RankedItem)
    elif form == "csv":
        response = Response(to_spreadsheet_csv(ranking_table(view, ours), ours), content_type=CSV_TYPE)
    else:
        tables = answer_tables(texts, question, view, ours)
        workbook = to_xlsx(tables, ours, ours.text("keep.sheet"), app_state().clock())
        response = Response(workbook, content_type=XLSX_TYPE)
    name = f"openwatt-{question.terms.today}.{form}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
