"""Documents made to hurt: each is unreadable with a reason, in bounded time and memory."""

import time
import zlib
from collections.abc import Callable

import pytest

from openwatt.catalogue.references import shipped_references
from openwatt.domain.doubts import Expected, find_doubts
from openwatt.domain.reading import MAX_DOCUMENT_BYTES
from openwatt.ingest.errors import UnreadableDocumentError
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import Page, Word, read_pages
from openwatt.ingest.sandbox import DocumentSandbox, ReadingLimits
from tests.ingest.drawn_sheets import merged_price_cells
from tests.ingest.hostile_documents import (
    bomb,
    bomb_in_a_bomb,
    encrypted,
    endless_text,
    pdf_of,
    ten_thousand_pages,
)

COSTLY = "needs more than 3 s of computing|needs more than 256 MB"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (encrypted, "locked by a password"),
        (ten_thousand_pages, "10000 pages, the limit is 150"),
        (bomb, COSTLY),
        (bomb_in_a_bomb, COSTLY),
        (endless_text, f"more text than any price sheet|{COSTLY}"),
        (lambda: merged_price_cells().pdf[:1500], "damaged or cut short"),
        (lambda: b"%PDF-1.7\n" + b"\0" * 1000, "damaged or cut short"),
        (lambda: b"<!doctype html><html>", "an HTML page"),
        (lambda: b"", "not a PDF"),
        (lambda: b"%PDF-" + b" " * MAX_DOCUMENT_BYTES, f"the limit is {MAX_DOCUMENT_BYTES}"),
    ],
    ids=["encrypted", "pages", "bomb", "bomb in a bomb", "text", "cut", "junk", "html", "empty", "large"],
)
def test_a_hostile_document_is_unreadable_within_its_limits(
    document: Callable[[], bytes], reason: str
) -> None:
    made = document()
    start = time.monotonic()
    with DocumentSandbox() as sandbox, pytest.raises(UnreadableDocumentError, match=reason):
        sandbox.read_pages(made)
    assert time.monotonic() - start < ReadingLimits().seconds + 6


def test_a_good_document_has_the_same_words_in_a_sandbox_and_after_a_hostile_one() -> None:
    good = merged_price_cells().pdf
    with DocumentSandbox() as sandbox:
        with pytest.raises(UnreadableDocumentError):
            sandbox.read_pages(bomb())
        pages = sandbox.read_pages(good)
    assert pages == read_pages(good)
    assert "option tarifaire base" in pages[0].text


def test_a_page_of_too_many_words_is_unreadable() -> None:
    stream = (
        b"BT /F1 1 Tf "
        + b"".join(b"1 0 0 1 %d %d Tm (0,12) Tj " % (i % 90 * 6 + 9, i // 90 * 12 + 9) for i in range(6000))
        + b"ET"
    )
    with pytest.raises(UnreadableDocumentError, match="page 1 holds more words than any price sheet"):
        read_pages(pdf_of(zlib.compress(stream)))


@pytest.mark.parametrize(
    "words",
    [
        ["6"] * 4900,
        ["0,1952"] * 4900,
        ["HT", "TTC", "HP", "HC", "Abonnement", "kWh", "TRV", "Puissance", "option", "Bleu"] * 490,
        ["puissances de 1 a 2 kva de l'option base"] * 4900,
        [str(i % 36 + 1) for i in range(590)] + ["0,19"] * 4000,
    ],
    ids=["powers", "amounts", "headers", "sentences", "grid"],
)
def test_words_as_dense_as_allowed_are_read_in_bounded_time(words: list[str]) -> None:
    placed = tuple(
        Word(10 + i % 70 * 8, 20 + i // 70 * 11, 17 + i % 70 * 8, 28 + i // 70 * 11, text)
        for i, text in enumerate(words)
    )
    start = time.monotonic()
    reading = read_sheet((Page(1, 595, 842, placed),))
    assert time.monotonic() - start < 20
    assert find_doubts(reading, Expected(), shipped_references())
