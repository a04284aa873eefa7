"""PDFs made to hurt: locked, endless, or a thousand times larger than they look."""

import io
import zlib

from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]


def encrypted() -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, encrypt="secret")
    canvas.drawString(50, 50, "Grille")
    canvas.save()
    return out.getvalue()


def ten_thousand_pages() -> bytes:
    return pdf_of(b"", kids=10_000)


def bomb(filters: bytes = b"/FlateDecode", rounds: int = 1, megabytes: int = 1000) -> bytes:
    packer = zlib.compressobj(9)
    stream = b"".join([packer.compress(b" " * 1_000_000) for _ in range(megabytes)] + [packer.flush()])
    for _ in range(rounds - 1):
        stream = zlib.compress(stream, 9)
    return pdf_of(stream, filters=filters)


def bomb_in_a_bomb() -> bytes:
    return bomb(b"[/FlateDecode /FlateDecode]", 2)


def endless_text() -> bytes:
    return pdf_of(
        zlib.compress(b"BT /F1 8 Tf " + b"1 0 0 1 50 50 Tm (0,1952 3 6 9) Tj " * 3_000_000 + b"ET", 9)
    )


def slow_pages(pages: int = 140, times: int = 2_000_000) -> bytes:
    """Pages on which a colour is set so many times and nothing drawn: much computing, little memory.

    The default needs longer than any limit on a machine seven times faster than ours.
    """
    return pdf_of(zlib.compress(b"0 g " * times, 1), kids=pages)


def pdf_of(stream: bytes, *, filters: bytes = b"/FlateDecode", kids: int = 1) -> bytes:
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [" + b"3 0 R " * kids + b"] /Count %d >>" % kids,
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d /Filter %s >>\nstream\n" % (len(stream), filters) + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        out
        + b"xref\n0 6\n0000000000 65535 f \n"
        + table
        + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(out)
    )
