"""The quotation of a document for a doubt: the lines of the page at the place that the doubt names."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from openwatt.domain.reading import Doubt, Figure, Line, Reading
from openwatt.ingest.readers.figures import find_dates, plain
from openwatt.ingest.readers.grid_pdf.geometry import lines_of
from openwatt.ingest.readers.grid_pdf.words import Page, Word

#: Lines that are quoted of one doubt at most; whoever wants more has the document.
MOST_LINES = 8
_LONGEST_LINE = 240

_PRINTED = re.compile(r"page (?P<page>\d+), « (?P<printed>[^»]+) »")
_TABLE = re.compile(r"page (?P<page>\d+), table at (?P<first>\S+) … (?P<last>\S+) kVA")
_QUOTED = re.compile(r"« ([^»]+) »")
_ROW = re.compile(r"row (\d+)")
_LETTERS = re.compile(r"\w\w")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    """One line of a document as it stands there; `page` counts from 1, None in a file without pages."""

    page: int | None
    text: str


class DocumentLines:
    """The lines of a document's words, page by page, from top to bottom."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._lines = {page.number: lines_of(page.words) for page in pages}
        # A page without enough amounts for a grid was taken as prose.
        self._prose = {page.number: page.prose for page in pages if page.prose}

    def at(self, figure: Figure) -> Iterator[Quotation]:
        """Yields the lines on which a figure stands, those of its parts where it has some."""
        for part in figure.parts or (figure,):
            if part.page is None or part.box is None:
                continue
            _, top, _, bottom = part.box
            for line in self._lines.get(part.page, ()):
                if any(min(word.y1, bottom) - max(word.y0, top) > 0.5 * word.height for word in line):
                    yield Quotation(page=part.page, text=_text(line))

    def holding(self, wanted: str) -> Iterator[Quotation]:
        """Yields the lines that contain a text, whatever the case and accents of letters."""
        for quotation in self.all():
            if plain(wanted) in plain(quotation.text):
                yield quotation

    def dated(self) -> Iterator[Quotation]:
        """Yields the lines that name a day."""
        for quotation in self.all():
            if next(find_dates(plain(quotation.text)), None) is not None:
                yield quotation

    def table(self, number: int, first: str, last: str) -> Iterator[Quotation]:
        """Yields a table's first and last row with the lines of its header above."""
        lines = [_text(line) for line in self._lines.get(number, ())]
        for i, line in enumerate(lines):
            if first in line.split():
                yield from (Quotation(page=number, text=text) for text in lines[max(0, i - 3) : i + 1])
                rest = (text for text in lines[i + 1 :] if last in text.split())
                yield from (Quotation(page=number, text=text) for text in islice(rest, 1))
                return

    def all(self) -> Iterator[Quotation]:
        """Yields every line of the document."""
        for number in sorted(self._lines):
            if number in self._prose:
                yield Quotation(page=number, text=_short(self._prose[number] or ""))
            for line in self._lines[number]:
                yield Quotation(page=number, text=_text(line))


def split_rows(document: bytes) -> list[str]:
    """Splits a document that is data, not pages, into its rows."""
    return [_short(row) for row in document.decode("utf-8-sig", "replace").splitlines()]


def quote(doubt: Doubt, reading: Reading, words: DocumentLines) -> list[Quotation]:
    """Quotes the lines of a sheet that a person should look at for a doubt, at most `MOST_LINES`.

    Where a doubt names figures, these are their lines; where it names a table, its header
    and ends; else the lines that name days, an option or the words in its message.
    """
    found: Iterable[Quotation]
    if place := _PRINTED.search(doubt.where):
        found = _printed(reading, words, int(place["page"]), place["printed"])
    elif place := _TABLE.search(doubt.where):
        found = words.table(int(place["page"]), place["first"], place["last"])
    elif doubt.rule.startswith("date-"):
        found = words.dated()
    elif rows := [line for line in reading.lines if doubt.where.startswith(f"{line.offer} {line.option} ")]:
        found = _rows(rows, doubt, words)
    elif doubt.rule == "option-missing":
        found = words.holding("option")
    elif named := _QUOTED.findall(doubt.message):
        found = (quotation for name in named for quotation in words.holding(name))
    else:
        found = words.all()
    legible = (quotation for quotation in found if _LETTERS.search(quotation.text))
    return list(islice(dict.fromkeys(legible), MOST_LINES))


def quote_data(doubt: Doubt, rows: Sequence[str]) -> list[Quotation]:
    """Quotes a file without pages for a doubt: its heading, and the row that is named or holds the figure."""
    wanted: Sequence[str] = ()
    if place := _ROW.search(doubt.where):
        wanted = rows[int(place[1]) - 1 : int(place[1])]
    elif named := _QUOTED.findall(doubt.where):
        wanted = [row for row in rows[1:] if named[0] in row]
    return [Quotation(page=None, text=row) for row in [*rows[:1], *wanted][:MOST_LINES]]


def _printed(reading: Reading, words: DocumentLines, page: int, printed: str) -> Iterator[Quotation]:
    for line in reading.lines:
        for figure in (*line.figures.values(), *line.decoys.values()):
            if figure.page == page and figure.printed == printed:
                yield from words.at(figure)


def _rows(lines: Sequence[Line], doubt: Doubt, words: DocumentLines) -> Iterator[Quotation]:
    """The lines of the powers that a doubt names, else of the whole grid."""
    place = doubt.where.removeprefix(f"{lines[0].offer} {lines[0].option} ").partition(" kVA")[0]
    powers = set(re.findall(r"\d+", place))
    named = [line for line in lines if str(line.power_kva) in powers] or lines
    for line in named:
        for figure in line.figures.values():
            yield from words.at(figure)


def _text(line: Sequence[Word]) -> str:
    return _short(" ".join(word.text for word in line))


def _short(text: str) -> str:
    """Cuts a text and removes control characters, which could move a terminal's cursor."""
    text = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return text if len(text) <= _LONGEST_LINE else text[:_LONGEST_LINE] + "…"
