"""The turn of a page's text and the lines drawn through its words, both found on the page itself."""

import ctypes
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import pi

import pypdfium2 as pdfium  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium_c  # type: ignore[import-untyped]

#: Characters whose direction is looked at; a page's text has one, but for a note at its edge.
_SAMPLE = 60
#: No price sheet has more lines and boxes than this; a map or a drawing has.
_MAX_PATHS = 8_000
#: How deep forms lie in forms where lines are looked for.
_MAX_DEPTH = 4
#: A line through a word is no thicker than this.
_THICKEST = 2.0

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Turn:
    """How to turn a page so that its text runs to the right: quarters of a turn, and the page's edges."""

    quarters: int
    left: float
    bottom: float
    right: float
    top: float

    def place(self, left: float, right: float, bottom: float, top: float) -> Rectangle:
        """Gives a box of the file, counted upwards, as left, right, top and bottom of the turned page."""
        if self.quarters == 0:
            return left - self.left, right - self.left, self.top - top, self.top - bottom
        if self.quarters == 1:
            return self.top - top, self.top - bottom, self.right - right, self.right - left
        if self.quarters == 2:
            return self.right - right, self.right - left, bottom - self.bottom, top - self.bottom
        return bottom - self.bottom, top - self.bottom, left - self.left, right - self.left

    @property
    def size(self) -> tuple[float, float]:
        """The width and height of the turned page."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.quarters % 2 else (width, height)


def turn_of(page: pdfium.PdfPage, text: pdfium.PdfTextPage, count: int) -> Turn:
    """Finds the direction in which most of a page's characters run."""
    step = max(1, count // _SAMPLE)
    angles = (pdfium_c.FPDFText_GetCharAngle(text.raw, index) for index in range(0, count, step))
    quarters = Counter(round(angle / (pi / 2)) % 4 for angle in angles if angle >= 0)
    left, bottom, right, top = page.get_bbox()
    return Turn(quarters.most_common(1)[0][0] if quarters else 0, left, bottom, right, top)


def lines_through(page: pdfium.PdfPage, turn: Turn) -> Sequence[Rectangle]:
    """Finds the thin level lines of a page, each as left, right, top and bottom; none on a drawing."""
    count = pdfium_c.FPDFPage_CountObjects(page.raw)
    found = list(
        islice(_paths([pdfium_c.FPDFPage_GetObject(page.raw, i) for i in range(count)]), _MAX_PATHS + 1)
    )
    if len(found) > _MAX_PATHS:
        return ()
    boxes = (turn.place(*bounds) for bounds in found)
    return _joined(box for box in boxes if box[3] - box[2] <= _THICKEST < box[1] - box[0])


def _paths(objects: Sequence[object], depth: int = 0) -> Iterator[Rectangle]:
    """The left, right, bottom and top of each path, also of those inside forms."""
    sides = [ctypes.c_float() for _ in range(4)]
    left, bottom, right, top = sides
    for item in objects:
        kind = pdfium_c.FPDFPageObj_GetType(item)
        if kind == pdfium_c.FPDF_PAGEOBJ_PATH:
            pdfium_c.FPDFPageObj_GetBounds(item, *map(ctypes.byref, sides))
            yield left.value, right.value, bottom.value, top.value
        elif kind == pdfium_c.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
            matrix = pdfium_c.FS_MATRIX()
            pdfium_c.FPDFPageObj_GetMatrix(item, ctypes.byref(matrix))
            count = pdfium_c.FPDFFormObj_CountObjects(item)
            inside = [pdfium_c.FPDFFormObj_GetObject(item, i) for i in range(count)]
            yield from (_moved(box, matrix) for box in _paths(inside, depth + 1))


def _moved(box: Rectangle, matrix: pdfium_c.FS_MATRIX) -> Rectangle:
    """A box inside a form at its place on the page."""
    corners = [(x, y) for x in box[:2] for y in box[2:]]
    xs = [matrix.a * x + matrix.c * y + matrix.e for x, y in corners]
    ys = [matrix.b * x + matrix.d * y + matrix.f for x, y in corners]
    return min(xs), max(xs), min(ys), max(ys)


def _joined(lines: Iterable[Rectangle]) -> list[Rectangle]:
    """Joins lines at one height that touch: some programs draw one for each character."""
    joined: list[Rectangle] = []
    for line in sorted(lines, key=lambda box: (round(box[2]), box[0])):
        last = joined[-1] if joined else None
        if last and round(last[2]) == round(line[2]) and line[0] - last[1] < 1:
            joined[-1] = (last[0], max(last[1], line[1]), last[2], last[3])
        else:
            joined.append(line)
    return joined
