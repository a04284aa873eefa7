"""Documents made to hurt: each is unreadable with a reason, in bounded time and memory."""

import io
import time
import zlib
from collections.abc import Callable

import pytest
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from openwatt.catalogue.references import shipped_references
from openwatt.domain.doubts import Expected, find_doubts
from openwatt.ingest.grid_pdf.apart import MAX_SECONDS, read_pages_apart
from openwatt.ingest.grid_pdf.sheet import read_sheet
from openwatt.ingest.grid_pdf.words import Page, Word, read_pages
from openwatt.ingest.unreadable import UnreadableDocumentError
from tests.ingest.drawn_sheets import merged_price_cells


def encrypted() -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, encrypt="secret")
    canvas.drawString(50, 50, "Grille")
    canvas.save()
    return out.getvalue()


def ten_thousand_pages() -> bytes:
    return pdf_of(b"", kids=10_000)


def bomb(filters: bytes = b"/FlateDecode", rounds: int = 1) -> bytes:
    packer = zlib.compressobj(9)
    stream = b"".join([packer.compress(b" " * 1_000_000) for _ in range(1000)] + [packer.flush()])
    for _ in range(rounds - 1):
        stream = zlib.compress(stream, 9)
    return pdf_of(stream, filters=filters)


def bomb_in_a_bomb() -> bytes:
    return bomb(b"[/FlateDecode /FlateDecode]", 2)


def endless_text() -> bytes:
    return pdf_of(
        zlib.compress(b"BT /F1 8 Tf " + b"1 0 0 1 50 50 Tm (0,1952 3 6 9) Tj " * 3_000_000 + b"ET", 9)
    )


def pdf_of(stream: bytes, *, filters: bytes = b"/FlateDecode", kids: int = 1) -> bytes:
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [" + b"3 0 R " * kids + b"] /Count %d >>" % kids,
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d /Filter %s >>\nstream\n" % (len(stream), filters) + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        out
        + b"xref\n0 6\n0000000000 65535 f \n"
        + table
        + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(out)
    )


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (encrypted, "locked by a password"),
        (ten_thousand_pages, "10000 pages, the limit is 150"),
        (bomb, "needs more than 15 s or 1000 MB"),
        (bomb_in_a_bomb, "needs more than 15 s or 1000 MB"),
        (endless_text, "more text than any price sheet|needs more than 15 s or 1000 MB"),
        (lambda: merged_price_cells().pdf[:1500], "damaged or cut short"),
        (lambda: b"%PDF-1.7\n" + b"\0" * 1000, "damaged or cut short"),
        (lambda: b"<!doctype html><html>", "an HTML page"),
        (lambda: b"", "not a PDF"),
        (lambda: b"%PDF-" + b" " * 40_000_000, "the limit is 40000000"),
    ],
    ids=["encrypted", "pages", "bomb", "bomb in a bomb", "text", "cut", "junk", "html", "empty", "large"],
)
def test_a_hostile_document_is_unreadable_within_its_limits(
    document: Callable[[], bytes], reason: str
) -> None:
    made = document()
    start = time.monotonic()
    with pytest.raises(UnreadableDocumentError, match=reason):
        read_pages_apart(made)
    assert time.monotonic() - start < MAX_SECONDS + 6


def test_a_good_document_says_the_same_in_a_process_apart() -> None:
    pages = read_pages_apart(merged_price_cells().pdf)
    assert len(pages) == 1
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
