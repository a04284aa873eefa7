"""Uploads small on the wire and large in memory: every form, every nesting, as hypothesis draws them."""

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.meter.test_makers import HEADER

#: As much as a file may have once unpacked.
WHOLE = 32 * 1024 * 1024 - 4096
_SIZES = (1 << 16, 1 << 20, 4 << 20, 12 << 20, WHOLE)

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, and how it was made."""

    name: str
    data: bytes

    def __repr__(self) -> str:
        return f"{self.name} ({len(self.data):,} bytes)"


def filled(head: str, piece: str, tail: str, size: int) -> bytes:
    """A head, as many pieces as fit, and a tail."""
    coded = piece.encode()
    return head.encode() + coded * max(1, (size - len(head) - len(tail)) // len(coded)) + tail.encode()


#: What makes one of the readers of text feel called.
TEXT_HEADS = (
    *("", HEADER, "debut;kW\n", "debut;fin;kWh\n", "Date début;Date fin;Valeur (kW)\n"),
    *("01/02/2024;;\n00:30:00;100;\n", "2024-02-01 00:30;1\n", '"', "\ufeff", "Identifiant PRM;" * 50),
)
TEXT_PIECES = (
    *(
        "\n",
        "a\n",
        ";",
        ";\n",
        ",",
        "\t",
        "\r",
        "\r\n",
        "\x0b",
        "\x85",
        "\u2028",
        "1",
        " ",
        '"',
        "é",
        "\u20ac;",
    ),
    *(
        "\U0001f600",
        "\U0001f600\n",
        "9" * 4000 + "\n",
        "x" * 8000 + "\n",
        (";" * 200) + "\n",
        "valeur ( en " * 20 + "\n",
    ),
    *("1706745600;1\n", "2024-02-01T00:30:00+01:00;252\n", "2024-02-01 00:30;\n", "27/10/2024 02:30;1\n"),
    *(
        "du  au",
        "date debut;",
        "Date début;Date fin;Valeur (kW)\n",
        "00:00:00;1;\n",
        "01/02/2024\n",
        "14290000000000;",
    ),
)
JSON_HEADS = ("[", '{"a":[', '{"interval_reading":[', '[{"interval_reading":[', "[[[[[[[[[")
JSON_PIECES = (
    *(
        "[],",
        "{},",
        "[{}],",
        '{"a":1},',
        '"x",',
        "1,",
        "0.1,",
        "1e9,",
        "null,",
        "[",
        '{"a":',
        "9" * 4000 + ",",
    ),
    *(
        '{"date":"2024-02-01T00:30:00","value":1},',
        '{"dateDebut":"2024-02-01T00:30:00","valeur":1},',
        '"\\u20ac",',
    ),
    *(
        '{"interval_reading":[]},',
        '{"interval_reading":[],"usage_point_id":1},',
        '"' + "x" * 60_000 + '",',
        " ",
        '"\U0001f600",',
    ),
)
CELLS = (
    *(
        "<row><c><v>1</v></c></row>",
        '<row><c r="XFD1"><v>1</v></c></row>',
        '<row><c r="IV1"><v>1</v></c></row>',
    ),
    *(
        "<row/>",
        "<c/>",
        "<row><c/></row>",
        '<row r="1048576"/>',
        "<c><v>1</v></c>",
        '<row><c t="s"><v>0</v></c></row>',
    ),
    *(
        '<row><c t="inlineStr"><is><t>a</t></is></c></row>',
        "<a>",
        "<a><b/></a>",
        "<!-- -->",
        "<?a b?>",
        "<![CDATA[x]]>",
    ),
    *(
        "<a " + " ".join(f'a{n}=""' for n in range(200)) + "/>",
        "x",
        "&amp;",
        "&#10;",
        "\U0001f600",
        "<row><c><v>" + "9" * 900 + "</v></c></row>",
    ),
    *(
        '<row><c t="d"><v>2024-02-01T00:30:00</v></c></row>',
        '<row><c s="99999999"><v>1</v></c></row>',
        "<row><c><v>1e400</v></c></row>",
    ),
    *(
        '<mergeCell ref="A1:XFD1048576"/>',
        "<row><c><f>A1</f><v>1</v></c></row>",
        '<row><c t="s"><v>99999999</v></c></row>',
    ),
    '<row><c t="str"><v>2024-02-01T00:30</v></c><c t="str"><v>2024-02-01T01:00</v></c><c><v>1</v></c></row>',
)
SHARED = (
    "<si><t/></si>",
    "<si><t>a</t></si>",
    "<si><r><t>a</t></r></si>",
    "<si><rPh><t>a</t></rPh></si>",
    "<si>",
    "<t>a</t>",
    "a",
)
STYLES = ('<xf numFmtId="22"/>', "<xf/>", '<numFmt numFmtId="200" formatCode="yyyy"/>', "<font/>", "<a>")
SHEETS = (
    '<sheet r:id="r1"/>',
    '<sheet name="a" sheetId="1" r:id="x"/>',
    "<definedName>a</definedName>",
    "<a>",
)
RELATIONS = (f'<Relationship Id="a" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>', "<a/>")


def workbook(
    sheet: bytes, shared: bytes = b"", styles: bytes = b"", more: str = "", relations: str = ""
) -> bytes:
    """An XLSX file of parts that are given from the inside, without a word about them anywhere else."""
    rels = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(
            (
                ("worksheet", "worksheets/sheet1.xml"),
                ("sharedStrings", "sharedStrings.xml"),
                ("styles", "styles.xml"),
            ),
            1,
        )
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
            f'<sheet name="a" sheetId="1" r:id="r1"/>{more}</sheets></workbook>',
        )
        archive.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{rels}{relations}</Relationships>")
        archive.writestr(
            "xl/worksheets/sheet1.xml", b"<worksheet><sheetData>" + sheet + b"</sheetData></worksheet>"
        )
        archive.writestr("xl/sharedStrings.xml", b"<sst>" + shared + b"</sst>")
        archive.writestr("xl/styles.xml", b"<styleSheet><cellXfs>" + styles + b"</cellXfs></styleSheet>")
    return stream.getvalue()


def zip_of(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of named members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method, compresslevel=1) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return stream.getvalue()


def _filled(
    name: str, heads: tuple[str, ...], pieces: tuple[str, ...], tail: str
) -> st.SearchStrategy[Upload]:
    return st.builds(
        lambda head, piece, size: Upload(
            f"{name} {head[:24]!r} + {piece[:40]!r} * {size >> 20} MB", filled(head, piece, tail, size)
        ),
        st.sampled_from(heads),
        st.sampled_from(pieces) | st.text(min_size=1, max_size=6).filter(lambda text: text.isprintable()),
        st.sampled_from(_SIZES),
    )


def _sheet_of(part: str, pieces: tuple[str, ...]) -> st.SearchStrategy[Upload]:
    def make(piece: str, size: int) -> Upload:
        inside = filled("", piece, "", size)
        parts: dict[str, Callable[[], bytes]] = {
            "cells": lambda: workbook(inside),
            "shared": lambda: workbook(b'<row><c t="s"><v>0</v></c></row>', shared=inside),
            "styles": lambda: workbook(b'<row><c s="0"><v>1</v></c></row>', styles=inside),
            "sheets": lambda: workbook(b"<row/>", more=inside.decode()),
            "relations": lambda: workbook(b"<row/>", relations=inside.decode()),
        }
        return Upload(f"XLSX, {part} {piece[:40]!r} * {size >> 20} MB", parts[part]())

    return st.builds(make, st.sampled_from(pieces), st.sampled_from(_SIZES))


texts = _filled("text", TEXT_HEADS, TEXT_PIECES, "\n")
documents = _filled("JSON", JSON_HEADS, JSON_PIECES, "1]")
sheets = st.one_of(
    _sheet_of("cells", CELLS),
    _sheet_of("shared", SHARED),
    _sheet_of("styles", STYLES),
    _sheet_of("sheets", SHEETS),
    _sheet_of("relations", RELATIONS),
)


def _wrapped(inner: st.SearchStrategy[Upload]) -> st.SearchStrategy[Upload]:
    """A file as it is, packed, or many times in a zip."""
    return st.one_of(
        inner,
        inner.map(lambda one: Upload(f"gzip of {one.name}", gzip.compress(one.data, 1))),
        st.builds(
            lambda one, count: Upload(
                f"zip of {count} × {one.name}",
                zip_of(
                    [(f"{n}.csv", one.data) for n in range(max(1, min(count, (64 << 20) // len(one.data))))]
                ),
            ),
            inner,
            st.sampled_from((1, 3, 30, 200)),
        ),
    )


empty_members = st.builds(
    lambda count, name: Upload(
        f"zip of {count:,} empty members",
        zip_of([(f"{name}{n}", b"") for n in range(count)], zipfile.ZIP_STORED),
    ),
    st.sampled_from((201, 5001, 60_000)),
    st.sampled_from(("", "xl/", "n" * 200)),
)

uploads: st.SearchStrategy[Upload] = st.one_of(
    _wrapped(texts), _wrapped(documents), _wrapped(sheets), empty_members
).filter(lambda upload: len(upload.data) <= WHOLE)
