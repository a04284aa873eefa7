"""Right or refused, never wrong: sheets in layouts that nobody prepared the readers for."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from openwatt.catalogue.references import shipped_references
from openwatt.domain.doubts import Expected, find_doubts
from openwatt.domain.reading import Line
from openwatt.ingest.readers.figures import parse_amount
from openwatt.ingest.readers.grid_pdf.sheet import read_sheet
from openwatt.ingest.readers.grid_pdf.words import read_pages
from tests.ingest import drawn_sheets
from tests.ingest.damage import KINDS, MORE_KINDS, damages, grids_of
from tests.ingest.unprepared_sheets import (
    LAYOUTS,
    Unprepared,
    parts_that_do_not_add_up,
    struck_without_a_word,
)

REFERENCES = shipped_references()
#: What a sheet is doubted for although it is read right: powers and amounts that no grid has had.
DOUBTED = {
    "crosses_where_an_option_is_not_sold": {"powers-missing"},
    "thousands_apart": {"bill-unlike", "subscription-range", "subscription-unlike"},
}

#: Ranges of powers HT alone: no tax and no regulated step tells whether a digit is right.
UNPROVED = {"ranges_of_powers", "ranges_in_words", "ranges_in_signs", "three_ranges"}


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


@pytest.mark.parametrize(
    ("pdf", "message"),
    [
        (
            struck_without_a_word,
            "« 0,1952 » is struck out, none replaces it, and no sentence says what is closed",
        ),
        (parts_that_do_not_add_up, "the parts of BASE HT add up to 0.1190, the total is 0.1290"),
    ],
)
def test_an_ambiguous_sheet_is_refused_with_the_reason(pdf: Callable[[], bytes], message: str) -> None:
    faults = read_sheet(read_pages(pdf())).faults
    assert ("layout", message) in [(fault.rule, fault.message) for fault in faults]


def test_an_unprepared_sheet_that_is_damaged_is_refused() -> None:
    """At most one in a hundred passes; of ranges without taxes, which nothing proves, only a digit does."""
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
            if layout.__name__ not in UNPROVED:
                changed[damage.kind] += 1
            if not set(find_doubts(reading, expected, REFERENCES)) - known:
                unseen.append((layout.__name__, damage.kind, damage.says))
    assert min(changed[kind] for kind in KINDS | MORE_KINDS) > 10, changed
    assert {kind for _, kind, _ in unseen} <= {"change one digit", "swap columns"}, unseen
    proved = [damage for damage in unseen if damage[0] not in UNPROVED]
    assert len(proved) <= 0.01 * changed.total(), (proved, changed)
    assert {kind for name, kind, _ in unseen if name in UNPROVED} <= {"change one digit"}


def test_blocks_that_are_damaged_are_refused() -> None:
    """A word changed, gone or swapped with another; a digit passes where no other tax side proves it."""
    dice = random.Random(5)  # noqa: S311 - a repeatable choice, no secret
    changed, unseen = 0, []
    for name in ("a_block_for_each_power", "blocks_of_two_options", "blocks_with_headers_across"):
        sheet = LAYOUTS_BY_NAME[name]()
        (page,) = read_pages(sheet.pdf)
        amounts = [i for i, word in enumerate(page.words) if parse_amount(word.text)]
        for _ in range(60):
            words = list(page.words)
            way, i = dice.choice(("digit", "gone", "swapped", "label gone")), dice.choice(amounts)
            if way == "digit":
                digit = dice.choice([d for d in "0123456789" if d != words[i].text[-2]])
                words[i] = replace(words[i], text=words[i].text[:-2] + digit + words[i].text[-1])
            elif way == "swapped":
                j = dice.choice([j for j in amounts if words[j].text != words[i].text])
                words[i], words[j] = (
                    replace(words[i], text=words[j].text),
                    replace(words[j], text=words[i].text),
                )
            else:
                del words[i if way == "gone" else dice.randrange(14, len(words))]
            reading = read_sheet([replace(page, words=tuple(words))])
            if found(reading.lines) != sheet.expected:
                changed += 1
                if not find_doubts(reading, declared(sheet), REFERENCES):
                    unseen.append((name, way, page.words[i].text, words[i].text))
    assert changed > 100
    assert {way for _, way, _, _ in unseen} <= {"digit"}, unseen
    assert "a_block_for_each_power" not in {name for name, _, _, _ in unseen}


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
