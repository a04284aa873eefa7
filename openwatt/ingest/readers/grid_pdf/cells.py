"""The cells of a table's columns: the row of each amount, which are struck out, what unit they bear."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from openwatt.ingest.readers.figures import Amount, parse_amount
from openwatt.ingest.readers.grid_pdf.geometry import AmountColumn, Phrase, PowerColumn, lines_of
from openwatt.ingest.readers.grid_pdf.meanings import Meaning
from openwatt.ingest.readers.grid_pdf.vocabulary import Anchor, AnchorKind
from openwatt.ingest.readers.grid_pdf.words import Word

#: The kinds of label that stand inside a cell.
LABELS = (AnchorKind.PERIOD, AnchorKind.SEASON, AnchorKind.HALF, AnchorKind.COLOUR)
_NOT_SOLD = re.compile(r"[x×✗✕–—-]|/|n/?a|nc|non(?: disponible)?|indisponible")

AmountRow = tuple[int, Word, Amount]


def rows_without(spine: PowerColumn, column: AmountColumn, body: Sequence[Word]) -> set[int]:
    """The rows in which a column prints a mark (`x`, a dash) instead of an amount."""
    marked = set()
    for word in body:
        inside = column.x0 - 4 < word.xc < column.x1 + 4
        if inside and _NOT_SOLD.fullmatch(word.plain):
            row = spine.nearest(word.yc)
            if abs(spine.rows[row].yc - word.yc) < 0.6 * spine.pitch:
                marked.add(row)
    return marked


class ColumnRows:
    """Reads the amounts of a column row by row, among the rows that it can have amounts in."""

    def __init__(self, spine: PowerColumn, column: AmountColumn, rows: Sequence[int]) -> None:
        self.spine = spine
        self.column = column
        self.rows = rows
        self.faults: list[str] = []

    def read(self, meaning: Meaning, labels: Sequence[Anchor]) -> Iterator[tuple[Meaning, list[AmountRow]]]:
        """Yields a meaning with its amounts; labels stacked inside the cells win over the header."""
        groups: dict[Meaning, list[tuple[Word, Amount]]] = {}
        merged = meaning.measure == "energy" and len(self.column.cells) < len(self.rows)
        for word, amount in self.column.cells:
            labelled = self._label(word, labels) if merged else {}
            group = replace(
                meaning,
                period=labelled.get(AnchorKind.PERIOD, meaning.period),
                season=labelled.get(AnchorKind.SEASON, meaning.season),
                half=labelled.get(AnchorKind.HALF, meaning.half),
                colour=labelled.get(AnchorKind.COLOUR, meaning.colour),
            )
            groups.setdefault(group, []).append((word, amount))
        for group, cells in groups.items():
            if len(cells) >= 0.6 * len(self.rows) or meaning.measure == "subscription":
                yield group, list(self._row_by_row(cells))
            else:
                yield group, list(self._spread(cells, alone=len(groups) == 1))

    def _label(self, word: Word, labels: Sequence[Anchor]) -> dict[AnchorKind, str]:
        """The labels in a cell that belong to an amount: of each kind the nearest above or beside it."""
        values: dict[AnchorKind, str] = {}
        reach = 1.9 * max(word.height, self.spine.pitch)
        for anchor in sorted(labels, key=lambda a: a.yc):
            beside = min(anchor.x1, self.column.x1 + 25) > max(anchor.x0, self.column.x0 - 45)
            if beside and -0.6 * word.height < word.yc - anchor.yc < reach:
                values[anchor.kind] = anchor.value
        return values

    def _row_by_row(self, cells: Sequence[tuple[Word, Amount]]) -> Iterator[AmountRow]:
        for word, amount in cells:
            row = self.spine.nearest(word.yc)
            if abs(self.spine.rows[row].yc - word.yc) < 0.6 * self.spine.pitch:
                yield row, word, amount

    def _spread(self, cells: Sequence[tuple[Word, Amount]], *, alone: bool) -> Iterator[AmountRow]:
        """Copies a price that is printed once over many rows to all the rows that it is centred on."""
        heights = [self.spine.rows[row].yc for row in self.rows]
        count, pitch = len(heights), self.spine.pitch
        start = 0
        for k, (word, amount) in enumerate(cells):
            stop = count
            if k < len(cells) - 1:
                stop = min(
                    range(start + 1, max(start + 2, count)),
                    key=lambda end: abs((heights[start] + heights[end - 1]) / 2 - word.yc),
                )
            middle = (heights[start] + heights[stop - 1]) / 2 if start < count else word.yc
            if alone and abs(middle - word.yc) > max(1.6 * pitch, 0.15 * (heights[-1] - heights[0])):
                self.faults.append(f"« {word.text} » stands for several rows but is not centred on them")
            for row in self.rows[start:stop]:
                yield row, word, amount
            start = stop


def without_replaced(spine: PowerColumn, column: AmountColumn) -> AmountColumn | None:
    """Removes the struck amounts of a column that share a cell with one that is not; None if none is left."""
    real = [word for word, _ in column.cells if not word.struck]
    reach = 1.5 * spine.pitch

    def is_replaced(word: Word) -> bool:
        if not word.struck or not real:
            return False
        if len(column.cells) >= 0.6 * len(spine.rows):
            row = spine.nearest(word.yc)
            return any(spine.nearest(other.yc) == row for other in real)
        return any(abs(other.yc - word.yc) < max(reach, 2 * word.height) for other in real)

    cells = [cell for cell in column.cells if not is_replaced(cell[0])]
    if len(cells) == len(column.cells):
        return column
    words = [word for word, _ in cells]
    return AmountColumn(min(w.x0 for w in words), max(w.x1 for w in words), cells) if words else None


def struck_columns(
    columns: Sequence[AmountColumn], meanings: Sequence[Meaning], others: Sequence[bool]
) -> list[bool]:
    """Which of the offer's columns are struck throughout beside one of the same meaning that is not."""
    whole = [all(word.struck for word, _ in column.cells) for column in columns]
    real = {meaning for i, meaning in enumerate(meanings) if not others[i] and not whole[i]}
    return [whole[i] and not others[i] and meaning in real for i, meaning in enumerate(meanings)]


def unit_beside(column: AmountColumn, body: Sequence[Word]) -> Phrase | None:
    """The words that stand right behind every amount of a column ("€ TTC/an"); None when there are none."""
    behind: list[Phrase] = []
    for line in lines_of(body):
        for i, word in enumerate(line):
            if not any(word is cell for cell, _ in column.cells):
                continue
            stop = i + 1
            while stop < len(line) and line[stop].x0 - line[stop - 1].x1 < 0.7 * line[stop].height:
                if parse_amount(line[stop].text):
                    break
                stop += 1
            if stop > i + 1:
                behind.append(Phrase(tuple(line[i + 1 : stop])))
    alike = len({phrase.text for phrase in behind}) == 1 and len(behind) == len(column.cells)
    return behind[0] if alike else None
