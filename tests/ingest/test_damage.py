"""Never wrong: a sheet damaged as a bad reading would damage it must not pass without a doubt."""

from tests.ingest.corpus import SHEETS
from tests.ingest.damage import KINDS
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
