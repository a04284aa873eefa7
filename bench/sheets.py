"""Milliseconds of work to read each sheet of the corpus: `python -m bench.sheets`; at most 100, annex 1 s."""

import statistics
import time

from openwatt.ingest.grid_pdf.apart import read_pages_apart
from openwatt.ingest.grid_pdf.sheet import read_sheet
from openwatt.ingest.grid_pdf.words import read_pages
from tests.ingest.corpus import SHEETS, cells_of, pdf_of, source_of, truth_of

ROUNDS = 5


def main() -> None:
    """Time every sheet: words, reading, and by the clock the words taken in a process of their own."""
    print(f"{'sheet':26} {'pages':>5} {'cells':>5} {'words':>7} {'read':>7} {'total':>7} {'apart':>7}")
    for sheet in SHEETS:
        document = pdf_of(sheet).read_bytes()
        taken: list[tuple[float, float, float]] = []
        for _ in range(ROUNDS):
            start = time.process_time()
            pages = read_pages(document)
            words = time.process_time()
            reading = read_sheet(pages, source_of(sheet))
            done = time.process_time()
            began = time.perf_counter()
            read_pages_apart(document)
            taken.append((words - start, done - words, time.perf_counter() - began))
        assert cells_of(reading.lines) == truth_of(sheet).cells
        a, b, c = (statistics.median(column) * 1000 for column in zip(*taken, strict=True))
        print(
            f"{sheet:26} {len(pages):5} {len(truth_of(sheet).cells):5} "
            f"{a:7.0f} {b:7.0f} {a + b:7.0f} {c:7.0f}"
        )


if __name__ == "__main__":
    main()
