"""The geometry of words: lines, phrases, columns, and headers assigned to columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import Protocol

from openwatt.ingest.readers.figures import Amount, Powers, parse_amount, parse_powers
from openwatt.ingest.readers.grid_pdf.words import Word

#: Fewer aligned powers than this are no table.
MIN_ROWS = 4
#: Ranges of powers are rarer words than numbers: so many are enough.
_MIN_RANGES = 3
#: A page of three grids with every power has a hundred.
MAX_POWERS = 600
#: Two powers of one column are centred within this many points.
_COLUMN_DRIFT = 9.0


class Spanning(Protocol):
    """A thing with a left and a right edge."""

    @property
    def x0(self) -> float:
        """The left edge."""

    @property
    def x1(self) -> float:
        """The right edge."""


def overlap(a: Spanning, b: Spanning) -> float:
    """The points that two things share from left to right; negative when they are apart."""
    return min(a.x1, b.x1) - max(a.x0, b.x0)


def lines_of(words: Sequence[Word]) -> list[list[Word]]:
    """Groups words into lines from top to bottom, each from left to right."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda w: (w.yc, w.x0)):
        middle, height = word.yc, word.height
        for line in lines[-6:]:
            first = line[0]
            if middle - first.yc < 0.45 * max(4.0, min(first.height, height)):
                line.append(word)
                break
        else:
            lines.append([word])
    for line in lines:
        line.sort(key=lambda w: w.x0)
    return lines


@dataclass(frozen=True)
class Phrase:
    """A phrase: words of one line that stand close enough to be read together."""

    words: tuple[Word, ...]

    @cached_property
    def x0(self) -> float:
        """The left edge."""
        return self.words[0].x0

    @cached_property
    def x1(self) -> float:
        """The right edge."""
        return max(word.x1 for word in self.words)

    @cached_property
    def yc(self) -> float:
        """The middle, top to bottom."""
        return self.words[0].yc

    @cached_property
    def text(self) -> str:
        """The words as they are compared."""
        return " ".join(word.plain for word in self.words)


def phrases_of(words: Sequence[Word]) -> list[Phrase]:
    """Groups words into lines and cuts these into phrases."""
    return [phrase for line in lines_of(words) for phrase in cut(line)]


def cut(line: Sequence[Word]) -> Iterator[Phrase]:
    """Cuts a line where the gap between two words is wider than a space."""
    start = 0
    for i in range(1, len(line) + 1):
        if i == len(line) or line[i].x0 - line[i - 1].x1 > 0.75 * max(line[i].height, line[i - 1].height):
            yield Phrase(tuple(line[start:i]))
            start = i


@dataclass(frozen=True)
class PowerRow:
    """One printed power: the word that opens a row of a table."""

    word: Word
    powers: Powers

    @cached_property
    def yc(self) -> float:
        """The middle of the row."""
        return self.word.yc


@dataclass(frozen=True)
class PowerColumn:
    """Increasing powers under each other: the spine of one table."""

    rows: tuple[PowerRow, ...]

    @cached_property
    def x0(self) -> float:
        """The left edge."""
        return min(row.word.x0 for row in self.rows)

    @cached_property
    def x1(self) -> float:
        """The right edge."""
        return max(row.word.x1 for row in self.rows)

    @cached_property
    def top(self) -> float:
        """The middle of the first row."""
        return self.rows[0].yc

    @cached_property
    def bottom(self) -> float:
        """The middle of the last row."""
        return self.rows[-1].yc

    @cached_property
    def pitch(self) -> float:
        """The usual distance between two rows."""
        return median(b.yc - a.yc for a, b in pairwise(self.rows))

    @cached_property
    def _centres(self) -> list[float]:
        return [row.yc for row in self.rows]

    def nearest(self, y: float) -> int:
        """The number of the row nearest to a height."""
        return min(range(len(self.rows)), key=lambda j: abs(self._centres[j] - y))


def power_columns(words: Sequence[Word]) -> list[PowerColumn]:
    """Finds columns of at least four increasing powers, aligned under each other at an even pitch.

    None on a page with more numbers than any grid: looking would take too long.
    """
    candidates = [PowerRow(word, powers) for word in words if (powers := parse_powers(word.text))]
    if len(candidates) > MAX_POWERS:
        return []
    candidates.sort(key=lambda row: row.yc)
    columns: list[PowerColumn] = []
    used: set[int] = set()
    for first in candidates:
        if id(first) in used:
            continue
        run = [first]
        while following := _next_row(run, candidates, used):
            run.append(following)
        ranges = all(row.powers.low < row.powers.high for row in run)
        if len(run) >= (_MIN_RANGES if ranges else MIN_ROWS):
            used.update(map(id, run))
            columns.append(PowerColumn(tuple(run)))
    return columns


def _next_row(run: list[PowerRow], candidates: list[PowerRow], used: set[int]) -> PowerRow | None:
    last = run[-1]
    below = [
        row
        for row in candidates
        if id(row) not in used and row.yc > last.yc + 2 and abs(row.word.xc - last.word.xc) < _COLUMN_DRIFT
    ]
    if not below:
        return None
    # A power that does not rise begins another table: rows beyond it are not of this run.
    following = below[0]
    if following.powers.low <= last.powers.low:
        return None
    limit = 3.3 * median(b.yc - a.yc for a, b in pairwise(run)) if len(run) > 1 else 60.0
    return following if following.yc - last.yc <= limit else None


@dataclass
class AmountColumn:
    """Amounts that overlap from left to right: one column of a table."""

    x0: float
    x1: float
    cells: list[tuple[Word, Amount]]


def value_columns(words: Sequence[Word]) -> list[AmountColumn]:
    """Groups the amounts of a table's body into columns, from left to right."""
    columns: list[AmountColumn] = []
    amounts = [(word, amount) for word in words if (amount := parse_amount(word.text))]
    for word, amount in sorted(amounts, key=lambda cell: cell[0].xc):
        for column in columns:
            if overlap(column, word) > 0.35 * min(word.x1 - word.x0, column.x1 - column.x0):
                column.x0, column.x1 = min(column.x0, word.x0), max(column.x1, word.x1)
                column.cells.append((word, amount))
                break
        else:
            columns.append(AmountColumn(word.x0, word.x1, [(word, amount)]))
    columns.sort(key=lambda column: column.x0 + column.x1)
    for column in columns:
        column.cells.sort(key=lambda cell: cell[0].yc)
    return columns


def share_out(columns: Sequence[Spanning], headers: Sequence[Spanning]) -> list[int] | None:
    """Assigns each column the header above it: contiguous groups, each centred under its header.

    A header cell is printed over the middle of the columns it covers, so the
    groups whose middles are nearest to the headers' are the table the eye sees;
    no ruling line is needed. None when there are more headers than columns.
    """
    n, m = len(columns), len(headers)
    if not 0 < m <= n:
        return None
    centres = [(header.x0 + header.x1) / 2 for header in headers]
    best = [[float("inf")] * (m + 1) for _ in range(n + 1)]
    cut = [[0] * (m + 1) for _ in range(n + 1)]
    best[0][0] = 0.0
    for j in range(1, m + 1):
        for i in range(j, n + 1):
            for k in range(j - 1, i):
                middle = (columns[k].x0 + columns[i - 1].x1) / 2
                mean = sum(c.x0 + c.x1 for c in columns[k:i]) / (2 * (i - k))
                cost = best[k][j - 1] + min(abs(middle - centres[j - 1]), abs(mean - centres[j - 1])) ** 2
                if cost < best[i][j]:
                    best[i][j], cut[i][j] = cost, k
    shares = [0] * n
    i = n
    for j in range(m, 0, -1):
        shares[cut[i][j] : i] = [j - 1] * (i - cut[i][j])
        i = cut[i][j]
    return shares
