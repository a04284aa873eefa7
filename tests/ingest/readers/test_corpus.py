"""The readers on the real sheets: every printed cell right, none wrong, and the printed errors named."""

import ctypes
import io
from collections.abc import Callable

import pypdfium2 as pdfium  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium_c  # type: ignore[import-untyped]
import pytest

from openwatt.domain.doubts import Expected, find_doubts
from openwatt.ingest.declarations import expectations, recognise
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import read_pages
from tests.ingest.corpus import (
    MISPRINTED,
    REFERENCES,
    SHEETS,
    SOURCES,
    cells_of,
    pages_of,
    pdf_of,
    reading_of,
    source_of,
    truth_of,
    valid_of,
)
from tests.shared_data import needs_shared_data

pytestmark = needs_shared_data
every_sheet = pytest.mark.parametrize("sheet", SHEETS)


@every_sheet
def test_every_printed_cell_is_right_and_none_is_wrong(sheet: str) -> None:
    assert cells_of(reading_of(sheet).lines) == truth_of(sheet).cells


@every_sheet
def test_the_days_are_read_with_the_precision_of_the_sheet(sheet: str) -> None:
    assert valid_of(reading_of(sheet).lines) == truth_of(sheet).valid


@every_sheet
def test_a_sheet_is_recognised_by_its_own_words(sheet: str) -> None:
    text = " ".join(page.text for page in pages_of(sheet))
    assert recognise(text, SOURCES.values()) is source_of(sheet)


@every_sheet
def test_only_printed_errors_are_doubted(sheet: str) -> None:
    doubts = find_doubts(reading_of(sheet), expectations(source_of(sheet)), REFERENCES)
    assert {doubt.rule for doubt in doubts} == MISPRINTED.get(sheet, set())


def test_the_printed_errors_are_found_and_named() -> None:
    said = {
        sheet: " ".join(
            f"{d.where} {d.message}"
            for d in find_doubts(reading_of(sheet), expectations(source_of(sheet)), REFERENCES)
        )
        for sheet in MISPRINTED
    }
    assert "HPHC 36 kVA" in said["octopus_ecoconso"]
    assert "falls from 54,89 to 54,61" in said["octopus_ecoconso"]
    assert "0.13930 HT" in said["dyneff_hphc"]
    assert "the sheet says 0.20760" in said["dyneff_hphc"]
    assert "leave a CTA of 19.03 %" in said["wekiwi_aurore"]


def test_closed_options_are_closed() -> None:
    closed = {
        sheet: {
            (line.option, line.power_kva) for line in reading_of(sheet).lines if line.closed_to_new_customers
        }
        for sheet in SHEETS
    }
    from_9 = {("BASE", power) for power in (9, 12, 15, 18, 24, 30, 36)}
    from_18 = {("BASE", power) for power in (18, 24, 30, 36)}
    assert closed.pop("edf_tarif_bleu") == from_9
    assert closed.pop("edf_tarif_bleu_20250201") == from_9
    assert closed.pop("edf_tarif_bleu_20260201") == from_9
    assert closed.pop("edf_tarif_bleu_20240201") == from_18
    assert closed.pop("edf_tarif_bleu_20220201") == from_18
    assert closed.pop("trve_cre_2025_07") == from_9 | {("EJP", power) for power in (9, 12, 15, 18, 36)}
    assert {sheet for sheet, lines in closed.items() if lines} == set()


def test_a_sheet_without_text_asks_for_manual_entry() -> None:
    reading = read_sheet(
        read_pages(pdf_of("vattenfall_equilibre").read_bytes()), SOURCES["vattenfall_equilibre"]
    )
    assert reading.lines == ()
    assert [(doubt.rule, doubt.message[:21]) for doubt in reading.faults] == [
        ("no-text", "no text: manual entry")
    ]


def with_blank_page(pdf: bytes) -> bytes:
    return _saved(_copy(pdf, blank=True))


def scaled_and_moved(pdf: bytes) -> bytes:
    document = _copy(pdf, blank=False)
    matrix = pdfium_c.FS_MATRIX(0.85, 0, 0, 0.85, 31, 17)
    clip = pdfium_c.FS_RECTF(0, 3000, 3000, 0)
    for page in document:
        done = pdfium_c.FPDFPage_TransFormWithClip(page.raw, ctypes.byref(matrix), ctypes.byref(clip))
        assert done
        page.close()
    return _saved(document)


def _copy(pdf: bytes, *, blank: bool) -> pdfium.PdfDocument:
    source, target = pdfium.PdfDocument(pdf), pdfium.PdfDocument.new()
    if blank:
        target.new_page(595, 842).close()
    target.import_pages(source)
    return target


def _saved(document: pdfium.PdfDocument) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


@every_sheet
@pytest.mark.parametrize("change", [with_blank_page, scaled_and_moved], ids=lambda change: change.__name__)
def test_a_page_inserted_or_a_sheet_scaled_and_moved_changes_nothing(
    sheet: str, change: Callable[[bytes], bytes]
) -> None:
    pages = read_pages(change(pdf_of(sheet).read_bytes()))
    assert [page.words[:1] for page in pages] != [page.words[:1] for page in pages_of(sheet)]
    reading = read_sheet(pages, source_of(sheet))
    assert cells_of(reading.lines) == truth_of(sheet).cells
    assert valid_of(reading.lines) == truth_of(sheet).valid


@every_sheet
def test_without_its_source_a_sheet_is_right_or_refused(sheet: str) -> None:
    """Each sheet in turn is a layout never seen: what raises no doubt must be right."""
    reading = read_sheet(pages_of(sheet))
    if find_doubts(reading, Expected(), REFERENCES):
        return
    true = {key[1:]: amount for key, amount in truth_of(sheet).cells.items()}
    assert {key[1:]: amount for key, amount in cells_of(reading.lines).items()} == true


def test_some_sheets_are_read_without_their_source() -> None:
    unaided = [
        sheet for sheet in SHEETS if not find_doubts(read_sheet(pages_of(sheet)), Expected(), REFERENCES)
    ]
    assert len(unaided) >= 5, unaided
