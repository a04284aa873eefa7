"""Damage done to the words of a sheet as a bad reading would do it, for tests that it never goes unseen."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations, pairwise

from openwatt.ingest.readers.figures import parse_amount
from openwatt.ingest.readers.grid_pdf.geometry import PowerColumn, power_columns, value_columns
from openwatt.ingest.readers.grid_pdf.header import header_words
from openwatt.ingest.readers.grid_pdf.joints import join_words
from openwatt.ingest.readers.grid_pdf.vocabulary import AnchorKind, Vocabulary, read_anchors
from openwatt.ingest.readers.grid_pdf.words import Page, Word


@dataclass(frozen=True)
class Damage:
    """A sheet with one thing wrong, and what was done to it."""

    kind: str
    says: str
    pages: tuple[Page, ...]


@dataclass(frozen=True)
class Grid:
    """One table of a page: its powers, its body and its header."""

    page: Page
    spine: PowerColumn
    body: list[Word]
    header: list[Word]


def grids_of(pages: Sequence[Page]) -> list[Grid]:
    """Every table that has amounts."""
    grids = []
    for page in pages:
        words = join_words(page.words)
        spines = power_columns(words)
        for spine in spines:
            beside = [
                s.x0 for s in spines if s.x0 > spine.x1 + 20 and s.top < spine.bottom and s.bottom > spine.top
            ]
            right = min([*beside, page.width])
            margin = 0.8 * spine.pitch
            body = [
                word
                for word in page.words
                if spine.x1 < word.xc < right
                and spine.top - margin < word.yc < spine.bottom + margin
                and parse_amount(word.text)
            ]
            header = header_words(
                page.words, spine, spine.x0 - 25, right, [other for other in spines if other is not spine]
            )
            text = " ".join(word.plain for word in header)
            if body and ("puis" in text or "kva" in text):
                grids.append(Grid(page, spine, body, header))
    return grids


def damages(
    pages: Sequence[Page],
    grids: Sequence[Grid],
    seed: int,
    each: int,
    kinds: Mapping[str, "Maker"] | None = None,
) -> Iterator[Damage]:
    """Up to `each` damages of every kind, always the same for a seed."""
    dice = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    for kind, maker in (kinds or KINDS).items():
        for _ in range(each):
            grid = dice.choice(grids)
            done = maker(grid, dice)
            if done is not None:
                says, changes = done
                yield Damage(kind, f"page {grid.page.number}: {says}", _changed(pages, grid.page, changes))


Changes = dict[int, Word | None]
Done = tuple[str, Changes] | None
Maker = Callable[["Grid", random.Random], "Done"]


def _changed(pages: Sequence[Page], page: Page, changes: Changes) -> tuple[Page, ...]:
    words = []
    for word in page.words:
        new = changes.get(id(word), word)
        if new is not None:
            words.append(new)
    return tuple(replace(p, words=tuple(words)) if p is page else p for p in pages)


def _drop_column(grid: Grid, dice: random.Random) -> Done:
    column = dice.choice(value_columns(grid.body))
    words = [word for word, _ in column.cells]
    return f"column of {words[0].text} dropped", {id(word): None for word in words}


def _swap_headers(grid: Grid, dice: random.Random) -> Done:
    """Two header words of one kind change places: HT and TTC, HP and HC, two colours, two measures."""
    words: dict[AnchorKind, list[tuple[Word, str]]] = {}
    for word in grid.header:
        for anchor in read_anchors([word], Vocabulary()):
            words.setdefault(anchor.kind, []).append((word, anchor.value))
    kinds = [kind for kind, found in words.items() if len({value for _, value in found}) > 1]
    if not kinds:
        return None
    kind = dice.choice(sorted(kinds))
    first, value = dice.choice(words[kind])
    second, _ = dice.choice([pair for pair in words[kind] if pair[1] != value])
    says = f"headers « {first.text} » and « {second.text} » swapped"
    return says, {id(first): replace(first, text=second.text), id(second): replace(second, text=first.text)}


def _change_digit(grid: Grid, dice: random.Random) -> Done:
    word = dice.choice(grid.body)
    places = [i for i, letter in enumerate(word.text) if letter.isdigit()]
    place = dice.choice(places)
    digit = dice.choice([d for d in "0123456789" if d != word.text[place]])
    text = word.text[:place] + digit + word.text[place + 1 :]
    return f"{word.text} became {text}", {id(word): replace(word, text=text)}


def _scale(grid: Grid, dice: random.Random) -> Done:
    word = dice.choice(grid.body)
    amount = parse_amount(word.text)
    assert amount is not None
    scaled = amount.value * dice.choice([Decimal(10), Decimal(100), Decimal("0.1"), Decimal("0.01")])
    text = f"{scaled:.2f}" if scaled >= 1 else f"{scaled:f}"
    text = text.replace(".", ",")
    return f"{word.text} became {text}", {id(word): replace(word, text=text)}


def _remove_row(grid: Grid, dice: random.Random) -> Done:
    row = dice.choice(grid.spine.rows)
    words = [w for w in grid.page.words if abs(w.yc - row.yc) < 0.45 * grid.spine.pitch]
    band = [w for w in words if w in grid.body or grid.spine.x0 - 30 < w.xc < grid.spine.x1 + 3]
    return f"row {row.word.text} removed", {id(word): None for word in band}


def _ht_by_ttc(grid: Grid, dice: random.Random) -> Done:
    """A header HT reads TTC, all of them do, or a value without taxes is replaced by the one beside it."""
    heads = [w for w in grid.header if w.plain.strip("(€)*0123456789") in ("ht", "htt")]
    if not heads:
        return None
    way = dice.choice(["one header", "every header", "a value"])
    if way == "a value":
        columns = value_columns(grid.body)
        pairs = [(a, b) for a, b in pairwise(columns) if len(a.cells) == len(b.cells)]
        if not pairs:
            return None
        left, right = dice.choice(pairs)
        (ht, _), (ttc, _) = dice.choice(list(zip(left.cells, right.cells, strict=True)))
        return f"{ht.text} replaced by {ttc.text} beside it", {id(ht): replace(ht, text=ttc.text)}
    chosen = heads if way == "every header" else [dice.choice(heads)]
    return f"{way} HT became TTC", {id(word): replace(word, text="TTC") for word in chosen}


def _swap_columns(grid: Grid, dice: random.Random) -> Done:
    """Two columns of as many amounts change places."""
    columns = value_columns(grid.body)
    pairs = [(a, b) for a, b in combinations(columns, 2) if len(a.cells) == len(b.cells)]
    if not pairs:
        return None
    left, right = dice.choice(pairs)
    changes: Changes = {}
    for (a, _), (b, _) in zip(left.cells, right.cells, strict=True):
        changes |= {id(a): replace(a, text=b.text), id(b): replace(b, text=a.text)}
    return f"columns of {left.cells[0][0].text} and {right.cells[0][0].text} swapped", changes


def _remove_header(grid: Grid, dice: random.Random) -> Done:
    """A word of the header that means something is not there."""
    words = [word for word in grid.header if list(read_anchors([word], Vocabulary()))]
    if not words:
        return None
    word = dice.choice(words)
    return f"header « {word.text} » removed", {id(word): None}


#: Two more kinds, for sheets that no source describes.
MORE_KINDS: dict[str, Maker] = {
    "swap columns": _swap_columns,
    "remove a header": _remove_header,
}
KINDS: dict[str, Maker] = {
    "drop a column": _drop_column,
    "swap headers": _swap_headers,
    "change one digit": _change_digit,
    "scale by 10 or 100": _scale,
    "remove a row": _remove_row,
    "HT by TTC": _ht_by_ttc,
}
