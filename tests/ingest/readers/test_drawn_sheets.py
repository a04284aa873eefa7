"""The readers on sheets that the tests draw: complete without any supplier's document."""

import datetime as dt
from collections.abc import Callable

import pytest

from openwatt.catalogue.references import shipped_references
from openwatt.domain.doubts import find_doubts
from openwatt.domain.reading import Line
from openwatt.ingest.declarations import SourceDeclaration, expectations, load_sources, recognise
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import read_pages
from tests.ingest.drawn_sheets import LAYOUTS, SHORTENED, WITHOUT_SOURCE, Expected, Sheet, drawn_words

REFERENCES = shipped_references()
SOURCES: dict[str, SourceDeclaration] = load_sources()


def found(lines: tuple[Line, ...]) -> Expected:
    return {
        (line.offer, line.option, line.power_kva, meaning, side): figure.amount
        for line in lines
        for (meaning, side), figure in line.figures.items()
    }


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_a_drawn_layout_is_read_to_the_last_figure(layout: Callable[[], Sheet]) -> None:
    sheet = layout()
    pages = read_pages(sheet.pdf)
    source = recognise(" ".join(page.text for page in pages), SOURCES.values())
    assert source is SOURCES[sheet.source]
    reading = read_sheet(pages, source)
    shortened = SHORTENED.get(layout.__name__, set())
    assert {fault.rule for fault in reading.faults} <= shortened
    assert found(reading.lines) == sheet.expected
    assert {line.applies_from.day for line in reading.lines if line.applies_from} == {
        dt.date.fromisoformat(sheet.applies_from)
    }
    assert {line.applies_to for line in reading.lines} == {
        dt.date.fromisoformat(sheet.applies_to) if sheet.applies_to else None
    }
    assert {d.rule for d in find_doubts(reading, expectations(source), REFERENCES)} == shortened


@pytest.mark.parametrize("layout", WITHOUT_SOURCE, ids=lambda layout: layout.__name__)
def test_a_layout_of_no_source_is_read_by_the_general_vocabulary(layout: Callable[[], Sheet]) -> None:
    sheet = layout()
    reading = read_sheet(read_pages(sheet.pdf))
    assert reading.faults == ()
    assert found(reading.lines) == sheet.expected


def test_words_drawn_as_shapes_ask_for_manual_entry() -> None:
    reading = read_sheet(read_pages(drawn_words()), SOURCES["vattenfall_equilibre"])
    assert [doubt.rule for doubt in reading.faults] == ["no-text"]
    assert reading.faults[0].message.startswith("no text: manual entry")
    assert reading.lines == ()
