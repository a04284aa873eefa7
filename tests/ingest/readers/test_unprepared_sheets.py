"""Right or refused, never wrong: sheets in layouts that nobody prepared the readers for."""

from collections import Counter
from collections.abc import Callable

import pytest

from openwatt.catalogue.references import shipped_references
from openwatt.domain.doubts import Expected, find_doubts
from openwatt.domain.reading import Line
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import read_pages
from tests.ingest import drawn_sheets
from tests.ingest.damage import KINDS, MORE_KINDS, damages, grids_of
from tests.ingest.unprepared_sheets import LAYOUTS, Unprepared

REFERENCES = shipped_references()
#: What a sheet is doubted for although it is read right: powers and amounts that no grid has had.
DOUBTED = {
    "crosses_where_an_option_is_not_sold": {"powers-missing"},
    "thousands_apart": {"bill-unlike", "subscription-range", "subscription-unlike"},
}


def found(lines: tuple[Line, ...]) -> drawn_sheets.Expected:
    return {
        (line.offer, line.option, line.power_kva, meaning, side): figure.amount
        for line in lines
        for (meaning, side), figure in line.figures.items()
    }


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_an_unprepared_layout_is_read_to_the_last_figure(layout: Callable[[], Unprepared]) -> None:
    sheet = layout()
    reading = read_sheet(read_pages(sheet.pdf))
    assert found(reading.lines) == sheet.expected
    doubts = find_doubts(reading, Expected(), REFERENCES)
    assert {doubt.rule for doubt in doubts} == DOUBTED.get(layout.__name__, set()), doubts


def test_prices_that_are_struck_out_without_another_close_their_rows() -> None:
    reading = read_sheet(read_pages(LAYOUTS_BY_NAME["struck_real_beside_struck_decoys"]().pdf))
    closed = {line.power_kva for line in reading.lines if line.closed_to_new_customers}
    assert closed == {9, 12, 15, 18, 24, 30, 36}


def test_an_unprepared_sheet_that_is_damaged_is_refused() -> None:
    """At most one in a hundred passes: one tax side alone cannot prove its last digit."""
    changed, unseen = Counter[str](), []
    for layout in LAYOUTS:
        sheet = layout()
        pages = read_pages(sheet.pdf)
        grids = grids_of(pages)
        expected = declared(sheet)
        known = set(find_doubts(read_sheet(pages), expected, REFERENCES))
        for damage in damages(pages, grids, seed=2, each=3, kinds=KINDS | MORE_KINDS) if grids else ():
            reading = read_sheet(damage.pages)
            if found(reading.lines) == sheet.expected:
                continue
            changed[damage.kind] += 1
            if not set(find_doubts(reading, expected, REFERENCES)) - known:
                unseen.append((layout.__name__, damage.kind, damage.says))
    assert min(changed[kind] for kind in KINDS | MORE_KINDS) > 10, changed
    assert len(unseen) <= 0.01 * changed.total(), (unseen, changed)


def declared(sheet: Unprepared) -> Expected:
    """What the source of a sheet would say of it: its powers and tax sides."""
    options: dict[str, list[int]] = {}
    for _, option, power, _, _ in sheet.expected:
        options.setdefault(option, []).append(power)
    sides = {side for *_, side in sheet.expected}
    return Expected(
        offers={"(unknown)": {option: sorted(set(powers)) for option, powers in options.items()}},
        taxes=("HT", "TTC") if len(sides) == 2 else ("HT",) if "HT" in sides else ("TTC",),
    )


LAYOUTS_BY_NAME = {layout.__name__: layout for layout in LAYOUTS}
