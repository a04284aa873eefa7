"""The reader of sheets that give each power a block of its own: a heading "6 kVA", its figures below it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from openwatt.domain.reading import Tax
from openwatt.ingest.readers.figures import parse_amount, parse_powers
from openwatt.ingest.readers.grid_pdf.cells import AmountRow
from openwatt.ingest.readers.grid_pdf.geometry import (
    AmountColumn,
    PowerColumn,
    PowerRow,
    lines_of,
    overlap,
    phrases_of,
    value_columns,
)
from openwatt.ingest.readers.grid_pdf.joints import join_words
from openwatt.ingest.readers.grid_pdf.meanings import Meaning
from openwatt.ingest.readers.grid_pdf.table import Table, in_cents, is_yearly, keep, option_of
from openwatt.ingest.readers.grid_pdf.vocabulary import Anchor, AnchorKind, Vocabulary, read_anchors
from openwatt.ingest.readers.grid_pdf.words import Page, Word

_HEADING = re.compile(
    r"(?:[\w' ]*puissance(?: souscrite)?(?: de)?)?[ :]*(\d{1,2}(?:-\d{1,2})?) ?(?:kva)?[ :]*"
)
_ANY_HEADING = re.compile(r"\d ?kva|puissance")
_MIN_BLOCKS = 2


@dataclass(frozen=True)
class Block:
    """One power's part of a page: its heading, the words under it, and those that label its lines."""

    heading: PowerRow
    words: Sequence[Word]
    labels: Sequence[Word]


def read_blocks(page: Page, vocabulary: Vocabulary, default_tax: Tax | None) -> Table | None:
    """Reads the blocks of a page as one table; None where it has none."""
    if not _ANY_HEADING.search(page.text):
        return None
    words = join_words(page.words)
    headings = list(_headings(words))
    if len({heading.powers for heading in headings}) < _MIN_BLOCKS:
        return None
    blocks = [block for heading in headings if (block := _block(heading, headings, words, page.width))]
    if len(blocks) < _MIN_BLOCKS:
        return None
    blocks.sort(key=lambda block: block.heading.powers.low)
    top = min(block.heading.yc for block in blocks)
    above = " ".join(word.plain for line in lines_of([w for w in words if w.yc < top]) for word in line)
    table = Table(
        page=page.number,
        spine=PowerColumn(tuple(block.heading for block in blocks)),
        header=above,
        yearly=is_yearly(above),
        cents=in_cents(above),
        titles=frozenset(),
    )
    for row, block in enumerate(blocks):
        _BlockReader(table, row, block, vocabulary, default_tax).read()
    return table


def _headings(words: Sequence[Word]) -> Iterator[PowerRow]:
    """Finds the phrases that are a power and nothing else, with no amount right behind them."""
    for line in lines_of(words):
        for phrase in phrases_of(line):
            found = _HEADING.fullmatch(phrase.text)
            powers = parse_powers(found[1]) if found else None
            if powers is None or not ("kva" in phrase.text or "puissance" in phrase.text):
                continue
            behind = min((w for w in line if w.x0 > phrase.x1), key=lambda w: w.x0, default=None)
            if behind is None or parse_amount(behind.text) is None:
                box = phrase.words
                yield PowerRow(
                    Word(phrase.x0, box[0].y0, phrase.x1, box[0].y1, found[1] if found else ""), powers
                )


def _block(
    heading: PowerRow, headings: Sequence[PowerRow], words: Sequence[Word], width: float
) -> Block | None:
    """The words between a heading and the next ones below and beside it; None without an amount."""
    level = sorted(
        (other for other in headings if abs(other.yc - heading.yc) < heading.word.height),
        key=lambda other: other.word.xc,
    )
    below = [other.word.y0 for other in headings if other.yc > heading.yc + heading.word.height]
    bottom = min(below, default=None)
    if bottom is None:
        bottom = heading.yc + _usual_height(headings)
    band = [w for w in words if heading.word.y1 - 2 < w.yc < bottom]
    edges = [0.0, *(_gap_between(a, b, band) for a, b in pairwise(level)), width]
    place = level.index(heading)
    inside = [w for w in band if edges[place] <= w.xc < edges[place + 1]]
    if not any(parse_amount(word.text) for word in inside):
        return None
    first = min(w.x0 for w in band if parse_amount(w.text))
    return Block(heading, inside, [w for w in band if w.x1 < first and not parse_amount(w.text)])


def _usual_height(headings: Sequence[PowerRow]) -> float:
    """The height of a block under which no other stands, by the distance of the headings above."""
    heights = sorted({round(heading.yc) for heading in headings})
    return max((b - a for a, b in pairwise(heights)), default=400)


def _gap_between(left: PowerRow, right: PowerRow, band: Sequence[Word]) -> float:
    """The middle of the widest strip without words between two headings' middles."""
    start, stop = left.word.xc, right.word.xc
    spans = sorted((w.x0, w.x1) for w in [*band, left.word, right.word] if w.x1 > start and w.x0 < stop)
    reach, best, middle = start, 0.0, (start + stop) / 2
    for x0, x1 in spans:
        if x0 - reach > best:
            best, middle = x0 - reach, (x0 + reach) / 2
        reach = max(reach, x1)
    return middle


class _BlockReader:
    """Reads one block: a line's own words say what its amounts are, those above a column say the rest."""

    def __init__(
        self, table: Table, row: int, block: Block, vocabulary: Vocabulary, default_tax: Tax | None
    ) -> None:
        self.table = table
        self.row = row
        self.block = block
        self.vocabulary = vocabulary
        self.default_tax = default_tax

    def read(self) -> None:
        """Adds the block's figures to the table; an amount without a meaning is a fault."""
        amounts = [word for word in self.block.words if parse_amount(word.text)]
        columns = value_columns(amounts)
        top = min(word.y0 for word in amounts)
        header = [word for word in self.block.words if word.yc < top]
        anchors = read_anchors(header, self.vocabulary)
        of_columns = [_of_column(column, anchors) for column in columns]
        read: list[tuple[Meaning, bool, AmountRow]] = []
        for line in lines_of([word for word in self.block.words if word.yc >= top]):
            label = [word for word in line if not parse_amount(word.text)] or [
                word for word in self.block.labels if abs(word.yc - line[0].yc) < 0.5 * word.height
            ]
            own = {a.kind: a.value for a in read_anchors(label, self.vocabulary)}
            text = " ".join(word.plain for word in [*header, *label])
            for column, of_column in zip(columns, of_columns, strict=True):
                values = of_column | own
                meaning = self._meaning(values, text)
                decoy = values.get(AnchorKind.OWNER) == "other"
                read += [
                    (meaning, decoy, (self.row, word, amount))
                    for word, amount in column.cells
                    if any(word is other for other in line)
                ]
        self._keep(read)

    def _meaning(self, values: Mapping[AnchorKind, str], text: str) -> Meaning:
        season, colour = values.get(AnchorKind.SEASON), values.get(AnchorKind.COLOUR)
        period, option = values.get(AnchorKind.PERIOD), values.get(AnchorKind.OPTION)
        measure = values.get(AnchorKind.MEASURE)
        if measure is None and (period or season or colour or option == "BASE"):
            measure = "energy"  # a line or a column of hours is one of prices
        meaning = Meaning(
            measure=measure,
            tax=self._tax(values.get(AnchorKind.TAX)),
            period=period,
            season=season,
            colour=colour,
            option=option,
            half=values.get(AnchorKind.HALF),
            yearly=is_yearly(text),
            cents=True if in_cents(text) else None,
        )
        named = option_of([meaning], "")
        return replace(meaning, option=option or (None if named == "BASE" else named))

    def _tax(self, side: str | None) -> Tax | None:
        if side is not None:
            return "TTC" if side == "TTC" else "HT"
        named = set(re.findall(r"(?<![a-z])(ttc|htt?)(?![a-z])", self.table.header))
        if len(named) == 1:
            return "TTC" if named == {"ttc"} else "HT"
        return self.default_tax

    def _keep(self, read: Sequence[tuple[Meaning, bool, AmountRow]]) -> None:
        options = {meaning.option for meaning, _, _ in read if meaning.option}
        for meaning, decoy, (row, word, amount) in read:
            option = meaning.option or (next(iter(options)) if len(options) == 1 else None)
            yearly = self.table.yearly if meaning.yearly is None else meaning.yearly
            unclear = [
                name
                for name, known in (
                    ("the option", option),
                    ("subscription or price", meaning.measure),
                    ("HT or TTC", meaning.tax),
                    ("month or year", meaning.measure != "subscription" or yearly is not None),
                    ("why it is struck out", not word.struck),
                )
                if not known
            ]
            if unclear or option is None:
                power = self.block.heading.word.text
                message = f"in the block of {power} kVA nothing says {', '.join(unclear)} for « {word.text} »"
                self.table.faults.append(message)
            else:
                keep(self.table, meaning, option, [(row, word, amount)], decoy=decoy, parts={})


def _of_column(column: AmountColumn, header: Sequence[Anchor]) -> dict[AnchorKind, str]:
    """What the words above a column say of it; a tax side or an option alone is of all columns."""
    wide = AmountColumn(column.x0 - 6, column.x1 + 6, [])
    values: dict[AnchorKind, str] = {}
    for kind in AnchorKind:
        found = [anchor for anchor in header if anchor.kind is kind]
        over = [anchor for anchor in found if overlap(wide, anchor) > 0]
        if over:
            values[kind] = max(over, key=lambda anchor: anchor.yc).value
        elif len({anchor.value for anchor in found}) == 1 and kind in (AnchorKind.TAX, AnchorKind.OPTION):
            values[kind] = found[0].value
    return values
