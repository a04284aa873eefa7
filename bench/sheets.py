"""Milliseconds of work to read each sheet of the corpus: `python -m bench.sheets`; at most 100, annex 1 s."""

import datetime as dt
import statistics
import time

from openwatt.catalogue.references import shipped_references
from openwatt.ingest.declarations import load_sources
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import read_pages
from openwatt.ingest.sandbox import DocumentSandbox
from tests.ingest.corpus import SHEETS, cells_of, pdf_of, source_of, truth_of

ROUNDS = 5


def main() -> None:
    """Time every sheet: words, reading, and by the clock what processes of their own take.

    `new` takes the words of one sheet in a sandbox of its own; `kept` reads and doubts it
    in the sandbox that a run keeps for all its documents.
    """
    columns = ("words", "read", "total", "new", "kept")
    print(f"{'sheet':26} {'pages':>5} {'cells':>5}", *(f"{column:>7}" for column in columns))
    sources, references, today = load_sources(), shipped_references(), dt.date.today()  # noqa: DTZ011 - any day
    with DocumentSandbox() as inspector:
        inspector.inspect_document(b"", sources, references, on=today)  # its start is no sheet's
        for sheet in SHEETS:
            document = pdf_of(sheet).read_bytes()
            taken: list[tuple[float, float, float, float]] = []
            for _ in range(ROUNDS):
                start = time.process_time()
                pages = read_pages(document)
                words = time.process_time()
                reading = read_sheet(pages, source_of(sheet))
                done = time.process_time()
                began = time.perf_counter()
                with DocumentSandbox() as new:
                    new.read_pages(document)
                alone = time.perf_counter()
                inspector.inspect_document(document, sources, references, on=today)
                kept = time.perf_counter()
                taken.append((words - start, done - words, alone - began, kept - alone))
            assert cells_of(reading.lines) == truth_of(sheet).cells
            a, b, c, d = (statistics.median(column) * 1000 for column in zip(*taken, strict=True))
            print(
                f"{sheet:26} {len(pages):5} {len(truth_of(sheet).cells):5} "
                f"{a:7.0f} {b:7.0f} {a + b:7.0f} {c:7.0f} {d:7.0f}"
            )


if __name__ == "__main__":
    main()
