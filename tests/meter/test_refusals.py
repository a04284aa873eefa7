"""What is no load curve of one home is refused with its reason; readers raise nothing else."""

import contextlib
import datetime as dt
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwatt.domain.errors import MeterFileError
from openwatt.meter.contents import MAX_BYTES
from openwatt.meter.indexes import read_indexes
from openwatt.meter.read import read_load_curve
from openwatt.sentences.catalogue import sentence
from tests.meter.refused import refused
from tests.meter.test_makers import BROWSER, EDF, FILES, HEADER, HOURLY, INTERFACE, NOW, zipped

OTHER_HOME = HOURLY.replace("14290000000000", "14290000000001")
INDEX = HOURLY.replace("Courbe de charge", "Index").replace("Comptage Brut;W;", "Comptage Brut;Wh;")


def sheet_of(*rows: list[object]) -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for row in rows:
        page.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def interface(**reading_type: str) -> bytes:
    readings = {
        "interval_reading": INTERFACE["meter_reading"]["interval_reading"],
        "reading_type": reading_type,
    }
    return json.dumps({"meter_reading": readings}).encode()


def two_interfaces() -> bytes:
    other = json.loads(json.dumps(INTERFACE).replace("14290000000000", "14290000000001"))
    return json.dumps([INTERFACE, other]).encode()


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "the file is empty"),
    "blank lines": (lambda: b" \r\n\r\n", "the file is empty"),
    "only headers": (HEADER.encode, "the file holds no measurement"),
    "only blanks": ((HEADER + "2024-02-01T00:30:00+01:00;\n").encode, "no row holds a value"),
    "indexes": (
        INDEX.encode,
        "the file holds daily indexes, not a load curve (the command `openwatt reconcile` compares",
    ),
    "production": (HOURLY.replace("Consommation", "Production").encode, "of production, not of consumption"),
    "production, by the interface": (lambda: interface(flow_direction="production"), "of production"),
    "production, XLSX": (
        lambda: sheet_of(["Ma production"], ["Date début", "Date fin", "Valeur (kW)"]),
        "of production",
    ),
    "daily maxima": (
        HOURLY.replace("Courbe de charge", "Puissance maximale quotidienne").encode,
        "daily maxima of power, not a load curve",
    ),
    "daily maxima, by their unit": (HOURLY.replace(";W;", ";VA;").encode, "daily maxima of power"),
    "daily maxima, by the interface": (lambda: interface(unit="VA"), "daily maxima of power"),
    "daily values, by the interface": (lambda: interface(measuring_period="P1D"), "one value a day"),
    "days for stamps": (
        lambda: json.dumps({"interval_reading": [{"date": "2024-02-01", "value": "1"}]}).encode(),
        "one value a day",
    ),
    "another kind": (
        HOURLY.replace("Courbe de charge", "Tension").encode,
        "holds 'Tension', not a load curve",
    ),
    "reactive": (
        HOURLY.replace(";W;", ";VAr;").encode,
        "the unit of a load curve is W, kW, Wh or kWh, the file says 'VAr'",
    ),
    "binary": (lambda: bytes(range(256)) * 20, "the file is binary"),
    "binary without zeros": (lambda: b"\x01\x02\x03\x04" * 400, "the file is binary"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + b"\x00" * 100, "the file is binary"),
    "50 MB": (lambda: b"2024-02-01T00:00:00+01:00;1\n" * (50 * 1024 * 1024 // 28), "larger than 32 MB"),
    "50 MB, gzip": (lambda: gzip.compress(b"0" * (50 * 1024 * 1024), 1), "larger than 32 MB once unpacked"),
    "50 MB, zip": (lambda: zipped(b"0" * (50 * 1024 * 1024)), "larger than 32 MB once unpacked"),
    "two homes in one file": ((HOURLY + OTHER_HOME).encode, "mixes 2 meters"),
    "two homes in a zip": (lambda: zipped(HOURLY.encode(), OTHER_HOME.encode()), "mixes 2 meters"),
    "two homes, by the interface": (two_interfaces, "mixes 2 meters"),
    "the future": (
        lambda: HOURLY.replace("2024-02-01", "2027-02-01").encode(),
        "every row lies in the future",
    ),
    "another century": (
        lambda: HOURLY.replace("2024-02-01", "1924-02-01").encode(),
        "not a time of this century",
    ),
    "a broken stamp": (lambda: HOURLY.replace("T00:30", "T25:30").encode(), "is no time such as"),
    "a word for a number": (lambda: HOURLY.replace(";252", ";beaucoup").encode(), "'beaucoup' is no number"),
    "an impossible power": (
        lambda: HOURLY.replace(";252", ";999999999999").encode(),
        "too large for the power",
    ),
    "no separator": ((HOURLY + "\ngarbage").encode, "'garbage' is no row of a stamp and a value"),
    "mixed offsets": (
        (HOURLY + "2024-02-01T02:00:00;5").encode,
        "some stamps say their offset from UTC and others do not",
    ),
    "a letter": (lambda: b"Dear Sir or Madam,\n", "of no known maker (it begins with 'Dear Sir or Madam,')"),
    "another sheet": (
        lambda: sheet_of(["Date", "Prix"], ["x", 1]),
        "the workbook holds no table of times and values",
    ),
    "an empty sheet": (sheet_of, "the XLSX file holds no row"),
    "broken JSON": (lambda: json.dumps(INTERFACE).encode()[:-4], "the JSON file is damaged"),
    "deep JSON": (lambda: b"[" * 100_000, "the JSON file is damaged"),
    "other JSON": (lambda: b'{"hello": [1, 2, {"a": null}]}', "of no known maker"),
    "a cut gzip": (lambda: gzip.compress(HOURLY.encode())[:-10], "the gzip file is damaged"),
    "a gzip in a gzip": (lambda: gzip.compress(gzip.compress(b"x")), "a gzip inside a gzip"),
    "a cut zip": (lambda: zipped(HOURLY.encode())[:-30], "the zip file cannot be read"),
    "an empty zip": (lambda: zipped(b""), "the zip holds no file"),
    "201 files": (lambda: zipped(*[b"x"] * 201), "the zip holds 201 files"),
    "an EDF row too much": ((EDF + "oops").encode, "'oops' is neither a day nor an hour"),
    "a page's row without value": (
        lambda: json.dumps([BROWSER[0] | {"valeur": "beaucoup"}]).encode(),
        "'beaucoup' is no number",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_load_curve_is_refused_with_its_reason(case: str) -> None:
    make, reason = REFUSED[case]
    data = make()
    with pytest.raises(MeterFileError) as refusal:
        read_load_curve(data[: MAX_BYTES + 1], NOW)
    assert reason in sentence(refusal.value)
    assert "1429" not in sentence(refusal.value), "a refusal must not tell the meter's number"


def test_a_zip_with_indexes_beside_the_curve_reads_the_curve_and_says_so() -> None:
    curve = read_load_curve(zipped(INDEX.encode(), HOURLY.encode()), NOW)
    assert [finding.kind for finding in curve.findings] == ["left_out"]


def test_an_encrypted_zip_is_refused() -> None:
    data = bytearray(zipped(HOURLY.encode()))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    with refused("cannot be read"):
        read_load_curve(bytes(data), NOW)


def refused_or_read(data: bytes) -> None:
    for read in (lambda: read_load_curve(data, NOW), lambda: read_indexes(data)):
        with contextlib.suppress(MeterFileError):
            read()


#: Made once: sheets and archives hold the time at which they were made.
WHOLE = {form: make() for form, make in FILES.items()}
fuzzing = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@fuzzing
@given(st.binary(max_size=2000))
def test_no_bytes_make_a_reader_raise_anything_else(data: bytes) -> None:
    refused_or_read(data)
    refused_or_read(HEADER.encode() + data)
    refused_or_read(b"{" + data)


@fuzzing
@given(st.sampled_from(sorted(FILES)), st.randoms(use_true_random=False))
def test_no_damage_to_a_real_form_makes_a_reader_raise_anything_else(
    form: str, chance: random.Random
) -> None:
    data = bytearray(WHOLE[form])
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data))
        kind = chance.randrange(3)
        if kind == 0:
            data[place] = chance.randrange(256)
        elif kind == 1:
            del data[place : place + chance.randint(1, 40)]
        else:
            data[place:place] = data[chance.randrange(len(data)) :][:60]
        if not data:
            break
    refused_or_read(bytes(data))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "interval_reading",
                    "reading_type",
                    "unit",
                    "date",
                    "value",
                    "dateDebut",
                    "dateFin",
                    "valeur",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@fuzzing
@given(json_values)
def test_no_json_makes_a_reader_raise_anything_else(document: object) -> None:
    refused_or_read(json.dumps([document]).encode())


@fuzzing
@given(
    st.lists(
        st.lists(st.none() | st.integers() | st.floats() | st.text(max_size=12) | st.dates(), max_size=4),
        max_size=4,
    )
)
def test_no_cells_of_a_sheet_make_a_reader_raise_anything_else(rows: list[list[object]]) -> None:
    clean = [[cell for cell in row if not isinstance(cell, str) or cell.isprintable()] for row in rows]
    refused_or_read(sheet_of(["Date début", "Date fin", "Valeur (kW)"], *clean))


def test_rows_of_tomorrow_are_left_out_of_a_file_of_yesterday() -> None:
    now = dt.datetime(2024, 2, 1, 0, 0, tzinfo=dt.UTC)  # 01:00 in Paris
    curve = read_load_curve(HOURLY.encode(), now)
    assert curve.end_min * 60 == now.timestamp()
    assert [finding.kind for finding in curve.findings] == ["stray"]


def test_a_member_that_lies_about_its_size_is_bounded() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"{number}.csv", b"0" * (8 * 1024 * 1024))
    with refused("larger than 32 MB"):
        read_load_curve(stream.getvalue(), NOW)
