"""No title or note of the shipped catalogue is English on a French page."""

import csv
import re
from importlib.resources import files

import pytest

from openwatt.sentences.recorded import recorded_text

ENGLISH = re.compile(r"\b(the|is|are|of|from|with|and|by|on|as|not|sheet|prices?|known|typed|read)\b")
FOLDER = files("openwatt") / "catalogue"
SHOWN = [("sources.csv", "title"), ("tempo_colours.csv", "note")]
SHOWN += [(file.name, "note") for file in FOLDER.iterdir() if re.fullmatch(r"tariffs\w*\.csv", file.name)]


def shown(name: str, column: str) -> set[str]:
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    return {row[column] for row in csv.DictReader(lines) if row[column]}


@pytest.mark.parametrize(("name", "column"), SHOWN)
def test_every_recorded_text_has_its_french(name: str, column: str) -> None:
    texts = shown(name, column)
    assert texts
    assert {
        text: recorded_text(text, "fr") for text in texts if ENGLISH.search(recorded_text(text, "fr"))
    } == {}
    assert all(recorded_text(text, "en") == text for text in texts)


def test_values_are_taken_over() -> None:
    text = "billed TTC; the regulator's open data says 145.76 EUR/year; a new power from this day"
    assert recorded_text(text, "fr").replace("\N{NO-BREAK SPACE}", " ") == (
        "TTC facturé ; les données ouvertes du régulateur disent 145,76 €/an ; "
        "une nouvelle puissance à partir de ce jour"
    )
    assert "01/08/2026" in recorded_text("sheet of 2026-08-01", "fr")
    assert recorded_text("Mint Énergie, Classic & Green", "fr") == "Mint Énergie, Classic & Green"
