"""Pages of a sheet drawn with what was read on them, coloured by meaning, for the eye."""

import io
from collections.abc import Iterator

from PIL import Image, ImageDraw

from openwatt.domain.reading import SUBSCRIPTION, Figure, Reading
from openwatt.ingest.grid_pdf.words import open_pdf
from openwatt.ingest.unreadable import UnreadableDocumentError

#: Meaning → colour. Without taxes a cell is outlined, with taxes it is filled; decoys are struck grey.
COLOURS = {
    SUBSCRIPTION: (66, 133, 244),
    "BASE": (15, 157, 88),
    "HP": (219, 68, 55),
    "HC": (15, 157, 88),
    "HSC": (0, 121, 107),
    "HN": (15, 157, 88),
    "PM": (219, 68, 55),
    "BLEU_HC": (100, 181, 246),
    "BLEU_HP": (25, 118, 210),
    "BLANC_HC": (189, 189, 189),
    "BLANC_HP": (117, 117, 117),
    "ROUGE_HC": (239, 154, 154),
    "ROUGE_HP": (198, 40, 40),
}
_OTHER = (171, 71, 188)
_DECOY = (120, 120, 120)
_SCALE = 1.6
_MAX_PAGES = 6


def draw_pages(document: bytes, reading: Reading) -> bytes:
    """The pages that hold read cells, under each other, as a PNG.

    Raises:
        UnreadableDocumentError: no PDF, or none of its pages holds a read cell.
    """
    marks = list(_marks(reading))
    numbers = sorted({figure.page for figure, _, _ in marks if figure.page})[:_MAX_PAGES]
    if not numbers:
        raise UnreadableDocumentError("no cell was read: there is nothing to draw")
    pdf = open_pdf(document)
    try:
        images = [_drawn(pdf[n - 1].render(scale=_SCALE).to_pil(), n, marks) for n in numbers]
    finally:
        pdf.close()
    sheet = Image.new("RGB", (max(i.width for i in images), sum(i.height for i in images)), "white")
    top = 0
    for image in images:
        sheet.paste(image, (0, top))
        top += image.height
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


Mark = tuple[Figure, tuple[int, int, int], str]


def _marks(reading: Reading) -> Iterator[Mark]:
    for line in reading.lines:
        for (meaning, _), figure in line.decoys.items():
            yield figure, _DECOY, f"not {meaning}"
        for (meaning, tax), figure in line.figures.items():
            yield figure, COLOURS.get(meaning, _OTHER), tax


def _drawn(image: Image.Image, number: int, marks: list[Mark]) -> Image.Image:
    base = image.convert("RGBA")
    layer = Image.new("RGBA", base.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    for figure, colour, says in dict.fromkeys(marks_of(number, marks)):
        if figure is None:
            continue
        box = tuple(round(side * _SCALE) for side in figure)
        left, top, right, bottom = box
        if says == "TTC":
            draw.rectangle((left, top, right, bottom), fill=(*colour, 110), outline=(*colour, 255))
        elif says == "HT":
            draw.rectangle((left, top, right, bottom), outline=(*colour, 255), width=2)
        else:
            draw.line((left, top, right, bottom), fill=(*colour, 255), width=2)
    return Image.alpha_composite(base, layer).convert("RGB")


def marks_of(
    number: int, marks: list[Mark]
) -> Iterator[tuple[tuple[int, int, int, int] | None, tuple[int, int, int], str]]:
    """The boxes of one page with their colour and side."""
    return ((figure.box, colour, says) for figure, colour, says in marks if figure.page == number)
