"""The extraction of the words of a PDF with their boxes, within limits that no price sheet reaches."""

import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import pypdfium2 as pdfium  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium_c  # type: ignore[import-untyped]

from openwatt.domain.reading import MAX_DOCUMENT_BYTES
from openwatt.ingest.errors import UnreadableDocumentError
from openwatt.ingest.readers.figures import plain
from openwatt.ingest.readers.grid_pdf.turns import Rectangle, Turn, lines_through, turn_of

MAX_PAGES = 150
MAX_CHARACTERS_PER_PAGE = 60_000
MAX_CHARACTERS = 600_000
#: The densest real page has 900 words; what follows grows with the square of this.
MAX_WORDS_PER_PAGE = 5_000

#: A grid has an amount for each of its four powers or more.
_MIN_AMOUNTS = 4
_AMOUNT = re.compile(r"\d[.,]\d\d")
_NO_CHARACTERS = frozenset((0xFFFE, 0xFFFF, 2))
#: A raised figure is smaller than this share of the one before it.
_RAISED = 0.8
_THIN_SPACES = frozenset("\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}")
_FLAT_CHARACTERS = frozenset(",.'-’")


@dataclass(frozen=True)
class Word:
    """A word of a page; its box is in points from the top left corner. A line may be drawn through it."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str
    struck: bool = False

    @cached_property
    def plain(self) -> str:
        """The text in the form in which words are compared: lower case, no accents."""
        return plain(self.text)

    @cached_property
    def xc(self) -> float:
        """The middle, left to right."""
        return (self.x0 + self.x1) / 2

    @cached_property
    def yc(self) -> float:
        """The middle, top to bottom."""
        return (self.y0 + self.y1) / 2

    @cached_property
    def height(self) -> float:
        """The height of the line of text."""
        return self.y1 - self.y0


@dataclass(frozen=True)
class Page:
    """One page: its number from 1, its size in points and its words in the order of the document.

    A page with too few amounts for a grid has `prose` instead of words: its
    text serves to find dates and phrases, never places.
    """

    number: int
    width: float
    height: float
    words: tuple[Word, ...]
    prose: str | None = None

    @cached_property
    def text(self) -> str:
        """All words in the document's order, in the form in which they are compared."""
        if self.prose is not None:
            return plain(self.prose)
        return " ".join(word.plain for word in self.words)


def open_pdf(document: bytes) -> pdfium.PdfDocument:
    """Opens a PDF, or says why it cannot be read.

    Raises:
        UnreadableDocumentError: not a PDF, damaged, locked by a password, or beyond a limit.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise UnreadableDocumentError(f"{len(document)} bytes, the limit is {MAX_DOCUMENT_BYTES}")
    if b"%PDF-" not in document[:1024]:
        kind = "an HTML page" if b"<html" in document[:2048].lower() else "something else"
        raise UnreadableDocumentError(f"not a PDF: the bytes are {kind}")
    try:
        pdf = pdfium.PdfDocument(document)
    except pdfium.PdfiumError as error:
        reason = "locked by a password" if "password" in str(error).lower() else "damaged or cut short"
        raise UnreadableDocumentError(f"the PDF is {reason}") from error
    if len(pdf) > MAX_PAGES:
        pages = len(pdf)
        pdf.close()
        raise UnreadableDocumentError(f"{pages} pages, the limit is {MAX_PAGES}")
    return pdf


def read_pages(document: bytes) -> tuple[Page, ...]:
    """Extracts the words of every page of a PDF.

    Raises:
        UnreadableDocumentError: see `open_pdf`; also more text than a limit allows.
    """
    pdf = open_pdf(document)
    try:
        pages: list[Page] = []
        characters = 0
        for index in range(len(pdf)):
            try:
                page = pdf[index]
            except pdfium.PdfiumError as error:
                raise UnreadableDocumentError(f"page {index + 1} cannot be opened") from error
            text = page.get_textpage()
            count = pdfium_c.FPDFText_CountChars(text.raw)
            characters += max(count, 0)
            if count > MAX_CHARACTERS_PER_PAGE or characters > MAX_CHARACTERS:
                raise UnreadableDocumentError(f"page {index + 1} holds more text than any price sheet")
            turn = turn_of(page, text, max(count, 0))
            width, height = turn.size if turn.quarters else page.get_size()
            raw = text.get_text_range() if count > 0 else ""
            if len(_AMOUNT.findall(raw)) < _MIN_AMOUNTS:
                pages.append(Page(index + 1, width, height, (), _one_line(raw)))
                continue
            words = tuple(islice(_words(text, count, turn), MAX_WORDS_PER_PAGE + 1))
            if len(words) > MAX_WORDS_PER_PAGE:
                raise UnreadableDocumentError(f"page {index + 1} holds more words than any price sheet")
            pages.append(Page(index + 1, width, height, _strike(words, lines_through(page, turn))))
            text.close()
            page.close()
        return tuple(pages)
    finally:
        pdf.close()


def _one_line(raw: str) -> str:
    """A page's text without line ends and the marks that stand for no character."""
    characters = (" " if ord(c) in _NO_CHARACTERS else c for c in raw if not 0xD800 <= ord(c) <= 0xDFFF)
    return " ".join("".join(characters).split())


def _strike(words: tuple[Word, ...], lines: Sequence[Rectangle]) -> tuple[Word, ...]:
    """Marks the words through whose middle a line runs from end to end."""
    if not lines:
        return words
    by_height: dict[int, list[Rectangle]] = {}
    for line in lines:
        by_height.setdefault(int((line[2] + line[3]) / 2), []).append(line)
    return tuple(replace(word, struck=True) if _is_struck(word, by_height) else word for word in words)


def _is_struck(word: Word, lines: dict[int, list[Rectangle]]) -> bool:
    low, high = word.y0 + 0.3 * word.height, word.y1 - 0.25 * word.height
    reach = 0.15 * (word.x1 - word.x0)
    return any(
        line[0] <= word.x0 + reach and line[1] >= word.x1 - reach and low <= (line[2] + line[3]) / 2 <= high
        for height in range(int(low), int(high) + 1)
        for line in lines.get(height, ())
    )


def _in_figure(raw: object, index: int, letters: str, letter: str) -> str:
    """Gives a character in its word: a small digit behind a digit is a footnote's mark, `(2)`."""
    if not (letter.isdigit() and letters[-1].isdigit()):
        return letter
    before, own = pdfium_c.FS_RECTF(), pdfium_c.FS_RECTF()
    pdfium_c.FPDFText_GetLooseCharBox(raw, index - 1, ctypes.byref(before))
    pdfium_c.FPDFText_GetLooseCharBox(raw, index, ctypes.byref(own))
    tall = max(abs(before.top - before.bottom), abs(before.right - before.left))
    small = max(abs(own.top - own.bottom), abs(own.right - own.left))
    return f"({letter})" if small < _RAISED * tall else letter


def _words(text: pdfium.PdfTextPage, count: int, turn: Turn) -> Iterator[Word]:
    """Joins characters into words, which end at white space, jumps and line ends."""
    raw = text.raw
    loose = pdfium_c.FS_RECTF()
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    loose_at = ctypes.byref(loose)
    get_box = pdfium_c.FPDFText_GetCharBox
    box_at = tuple(ctypes.byref(side) for side in (left, right, bottom, top))
    x0 = y0 = x1 = y1 = 0.0
    letters = ""
    for index in range(count):
        code = pdfium_c.FPDFText_GetUnicode(raw, index)
        # A half of a pair of code units is no character; it must not end in our texts.
        letter = "\N{REPLACEMENT CHARACTER}" if 0xD800 <= code <= 0xDFFF else chr(code) if code else " "
        if letter in _THIN_SPACES and letters.isdigit():
            continue  # between thousands and hundreds; what follows too far off begins another word
        if letter.isspace() or code in _NO_CHARACTERS:
            if letters:
                yield Word(x0, y0, x1, y1, letters)
                letters = ""
            continue
        get_box(raw, index, *box_at)
        a0, a1, b0, b1 = turn.place(left.value, right.value, bottom.value, top.value)
        if letters and a1 > a0:
            # Inside a word the ink is enough: it must stay on the line and follow closely.
            height = max(y1 - y0, b1 - b0)
            near = a0 - x1 <= 0.8 * max(3.0, height) and a0 >= x0 - 1
            if near and min(b1, y1) - max(b0, y0) >= -0.15 * height:
                x0, y0, x1, y1 = min(x0, a0), min(y0, b0), max(x1, a1), max(y1, b1)
                letters += _in_figure(raw, index, letters, letter)
                continue
        if letters:
            yield Word(x0, y0, x1, y1, letters)
        pdfium_c.FPDFText_GetLooseCharBox(raw, index, loose_at)
        d0, d1, c0, c1 = turn.place(loose.left, loose.right, loose.bottom, loose.top)
        if a1 <= a0:
            a0, a1 = d0, d1
        c0, c1 = min(c0, c1), max(c0, c1)
        # Some fonts claim boxes many times taller than their ink: trust the ink then.
        tall = b1 - b0 > 2 and c1 - c0 > 3.5 * (b1 - b0) and letter not in _FLAT_CHARACTERS
        x0, x1 = a0, a1
        y0, y1 = (b0, b1) if tall or c1 - c0 <= 0.5 else (c0, c1)
        letters = letter
    if letters:
        yield Word(x0, y0, x1, y1, letters)
