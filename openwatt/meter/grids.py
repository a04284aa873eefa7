"""A grid of cells, of a text with delimiters or of a sheet: single rows as texts, whole columns as spans."""

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from openwatt.domain.legal_time import Minutes
from openwatt.meter.cells import clean, text_of
from openwatt.meter.columns import PAD, Bytes, Spans, padded

_NEWLINE, _QUOTE = b'\n"'


class Grid(Protocol):
    """Rows of cells; a row may be shorter than others."""

    title: str
    """The name of a sheet, empty for a text."""

    def __len__(self) -> int:
        """How many rows there are."""

    def row(self, number: int) -> list[str]:
        """The cells of one row."""

    def column(self, number: int, first: int) -> Spans:
        """One cell of every row from a first one on, empty where the row has none."""


class TextLines:
    """The lines of a text, blank ones left out, as places in its bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.buffer: Bytes = padded(data)
        ends = np.append(np.flatnonzero(self.buffer[PAD:-PAD] == _NEWLINE), len(data)) + PAD
        begins = np.append(np.int64(PAD), ends[:-1] + 1)
        first = self.buffer[begins]
        # A line that begins with a space may be blank; the others are not.
        filled = begins < ends
        for number in np.flatnonzero(filled & (first <= 32)).tolist():
            filled[number] = bool(data[begins[number] - PAD : ends[number] - PAD].strip(b" "))
        self.begins: Minutes = begins if filled.all() else begins[filled]
        self.ends: Minutes = ends if filled.all() else ends[filled]

    def __len__(self) -> int:
        return len(self.begins)

    def __getitem__(self, number: int) -> str:
        return self.data[self.begins[number] - PAD : self.ends[number] - PAD].decode("utf-8", "replace")

    def every(self) -> list[str]:
        """All of them."""
        return [line for line in self.data.decode("utf-8", "replace").split("\n") if line.strip(" ")]


class TextGrid:
    """The lines of a text, cut at a delimiter that does not stand between quotes."""

    title = ""

    def __init__(self, lines: TextLines, delimiter: str) -> None:
        self._lines = lines
        self._delimiter = delimiter

    def __len__(self) -> int:
        return len(self._lines)

    def row(self, number: int) -> list[str]:
        """The cells of one line."""
        return split(self._lines[number], self._delimiter)

    def column(self, number: int, first: int) -> Spans:
        """One cell of every line from a first one on."""
        begins, ends = self._lines.begins[first:], self._lines.ends[first:]
        cuts, before = self._cuts, self._cuts_before[first:-1]
        counts = np.diff(self._cuts_before[first:])
        buffer = self._lines.buffer
        reach = np.append(cuts, len(buffer) - 1)
        begin = begins if number == 0 else reach[np.minimum(before + number - 1, len(cuts))] + 1
        end = reach[np.minimum(before + number, len(cuts))]
        begin = np.where(counts >= number, begin, ends)
        return Spans(buffer, begin, np.where(counts > number, end, ends)).trimmed()

    @cached_property
    def _cuts_before(self) -> Minutes:
        """How many cuts lie before each line, and in all; a blank line, which was left out, holds none."""
        return np.append(np.searchsorted(self._cuts, self._lines.begins), len(self._cuts))

    @cached_property
    def _cuts(self) -> Minutes:
        """Where the delimiters are that part cells."""
        buffer = self._lines.buffer
        cuts: Minutes = np.flatnonzero(buffer == ord(self._delimiter))
        quotes = np.flatnonzero(buffer == _QUOTE)
        if not len(quotes):
            return cuts
        # Between quotes is where their number since the line began is odd.
        lines = np.searchsorted(self._lines.begins, cuts, side="right") - 1
        since = np.searchsorted(quotes, self._lines.begins[np.maximum(lines, 0)])
        parting: Minutes = cuts[(np.searchsorted(quotes, cuts) - since) % 2 == 0]
        return parting


class SheetGrid:
    """The rows of a sheet."""

    def __init__(self, title: str, rows: Sequence[Sequence[object]]) -> None:
        self.title = title
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: int) -> list[str]:
        """The cells of one row."""
        return [text_of(cell) for cell in self._rows[number]]

    def column(self, number: int, first: int) -> Spans:
        """One cell of every row from a first one on."""
        texts = [text_of(row[number]) if number < len(row) else "" for row in self._rows[first:]]
        return Spans.of(texts).trimmed()


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line, without their quotes; a delimiter between quotes parts none."""
    if '"' not in line:
        return [clean(cell) for cell in line.split(delimiter)]
    cells, quoted = [""], False
    for piece in line.split(delimiter):
        cells[-1] += (delimiter if quoted else "") + piece
        quoted ^= piece.count('"') % 2 == 1
        if not quoted:
            cells.append("")
    return [clean(cell) for cell in (cells if quoted else cells[:-1])]
