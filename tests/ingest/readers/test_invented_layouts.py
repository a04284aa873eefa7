"""Never wrong: layouts nobody has seen are read right or doubted, by the general vocabulary alone."""

from openwatt.catalogue.references import shipped_references
from openwatt.domain.doubts import Expected, find_doubts
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import read_pages
from tests.ingest.invented_layouts import invent

SEEDS = range(150)


def test_an_invented_layout_is_read_right_or_doubted() -> None:
    references = shipped_references()
    right = []
    for seed in SEEDS:
        sheet = invent(seed)
        reading = read_sheet(read_pages(sheet.pdf))
        if find_doubts(reading, Expected(), references):
            continue
        read = {
            (line.offer, line.option, line.power_kva, meaning, side): figure.amount
            for line in reading.lines
            for (meaning, side), figure in line.figures.items()
        }
        assert read == sheet.expected, (seed, sheet.says)
        right.append(seed)
    assert len(right) >= 0.85 * len(SEEDS)
