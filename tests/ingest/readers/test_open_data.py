import csv
import datetime as dt
import json
from decimal import Decimal

import pytest

from openwatt.catalogue.references import shipped_references
from openwatt.domain.doubts import find_doubts
from openwatt.ingest.declarations import expectations, load_sources
from openwatt.ingest.errors import UnreadableDocumentError
from openwatt.ingest.readers.cre_csv import read_csv
from openwatt.ingest.readers.rte_tempo import read_tempo
from tests.shared_data import SHARED, needs_shared_data

SOURCES = load_sources()
HEADER = "DATE_DEBUT;DATE_FIN;P_SOUSCRITE;PART_FIXE_HT;PART_FIXE_TTC;PART_VARIABLE_HT;PART_VARIABLE_TTC\r\n"


def test_a_row_is_read_without_taxes_and_padding_is_skipped() -> None:
    text = (
        HEADER
        + "01/02/2025;31/07/2025;6;118,8;155,04;0,1368;0,2062\r\n"
        + "01/08/2025;;6;132,84;185,58;0,1327;0,1952\r\n;;;;;;\r\n"
    )
    reading = read_csv(text.encode(), SOURCES["cre_open_data_base"])
    assert reading.faults == ()
    assert [(line.power_kva, line.first_day, line.applies_to) for line in reading.lines] == [
        (6, dt.date(2025, 2, 1), dt.date(2025, 7, 31)),
        (6, dt.date(2025, 8, 1), None),
    ]
    assert {place: figure.amount for place, figure in reading.lines[1].figures.items()} == {
        ("subscription", "HT"): Decimal("132.84"),
        ("BASE", "HT"): Decimal("0.1327"),
    }


def test_an_unknown_column_and_an_unreadable_row_are_told() -> None:
    text = (
        HEADER.replace("P_SOUSCRITE;", "P_SOUSCRITE;BONUS;")
        + "01/08/2025;;six;;132,84;185,58;0,1327;0,1952\r\n"
    )
    reading = read_csv(text.encode(), SOURCES["cre_open_data_base"])
    assert [(doubt.rule, doubt.where) for doubt in reading.faults] == [
        ("layout", "row 1"),
        ("layout", "row 2"),
    ]
    assert reading.lines == ()


@pytest.mark.parametrize("document", [b"<html>", b"\xff\xfe\x00", b"", b"a;b;c\r\n1;2;3"])
def test_another_document_is_unreadable_as_open_data(document: bytes) -> None:
    with pytest.raises(UnreadableDocumentError):
        read_csv(document, SOURCES["cre_open_data_base"])


@needs_shared_data
@pytest.mark.parametrize(("option", "registers"), [("base", 1), ("hphc", 2), ("tempo", 6)])
def test_the_published_files_are_read_whole_and_raise_no_doubt(option: str, registers: int) -> None:
    source = SOURCES[f"cre_open_data_{option}"]
    name = {"base": "Base", "hphc": "HPHC", "tempo": "Tempo"}[option]
    reading = read_csv((SHARED / "trve" / "cre_open_data" / f"Option_{name}.csv").read_bytes(), source)
    with (SHARED / "trve" / "trve_history_cre.csv").open(newline="") as lines:
        rows = [
            r
            for r in csv.DictReader(lines)
            if r["option"] == name.upper() and r["price_eur_per_kwh_excl_tax"]
        ]
    true = {
        (int(r["power_kva"]), r["valid_from"], r["period"].upper()): Decimal(r["price_eur_per_kwh_excl_tax"])
        for r in rows
    }
    assert len(true) == registers * len(reading.lines)
    assert {
        (line.power_kva, str(line.first_day), register): figure.amount
        for line in reading.lines
        for (register, _), figure in line.figures.items()
        if register != "subscription"
    } == true
    assert find_doubts(reading, expectations(source), shipped_references()) == []


def test_an_unknown_colour_is_told_and_never_guessed() -> None:
    values = {
        "2025-12-29": "RED",
        "2025-12-29-fallback": "false",
        "2025-12-30": "PINK",
        "2025-12-31": "BLUE",
        "2025-12-31-fallback": "true",
        "soon": "RED",
    }
    reading = read_tempo(json.dumps({"values": values}).encode())
    assert reading.colours == {dt.date(2025, 12, 29): "ROUGE", dt.date(2025, 12, 31): "BLEU"}
    assert reading.fallback == {dt.date(2025, 12, 31)}
    assert [doubt.where for doubt in reading.faults] == ["2025-12-30", "soon"]


@pytest.mark.parametrize(
    "document", [b"", b"<html>", b"[]", b"{}", b'{"values": []}', b"[" * 200_000, b"\xff"]
)
def test_another_answer_is_unreadable_as_colours(document: bytes) -> None:
    with pytest.raises(UnreadableDocumentError):
        read_tempo(document)


@needs_shared_data
@pytest.mark.parametrize(
    ("season", "days", "red", "white"),
    [("2018-2019", 365, 22, 43), ("2019-2020", 366, 18, 47), ("2024-2025", 364, 22, 43)],
)
def test_the_answers_of_rte_are_read_whole(season: str, days: int, red: int, white: int) -> None:
    reading = read_tempo((SHARED / "tempo" / "rte" / f"season_{season}.json").read_bytes())
    colours = list(reading.colours.values())
    assert (len(colours), colours.count("ROUGE"), colours.count("BLANC"), reading.faults) == (
        days,
        red,
        white,
        (),
    )
