"""Whole columns and single cells give one result, on every file that people have, with damage anywhere."""

import io
import random
import zipfile
from typing import NamedTuple

import numpy as np
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwatt.domain.errors import MeterFileError
from openwatt.domain.load_curve import LoadCurve
from openwatt.meter import columns
from openwatt.meter.columns import RegularStamps, Spans
from openwatt.meter.grids import TextGrid, TextLines
from openwatt.meter.indexes import read_indexes
from openwatt.meter.read import read_load_curve
from openwatt.sentences.catalogue import CODES, sentence
from tests.meter.test_makers import FILES as FORMS
from tests.meter.test_people_s_files import FILES, NOW
from tests.shared_data import needs_shared_data


def no_stamps(spans: Spans) -> RegularStamps:
    none = np.zeros(len(spans.begin), dtype=np.bool_)
    return RegularStamps(np.zeros(len(none), dtype=np.int64), none.copy(), none.copy())


def no_numbers(spans: Spans, _milli_per_unit: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(len(spans.begin), dtype=np.int64), np.zeros(len(spans.begin), dtype=np.bool_)


class Result(NamedTuple):
    """All that comes of a file."""

    starts: list[int]
    steps: list[int]
    energies: list[int]
    said: list[str]


def result(data: bytes) -> Result:
    try:
        curve: LoadCurve = read_load_curve(data, NOW)
    except MeterFileError as refusal:
        return Result([], [], [], [str(refusal)])
    said = [f"{one.kind} {one.count} {one.message} {one.first_at}" for one in curve.findings]
    return Result(curve.starts_min.tolist(), curve.steps_min.tolist(), curve.energies.tolist(), said)


def by_cell(data: bytes) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "regular_stamps", no_stamps)
        patch.setattr(columns, "regular_numbers", no_numbers)
        return result(data)


def lines_of(data: bytes) -> list[str]:
    """The rows of a file as lines of text: those of a sheet as it would be saved as CSV."""
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                return lines_of(archive.read(archive.namelist()[0]))
        sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[-1]
        return [
            ";".join("" if cell is None else str(cell) for cell in row)
            for row in sheet.iter_rows(values_only=True)
        ]
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return data.decode("latin-1").splitlines()


def blank(line: str, _chance: random.Random) -> str:
    return line.rpartition(";")[0] + ";"


def odd_stamp(line: str, chance: random.Random) -> str:
    return line.replace(":30", f":{chance.choice(['15', '45', '31', '60', '3', '30:17'])}", 1)


def strange_number(line: str, chance: random.Random) -> str:
    more = ["e3", "0000000000000", ",5", ".", "\u202f000", " ", '"', "-", "W"]
    return line + chance.choice(more)


def other_year(line: str, chance: random.Random) -> str:
    return line.replace("2025", chance.choice(["1900", "2100", "2024", "20 25", "0000"]), 1)


def other_midnight(line: str, _chance: random.Random) -> str:
    return line.replace("23:30:00", "24:00", 1).replace("00:00:00", "23:59:59", 1)


def other_row(line: str, chance: random.Random) -> str:
    return chance.choice(["", ";;;", " ", '"', line[: len(line) // 2], line.replace(";", ",")])


DAMAGE_TO_A_ROW = (blank, odd_stamp, strange_number, other_year, other_midnight, other_row)


def damaged(lines: list[str], chance: random.Random) -> list[str]:
    """Lines with some rows missing, doubled, swapped, or damaged in themselves."""
    lines = lines[:]
    for _ in range(chance.randint(1, 4)):
        row, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        kind = chance.choice(["missing", "doubled", "swapped", *DAMAGE_TO_A_ROW])
        if kind == "missing":
            lines = [*lines[:row], *lines[row + chance.randint(1, 5) :]] or [""]
        elif kind == "doubled":
            lines.insert(other, lines[row])
        elif kind == "swapped":
            lines[row], lines[other] = lines[other], lines[row]
        elif callable(kind):
            lines[row] = kind(lines[row], chance)
    return lines


def names() -> list[str]:
    return sorted(path.name for path in FILES.iterdir() if path.suffix != ".md") if FILES.is_dir() else []


@needs_shared_data
@pytest.mark.parametrize("name", names())
def test_a_file_has_one_result_by_column_and_by_cell(name: str) -> None:
    data = (FILES / name).read_bytes()
    assert result(data) == by_cell(data)


@pytest.mark.parametrize("form", FORMS)
def test_a_maker_s_form_has_one_result_by_column_and_by_cell(form: str) -> None:
    data = FORMS[form]()
    assert result(data) == by_cell(data)


@needs_shared_data
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(names() or [""]), st.randoms(use_true_random=False))
def test_a_damaged_file_has_one_result_by_column_and_by_cell(name: str, chance: random.Random) -> None:
    data = "\n".join(damaged(lines_of((FILES / name).read_bytes()), chance)).encode()
    assert result(data) == by_cell(data)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text(st.sampled_from('a;,\t" 1é'), max_size=12), min_size=1, max_size=8).map("\n".join),
    st.sampled_from(";,\t"),
)
def test_a_column_has_the_cells_that_its_rows_have(text: str, delimiter: str) -> None:
    lines = TextLines(text.encode())
    grid = TextGrid(lines, delimiter)
    rows = [grid.row(number) for number in range(len(grid))]
    for place in range(4):
        spans = grid.column(place, 0)
        cells = [spans.text(number) for number in range(len(grid))]
        assert cells == [row[place] if place < len(row) else "" for row in rows]


PIECES = [
    *(b"", b";", b",", b"\n", b'"', b"\t", b"9" * 30, b"\xff", b"Index"),
    *(b"Horodate;Valeur\n", b"<", b"&"),
]


def bytes_damaged(data: bytes, chance: random.Random) -> bytes:
    """Bytes changed, missing or put in; of an archive, in one of its members as often as in itself."""
    if data[:2] == b"PK" and chance.random() < 0.7:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = chance.choice(sorted(parts))
        parts[name] = bytes_damaged(parts[name], chance)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for one, part in parts.items():
                archive.writestr(one, part)
        return stream.getvalue()
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(data) + 1)
        piece = chance.choice(PIECES)
        data = data[:place] + piece + data[place + chance.choice([0, 1, 40]) :]
    return data


@needs_shared_data
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(names() or [""]), st.randoms(use_true_random=False))
def test_no_damage_makes_a_reader_raise_anything_else_or_tell_the_meter(
    name: str, chance: random.Random
) -> None:
    data = bytes_damaged((FILES / name).read_bytes(), chance)
    for read in (lambda: read_load_curve(data, NOW), lambda: read_indexes(data)):
        try:
            read()
        except MeterFileError as refusal:
            for code in CODES:
                said = sentence(refusal, code)
                assert len(said) < 700
                assert "0011223344" not in said
