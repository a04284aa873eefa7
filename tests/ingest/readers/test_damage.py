"""Never wrong: a sheet damaged as a bad reading would damage it must not pass without a doubt."""

from openwatt.domain.doubts import Expected, find_doubts
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from tests.ingest.corpus import REFERENCES, SHEETS, cells_of, pages_of, truth_of
from tests.ingest.damage import KINDS, damages, grids_of
from tests.ingest.measure import Tally, count_unseen
from tests.shared_data import needs_shared_data


@needs_shared_data
def test_at_most_one_damaged_reading_in_a_hundred_passes_without_a_doubt() -> None:
    tally = Tally()
    for sheet in SHEETS:
        count_unseen(sheet, tally, seed=20251122, each=2)
    assert all(changed > 10 for _, changed, _, _ in tally.rows()), tally.rows()
    assert set(tally.seen) == set(KINDS)
    assert len(tally.unseen) <= 0.01 * tally.changed, tally.unseen
    # All but a digit changed by little is always seen.
    assert {kind for _, kind, _ in tally.unseen} <= {"change one digit"}


@needs_shared_data
def test_without_its_source_a_damaged_sheet_passes_only_with_a_digit_off() -> None:
    """On layouts never seen the doubts alone decide: what they let through may miss a row, never a column."""
    passed, tried = [], 0
    for sheet in SHEETS:
        pages = pages_of(sheet)
        true = {key[1:]: amount for key, amount in truth_of(sheet).cells.items()}
        for damage in damages(pages, grids_of(pages), seed=3, each=1):
            tried += 1
            reading = read_sheet(damage.pages)
            if not find_doubts(reading, Expected(), REFERENCES):
                read = {key[1:]: amount for key, amount in cells_of(reading.lines).items()}
                passed.append((damage.kind, {key for key, amount in read.items() if true.get(key) != amount}))
    assert tried > 100
    assert {kind for kind, wrong in passed if wrong} <= {"change one digit"}
    assert all(len(wrong) <= 1 for _, wrong in passed)
