"""The picture of a sheet's pages with what was read on them, coloured by meaning."""

import io
from collections.abc import Iterator, Sequence

import pypdfium2 as pdfium  # type: ignore[import-untyped]
from PIL import Image, ImageDraw

from openwatt.domain.reading import SUBSCRIPTION, Figure, Reading
from openwatt.ingest.errors import UnreadableDocumentError
from openwatt.ingest.readers.grid_pdf.words import open_pdf

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
#: No drawn page is wider or taller than this many pixels.
_MAX_SIDE = 2400


def draw_pages(document: bytes, reading: Reading) -> bytes:
    """Draws the pages that contain read cells, under each other, as a PNG.

    Raises:
        UnreadableDocumentError: no PDF, or none of its pages holds a read cell.
    """
    marks = list(_marks(reading))
    numbers = sorted({figure.page for figure, _, _ in marks if figure.page})[:_MAX_PAGES]
    if not numbers:
        raise UnreadableDocumentError("no cell was read: there is nothing to draw")
    pdf = open_pdf(document)
    try:
        images = [_drawn(pdf[n - 1], n, marks) for n in numbers]
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


Box = tuple[int, int, int, int]
Rgb = tuple[int, int, int]
Mark = tuple[Figure, Rgb, str]


def _marks(reading: Reading) -> Iterator[Mark]:
    for line in reading.lines:
        for (meaning, _), figure in line.decoys.items():
            yield figure, _DECOY, f"not {meaning}"
        for (meaning, tax), figure in line.figures.items():
            for part in figure.parts or (figure,):
                yield part, COLOURS.get(meaning, _OTHER), tax


def _drawn(page: pdfium.PdfPage, number: int, marks: Sequence[Mark]) -> Image.Image:
    scale = min(_SCALE, _MAX_SIDE / max(page.get_size()))
    base = page.render(scale=scale).to_pil().convert("RGBA")
    layer = Image.new("RGBA", base.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    for box, colour, label in dict.fromkeys(_boxes_on(number, marks)):
        corners = tuple(round(side * scale) for side in box)
        if label == "TTC":
            draw.rectangle(corners, fill=(*colour, 110), outline=(*colour, 255))
        elif label == "HT":
            draw.rectangle(corners, outline=(*colour, 255), width=2)
        else:
            draw.line(corners, fill=(*colour, 255), width=2)
    return Image.alpha_composite(base, layer).convert("RGB")


def _boxes_on(number: int, marks: Sequence[Mark]) -> Iterator[tuple[Box, Rgb, str]]:
    for figure, colour, label in marks:
        if figure.page == number and figure.box is not None:
            yield figure.box, colour, label
