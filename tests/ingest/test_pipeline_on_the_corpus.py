"""The real sheets from a site to the API: what the catalogue says of them, every printed cell."""

import datetime as dt
import json
from decimal import Decimal

import pytest

from openwatt.app import create_app
from openwatt.ingest.readers.figures import plain
from openwatt.settings import Settings
from tests.conftest import close_app
from tests.ingest.conftest import Desk
from tests.ingest.corpus import MISPRINTED, SHEETS, Cells, pdf_of, truth_of
from tests.shared_data import needs_shared_data

pytestmark = needs_shared_data


def test_every_real_sheet_ends_as_what_is_known_of_it(desk: Desk) -> None:
    """Those that the catalogue was typed from change nothing; the misprinted ones are refused."""
    found = {}
    # The sheet of 2026 is looked at last, when what the catalogue says of its day was known.
    newest = "edf_tarif_bleu_20260201"
    for sheet, name in sorted(SHEETS.items(), key=lambda one: one[0] == newest):
        if sheet == newest:
            desk.now = dt.datetime(2026, 10, 1, 6, tzinfo=dt.UTC)
        look = desk.look(name, given=pdf_of(sheet).read_bytes())
        found[sheet] = (look.outcome, {doubt.rule for doubt in look.doubts})
    assert found == {
        sheet: ("refused", MISPRINTED[sheet]) if sheet in MISPRINTED else ("unchanged", set())
        for sheet in SHEETS
    }
    assert desk.count("confirmations") > 200


@pytest.mark.parametrize("sheet", ["mint_classic_green", "total_standard_fixe", "ilek_311"])
def test_every_printed_cell_is_told_by_the_api(desk: Desk, filled_url: str, sheet: str) -> None:
    name = SHEETS[sheet]
    desk.change(name, supplier="Lumière")
    desk.put(name, pdf_of(sheet).read_bytes())
    assert desk.look(name).outcome == "published"
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: desk.now)
    query = {"supplier": "Lumière", "limit": 1000}
    answer = app.test_client().get("/v1/tariffs", query_string=query)
    close_app(app)
    told = json.loads(answer.data, parse_float=Decimal, parse_int=Decimal)["tariffs"]
    cells: Cells = {}
    for item in told:
        contract = (plain(item["offer"]), item["option"], int(item["power_kva"]))
        for side in ("HT", "TTC"):
            subscription = item[f"subscription_eur_per_year_{side.lower()}"]
            if subscription is not None:
                cells[*contract, "subscription", side] = subscription
            for register, price in item[f"prices_eur_per_kwh_{side.lower()}"].items():
                cells[*contract, register, side] = price
    assert cells == truth_of(sheet).cells
    assert {item["data_status"] for item in told} == {"fresh"}
