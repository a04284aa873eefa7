"""The words of a document that are shown beside a doubt: those of its place, and harmless ones."""

import pytest

from openwatt.domain.reading import Doubt
from openwatt.ingest.quotation import MOST_LINES, DocumentLines, quote, quote_data, split_rows
from openwatt.ingest.readers.grid_pdf.words import Page, Word, read_pages
from tests.ingest.drawn_sheets import simple_and_double
from tests.ingest.refused_runs import misprinted, read

OFFER = "Yéli Électricité Verte"


@pytest.mark.parametrize(
    ("rule", "where", "message", "lines"),
    [
        ("price-jump", f"{OFFER} HPHC 15 kVA: page 1, « 23,73 »", "", ["15 27,20 23,73"]),
        ("line-incomplete", f"{OFFER} BASE 12, 36 kVA", "", ["12 23,45 23,98", "36 54,72 55,12"]),
        ("date-doubtful", "whole document", "", ["À partir du 1er octobre 2025"]),
        ("phrase-missing", "whole document", "no page says « geg source »", ["Taxes au 01/08/2025"]),
    ],
)
def test_the_lines_at_its_place_are_quoted(rule: str, where: str, message: str, lines: list[str]) -> None:
    content = misprinted()
    doubt = Doubt(rule=rule, message=message, where=where)
    found = quote(doubt, read(content).reading, DocumentLines(read_pages(content)))
    assert lines
    assert len([one for one in found if any(one.text.startswith(line) for line in lines)]) == len(lines)
    assert {one.page for one in found} <= {1}


def test_a_table_is_quoted_by_its_header_and_ends() -> None:
    content = simple_and_double().pdf
    doubt = Doubt(rule="layout", message="", where="page 1, table at 3 … 36 kVA")
    texts = [one.text for one in quote(doubt, read(content).reading, DocumentLines(read_pages(content)))]
    assert [text.split()[0] for text in texts][-2:] == ["3", "36"]
    assert any("Pleines" in text for text in texts)


def test_no_more_is_quoted_than_a_person_reads() -> None:
    content = misprinted()
    doubt = Doubt(rule="nothing-read", message="", where="whole document")
    assert len(quote(doubt, read(content).reading, DocumentLines(read_pages(content)))) == MOST_LINES


def test_a_row_of_data_is_quoted_under_its_heading() -> None:
    rows = split_rows(b"DAY;PRICE\r\n01/08/2025;0,1952\r\n01/02/2026;0,1927\r\n")
    named = quote_data(Doubt(rule="layout", message="", where="row 3"), rows)
    assert [one.text for one in named] == ["DAY;PRICE", "01/02/2026;0,1927"]
    figure = quote_data(Doubt(rule="price-jump", message="", where="BASE 6 kVA: « 0,1952 »"), rows)
    assert [one.text for one in figure] == ["DAY;PRICE", "01/08/2025;0,1952"]


def test_a_word_cannot_speak_to_the_terminal() -> None:
    page = Page(1, 595, 842, (Word(10, 10, 90, 20, "\x1b[2Jprice\x07"),))
    (line,) = DocumentLines([page]).all()
    assert line.text == "\N{REPLACEMENT CHARACTER}[2Jprice\N{REPLACEMENT CHARACTER}"
