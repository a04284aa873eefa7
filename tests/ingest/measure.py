"""How many damaged readings of the corpus raise no doubt: counted for tests and for `bench/mutations.py`."""

from collections import Counter
from dataclasses import dataclass, field

from openwatt.domain.doubts import find_doubts
from openwatt.domain.reading import Doubt, Reading
from openwatt.ingest.declarations import expectations
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from tests.ingest.corpus import MISPRINTED, REFERENCES, pages_of, reading_of, source_of
from tests.ingest.damage import KINDS, damages, grids_of


@dataclass
class Tally:
    """Damages by kind: seen or not where they changed the reading, harmless where they did not."""

    seen: Counter[str] = field(default_factory=Counter)
    unseen: list[tuple[str, str, str]] = field(default_factory=list)
    harmless: Counter[str] = field(default_factory=Counter)

    @property
    def changed(self) -> int:
        return self.seen.total() + len(self.unseen)

    def rows(self) -> list[tuple[str, int, int, int]]:
        """(kind, changed the reading, unseen, changed nothing) per kind."""
        missed = Counter(kind for _, kind, _ in self.unseen)
        return [(k, self.seen[k] + missed[k], missed[k], self.harmless[k]) for k in KINDS]


def count_unseen(sheet: str, tally: Tally, *, seed: int, each: int) -> None:
    """Damage one sheet `each` times per kind and count what the doubts see.

    A misprinted sheet is refused whatever else is wrong with it; so that it can
    be measured, its own doubts are taken as signed off and only new ones count.
    """
    source = source_of(sheet)
    pages = tuple(
        page
        for page in pages_of(sheet)
        if not source.page_phrases or any(phrase in page.text for phrase in source.page_phrases)
    )
    expected = expectations(source)
    true = reading_of(sheet)
    known = set(find_doubts(true, expected, REFERENCES)) if sheet in MISPRINTED else set()
    grids = grids_of(pages)
    assert grids
    for damage in damages(pages, grids, seed=seed, each=each):
        reading = read_sheet(damage.pages, source)
        if _said(reading) == _said(true):
            tally.harmless[damage.kind] += 1
        elif _new(find_doubts(reading, expected, REFERENCES), known):
            tally.seen[damage.kind] += 1
        else:
            tally.unseen.append((sheet, damage.kind, damage.says))


def reason_unseen(sheet: str) -> str:
    """Why no rule can see a small change on a sheet: what it leaves to check against."""
    if source_of(sheet).taxes == ("HT", "TTC"):
        return "one cent: HT and TTC are each rounded, so either may be one step off"
    return "only one tax side is printed, and the change keeps order and proportion"


def _new(doubts: list[Doubt], known: set[Doubt]) -> list[Doubt]:
    return [doubt for doubt in doubts if doubt not in known]


def _said(reading: Reading) -> set[tuple[object, ...]]:
    return {
        (str(line), place, figure.amount, line.applies_from, line.applies_to, line.closed_to_new_customers)
        for line in reading.lines
        for place, figure in line.figures.items()
    }
