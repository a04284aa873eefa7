import datetime as dt
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from openwatt.catalogue.references import shipped_references
from openwatt.cli.inspection import inspect
from openwatt.ingest.declarations import Waiver, load_sources
from openwatt.ingest.inspection import as_json, inspect_document
from tests.ingest.drawn_sheets import (
    drawn_words,
    gross_and_discounted,
    simple_and_double,
    three_tables_in_cents,
)

SOURCES = load_sources()
REFERENCES = shipped_references()
INSPECT = inspect
ON = dt.date(2025, 11, 15)


def test_json_says_amounts_digit_for_digit() -> None:
    inspection = inspect_document(three_tables_in_cents().pdf, SOURCES, REFERENCES, on=ON)
    answer = as_json(inspection).decode()
    assert '"subscription_eur_per_year_ttc":140.76,' in answer
    said = json.loads(answer, parse_float=str)
    assert (said["source"], said["outcome"], said["doubts"]) == ("edf_tarif_bleu", "published", [])
    assert said["tariffs"][0] == {
        "supplier": "EDF",
        "offer": "Tarif Bleu",
        "option": "BASE",
        "power_kva": 3,
        "applies_from": "2025-08-01",
        "applies_to": None,
        "subscription_eur_per_year_ht": None,
        "subscription_eur_per_year_ttc": "140.76",
        "prices_eur_per_kwh_ht": {},
        "prices_eur_per_kwh_ttc": {"BASE": "0.1952"},
        "closed_to_new_customers": False,
    }
    assert [t["closed_to_new_customers"] for t in said["tariffs"] if t["option"] == "BASE"] == [False] * 2 + [
        True
    ] * 7


def test_without_a_source_the_document_is_read_and_refused() -> None:
    unknown = {"wekiwi_aurore": SOURCES["wekiwi_aurore"]}
    inspection = inspect_document(simple_and_double().pdf, unknown, REFERENCES, on=ON)
    assert inspection.source is None
    assert inspection.outcome == "refused"
    assert [doubt.rule for doubt in inspection.doubts] == ["source-unknown"]
    assert len(inspection.tariffs()) == 17


def test_the_wrong_source_is_refused() -> None:
    inspection = inspect_document(simple_and_double().pdf, SOURCES, REFERENCES, on=ON, name="ilek_311")
    assert inspection.outcome == "refused"


def test_a_sheet_without_text_is_refused_for_manual_entry() -> None:
    inspection = inspect_document(drawn_words(), SOURCES, REFERENCES, on=ON, name="vattenfall_equilibre")
    assert inspection.outcome == "refused"
    assert inspection.doubts[0].message.startswith("no text: manual entry")


def test_data_is_recognised_by_its_first_bytes() -> None:
    tempo = inspect_document(b'{"values": {"2025-12-29": "RED"}}', SOURCES, REFERENCES, on=ON)
    assert tempo.source is SOURCES["rte_tempo"]
    assert json.loads(as_json(tempo))["colours"] == {"2025-12-29": "ROUGE"}
    hours = "DATE_DEBUT;DATE_FIN;P_SOUSCRITE;PART_FIXE_HT;PART_VARIABLE_HC_HT;PART_VARIABLE_HP_HT\r\n"
    table = inspect_document(hours.encode(), SOURCES, REFERENCES, on=ON)
    assert table.source is SOURCES["cre_open_data_hphc"]
    assert [doubt.rule for doubt in table.doubts] == ["nothing-read"]


def exception(until: dt.date) -> Waiver:
    return Waiver(
        rule="powers-missing", what="Yéli", why="1 kVA is not sold any more", who="A. Dupont", until=until
    )


@pytest.mark.parametrize(("until", "outcome"), [(ON, "published"), (ON - dt.timedelta(days=1), "refused")])
def test_a_signed_exception_lets_one_doubt_through_until_its_day(until: dt.date, outcome: str) -> None:
    source = SOURCES["yeli_verte"]
    offer = replace(
        source.offers[0],
        options={"BASE": (1, 3, 6, 9, 12, 15, 18, 24, 30, 36), "HPHC": source.offers[0].options["HPHC"]},
    )
    strict = replace(source, offers=(offer,), waivers=(exception(until),))
    inspection = inspect_document(simple_and_double().pdf, {"yeli_verte": strict}, REFERENCES, on=ON)
    assert inspection.outcome == outcome
    assert len(inspection.doubts) + len(inspection.waived) == 1
    if outcome == "published":
        assert json.loads(as_json(inspection))["signed_off"][0]["who"] == "A. Dupont"


def test_the_command_prints_tables_and_draws_the_cells(tmp_path: Path) -> None:
    sheet = tmp_path / "grille.pdf"
    sheet.write_bytes(gross_and_discounted().pdf)
    result = CliRunner().invoke(INSPECT, [str(sheet), "--png", str(tmp_path / "out.png")])
    assert result.exit_code == 0, result.output
    assert "wekiwi_aurore: published" in result.output
    assert "0.1803" in result.output
    picture = Image.open(io.BytesIO((tmp_path / "out.png").read_bytes())).convert("RGB")
    colours = {
        picture.getpixel((x, y)) for x in range(0, picture.width, 2) for y in range(0, picture.height, 2)
    }
    # Subscriptions without taxes are outlined in blue, HP in red.
    assert {(66, 133, 244), (219, 68, 55)} <= colours


def test_the_command_tells_the_outcome_by_its_status(tmp_path: Path) -> None:
    page = tmp_path / "grille.pdf"
    page.write_bytes(b"<!doctype html><html><p>Refus")
    result = CliRunner().invoke(INSPECT, [str(page), "--json"])
    assert result.exit_code == 2
    said = json.loads(result.output)
    assert (said["outcome"], said["reason"]) == ("unreadable", "not a PDF: the bytes are an HTML page")
    unknown = CliRunner().invoke(INSPECT, [str(page), "--source", "nobody"])
    assert unknown.exit_code == 2
    assert "is none of" in unknown.output
