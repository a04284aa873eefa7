"""The rows of a sheet, beside what openpyxl reads in it; and what only a hostile sheet holds."""

import datetime as dt
import io
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from openwatt.domain.errors import MeterFileError
from openwatt.meter import sheets
from openwatt.meter.bounds import Budget, MeterBoundError
from openwatt.meter.sheets import Row, read_sheets
from tests.meter.bombs import workbook, zip_of
from tests.meter.refused import refused
from tests.shared_data import SHARED

REAL = sorted(SHARED.rglob("*.xlsx"))


def read_rows(data: bytes, budget: Budget) -> tuple[Row, ...]:
    return tuple(row for _, rows in read_sheets(data, budget) for row in rows)


def trimmed(row: Row) -> Row:
    cells = list(row)
    while cells and cells[-1] is None:
        cells.pop()
    return tuple(cells)


def of_openpyxl(data: bytes) -> list[Row]:
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    return [
        trimmed(row)
        for sheet in book.worksheets
        for row in sheet.iter_rows(values_only=True)
        if any(cell is not None for cell in row)
    ]


@pytest.mark.skipif(not REAL, reason="the shared corpus is not there")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_real_sheet_has_the_rows_that_openpyxl_reads(path: Path) -> None:
    rows = list(read_rows(path.read_bytes(), Budget()))
    assert rows
    assert rows == of_openpyxl(path.read_bytes())


FIRST, LAST = dt.datetime(1904, 1, 2), dt.datetime(2099, 1, 1)  # noqa: DTZ001 (a sheet's have no offset)
cells = (
    st.none()
    | st.booleans()
    | st.integers(-(10**14), 10**14)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=12).filter(
        lambda text: not text.startswith("=") and "_x" not in text
    )
    | st.datetimes(FIRST, LAST).map(lambda at: at.replace(microsecond=0))
    | st.dates(FIRST.date(), LAST.date())
    | st.times().map(lambda at: at.replace(microsecond=0))
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(cells, max_size=6), max_size=5), st.booleans())
def test_any_sheet_has_the_rows_that_openpyxl_reads(rows: list[list[object]], of_1904: object) -> None:
    book = openpyxl.Workbook()
    if of_1904:
        book.epoch = CALENDAR_MAC_1904
    for page in (book.active, book.create_sheet("second")):
        assert page is not None
        for row in rows:
            page.append(row)
    stream = io.BytesIO()
    book.save(stream)
    assert list(read_rows(stream.getvalue(), Budget())) == of_openpyxl(stream.getvalue())


def test_texts_that_writers_put_elsewhere_are_found() -> None:
    sheet = (
        b'<row><c t="inlineStr"><is><t>in</t><r><t>line</t></r></is></c><c r="D1" t="s"><v>0</v></c>'
        b'<c t="str"><f>A1</f><v>of a formula</v></c><c t="b"><v>1</v></c><c t="e"><v>#N/A</v></c></row>'
    )
    shared = b"<si><r><t>two </t></r><r><t>runs</t></r><rPh><t>spoken</t></rPh></si>"
    assert read_rows(workbook(sheet, shared=shared), Budget()) == (
        ("inline", None, None, "two runs", "of a formula", True, "#N/A"),
    )


def test_prefixes_of_names_and_gaps_between_rows_change_nothing() -> None:
    data = workbook(b'<x:row xmlns:x="y" r="1048576"><x:c r="B9"><x:v>1.5</x:v></x:c></x:row>')
    assert read_rows(data, Budget()) == ((None, 1.5),)


@pytest.mark.parametrize(
    ("sheet", "said"),
    [
        (b'<row><c r="IW1"><v>1</v></c></row>', "more than 256 columns"),
        (b'<row><c r="XFD1"><v>1</v></c></row>', "more than 256 columns"),
        (b'<row><c r="IV1"><v>1</v></c></row>' * 23_500, "more than 6,000,000 cells"),
        (b"<row/>" * 3_000_001, "more than 3,000,000 values or elements"),
        (b"<a>" * 40, "nested too deep"),
        (b'<row><c r="1"><v>1</v></c></row>', "a cell is nowhere in its row"),
        (b'<row><c r="B1"><v>1</v></c><c r="A1"><v>1</v></c></row>', "out of order"),
        (b'<row><c t="s"><v>7</v></c></row>', "cannot be read"),
        (b"<row><c><v>" + b"9" * 5000 + b"</v></c></row>", "is no number"),
        (b"<row><c>", "cannot be read: mismatched tag"),
    ],
)
def test_what_no_export_holds_is_refused_by_name(sheet: bytes, said: str) -> None:
    with refused(said):
        read_rows(workbook(sheet), Budget())


def test_entities_are_refused() -> None:
    data = workbook(b"")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    laughs = (
        b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
        b"<worksheet><row><c><v>&b;</v></c></row></worksheet>"
    )
    parts = [(name, laughs if "sheet1" in name else part) for name, part in parts]
    with refused("declares entities"):
        read_rows(zip_of(parts), Budget())


def test_a_sheet_that_is_named_twice_is_read_by_nobody() -> None:
    twice = workbook(b"<row/>", more='<sheet name="b" sheetId="2" r:id="r1"/>')
    with refused("names one sheet twice"):
        read_rows(twice, Budget())


def test_bounds_count_all_files_of_an_upload() -> None:
    budget = Budget()
    data = workbook(b"<row/>" * 1_400_000)
    read_rows(data, budget)
    read_rows(data, budget)
    with refused("values or elements", MeterBoundError):
        read_rows(data, budget)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(cells, max_size=4), max_size=6), st.integers(0, 10**6), st.sampled_from(b'<>/"r=cv'))
def test_a_plain_part_read_at_once_has_the_rows_of_its_events(
    rows: list[list[object]], place: int, sign: int
) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    with zipfile.ZipFile(stream) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    damaged = [(name, part) for name, part in parts]
    for number, (name, part) in enumerate(parts):
        if name.endswith("sheet1.xml"):
            cut = place % len(part)
            damaged[number] = (name, part[:cut] + bytes([sign]) + part[cut + 1 :])
    assert by_events(zip_of(parts)) == outcome(zip_of(parts))
    changed, found = by_events(zip_of(damaged)), outcome(zip_of(damaged))
    assert found == changed or isinstance(changed, str), "only what surrounds the cells may be damaged unseen"


def outcome(data: bytes) -> tuple[Row, ...] | str:
    try:
        return read_rows(data, Budget())
    except MeterFileError as refusal:
        return str(refusal)


def by_events(data: bytes) -> tuple[Row, ...] | str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheets, "LARGEST_PLAIN", -1)
        return outcome(data)
