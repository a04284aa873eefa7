import datetime as dt
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.portfolio.billing.kernel import HomeSetting, Unreadable
from openwatt.portfolio.billing.rows import joined
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.results.results import results_for
from openwatt.portfolio.sources.folder import Entry, Folder, cut
from openwatt.portfolio.sources.homes_file import read_homes_file
from openwatt.portfolio.sources.parquet_source import ParquetSource
from openwatt.portfolio.sources.source import (
    Batch,
    HomeSettings,
    HomeSource,
    Piece,
    PieceIndex,
    count_homes,
    hashes_of,
    partitions_of,
)
from tests.portfolio.village import NOW, curve, folder_of_homes, table_of, write_table

if TYPE_CHECKING:  # pyarrow's own classes take no arguments
    Cells: TypeAlias = pa.Array[Any] | pa.ChunkedArray[Any]
SIX = HomeSetting(6, (parse_off_peak_hours("22:00-06:00"),))
SETTINGS = HomeSettings(SIX, {})
TWO = table_of([("a", curve(1)), ("b", curve(2, gap=True))])


def table(path: Path, rows: pa.Table, rows_per_group: int = 100) -> ParquetSource:
    pq.write_table(rows, path, row_group_size=rows_per_group)
    return ParquetSource.at(path, NOW)


def changed(column: str, cells: "Cells") -> pa.Table:
    return TWO.set_column(TWO.schema.get_field_index(column), column, cells)


def index_of(source: HomeSource) -> PieceIndex:
    """The index of a source of one piece."""
    (piece,) = source.pieces()
    return source.index(0, piece, SETTINGS)


def measured(source: HomeSource) -> dict[str, object]:
    """What is read of each home of a source."""
    return {
        home.home: home.measured
        for number, piece in enumerate(source.pieces())
        for batch in source.index(number, piece, SETTINGS).batches
        for home in source.read(piece, batch, SETTINGS)
    }


def version_of(source: HomeSource) -> object:
    """What tells that a source has changed."""
    return source.pieces(), index_of(source).fingerprint


def assert_is(found: object, wanted: LoadCurve) -> None:
    assert isinstance(found, LoadCurve), found
    assert found.starts_min.tolist() == wanted.starts_min.tolist()
    assert found.steps_min.tolist() == wanted.steps_min.tolist()
    assert found.energies.tolist() == wanted.energies.tolist()


@pytest.mark.parametrize("rows_per_group", [7, 336, 100_000])
def test_a_home_of_a_table_is_its_curve_whatever_the_row_groups(tmp_path: Path, rows_per_group: int) -> None:
    made = [(f"home {seed}", curve(seed, gap=seed % 2 == 0)) for seed in range(9)]
    source = ParquetSource.at(write_table(tmp_path / "homes.parquet", made, rows_per_group), NOW)
    found = measured(source)
    assert list(found) == [name for name, _ in made]
    for name, wanted in made:
        assert_is(found[name], wanted)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (
            TWO.drop_columns(["wh", "home"]),
            "column home (string) is missing; column wh (integer or decimal) is ",
        ),
        (
            changed("wh", TWO["wh"].cast(pa.float64())),
            "column wh is double, not integer or decimal",
        ),
        (
            changed("start", TWO["start"].cast(pa.timestamp("us"))),
            "column start is timestamp[us], not timestamp with a time zone",
        ),
        (changed("step_minutes", TWO["start"]), "column step_minutes is timestamp[ms, tz=UTC], not integer"),
        (changed("home", pa.nulls(TWO.num_rows, pa.string())), "row 1 names no home"),
        (TWO.slice(0, 0), "holds no row"),
    ],
)
def test_a_table_of_another_form_is_refused_with_every_fault(
    tmp_path: Path, rows: pa.Table, reason: str
) -> None:
    with pytest.raises(PortfolioError) as refused:
        index_of(table(tmp_path / "homes.parquet", rows))
    assert reason in str(refused.value)


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "homes.parquet").write_text("home,start\n")
    with pytest.raises(PortfolioError, match="is no Parquet file that can be read"):
        index_of(ParquetSource.at(tmp_path / "homes.parquet", NOW))


def test_a_home_whose_rows_lie_apart_fails_alone(tmp_path: Path) -> None:
    apart = pa.concat_tables([TWO, TWO.slice(0, 10), table_of([("c", curve(3))])])
    found = measured(table(tmp_path / "homes.parquet", apart))
    assert found["a"] == Unreadable("its rows do not lie together: sort the table by home and start")
    assert_is(found["b"], curve(2, gap=True))
    assert_is(found["c"], curve(3))


@pytest.mark.parametrize(
    ("column", "cells", "reason"),
    [
        ("step_minutes", pa.array([0] * TWO.num_rows), "step_minutes are not all from 1 to 1440"),
        ("step_minutes", pa.nulls(TWO.num_rows, pa.int8()), "step_minutes are not all from 1 to 1440"),
        ("wh", pa.nulls(TWO.num_rows, pa.int64()), "no row holds a value"),
        (
            "start",
            pa.array([dt.datetime(2026, 10, 1, 0, 0, 30, tzinfo=dt.UTC)] * TWO.num_rows),
            "a start does not fall on a whole minute",
        ),
        (
            "start",
            pa.array([dt.datetime(2036, 10, 1, tzinfo=dt.UTC)] * TWO.num_rows),
            "every row lies in the future",
        ),
    ],
)
def test_rows_that_make_no_curve_are_a_reason(
    tmp_path: Path, column: str, cells: "Cells", reason: str
) -> None:
    found = measured(table(tmp_path / "homes.parquet", changed(column, cells)))
    assert len(found) == 2
    for one in found.values():
        assert isinstance(one, Unreadable)
        assert reason in one.reason


def test_decimals_dictionaries_zones_and_blanks_are_read(tmp_path: Path) -> None:
    start = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    rows = pa.table(
        {
            "wh": pa.array([Decimal("0.50000"), None, Decimal("12.25000")], pa.decimal128(30, 5)),
            "step_minutes": pa.array([10, 10, 30], pa.uint8()),
            "home": pa.array(["a"] * 3).dictionary_encode(),
            "start": pa.array([start + dt.timedelta(minutes=n) for n in (0, 10, 20)]).cast(
                pa.timestamp("ns", "Europe/Paris")
            ),
            "more": pa.array([1.5, 2.5, 3.5]),
        }
    )
    (found,) = measured(table(tmp_path / "homes.parquet", rows)).values()
    assert isinstance(found, LoadCurve)
    assert found.energies.tolist() == [30, 735]  # 0.5 and 12.25 Wh in W × minutes
    assert found.steps_min.tolist() == [10, 30]
    assert {finding.kind for finding in found.findings} >= {"blank", "gap"}


def test_files_come_in_one_order_and_what_changes_changes_the_fingerprint(tmp_path: Path) -> None:
    source = Folder(folder_of_homes(tmp_path / "homes", 5))
    assert len(measured(source)) == 5
    before = version_of(source)
    assert version_of(source) == before
    (tmp_path / "homes" / "home 00001.csv").write_text("other")
    assert version_of(source) != before


def test_a_table_of_other_energies_has_another_fingerprint(tmp_path: Path) -> None:
    source = table(tmp_path / "homes.parquet", TWO)
    before = version_of(source)
    assert version_of(source) == before
    table(tmp_path / "homes.parquet", changed("wh", pa.array([7] * TWO.num_rows)))
    assert version_of(source) != before


def test_batches_hold_so_many_homes_and_so_much_at_most() -> None:
    entries = [Entry(str(number), 0, size) for number, size in enumerate((1, 1, 1, 5, 5, 99, 1, 1))]
    batches = [[entry.size for entry in batch] for batch in cut(entries, 3, 10)]
    assert batches == [[1, 1, 1], [5, 5], [99], [1, 1]]


def test_partitions_hold_whole_batches_of_pieces_that_follow_each_other() -> None:
    pieces = [Piece(name, "") for name in "abc"]
    homes = [["1", "2", "3"], ["4", "5", "6", "7", "8"], ["2", "9", "8"]]
    sizes = [[2, 1], [5], [1, 2]]
    indexes = [
        PieceIndex(n, [Batch(size, None) for size in cuts], hashes_of(names), "", 0)
        for n, (cuts, names) in enumerate(zip(sizes, homes, strict=True))
    ]
    found = partitions_of(pieces, indexes, 4)
    assert [partition.number for partition in found] == [0, 1, 2]
    shapes = [[(piece.name, batch.homes) for piece, batch in partition.work] for partition in found]
    assert shapes == [[("a", 2), ("a", 1)], [("b", 5)], [("c", 1), ("c", 2)]]
    two, eight = hashes_of(["2", "8"]).tolist()
    assert [partition.again for partition in found] == [{two: "a"}, {eight: "b"}, {two: "a", eight: "b"}]
    assert count_homes(indexes) == 9


def test_the_homes_file_says_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "homes.csv"
    path.write_text("\ufeffhome,power_kva,off_peak_hours\na,9,\nb,,1:30-9:30\n", encoding="utf-8")
    assert read_homes_file(path, SIX) == {
        "a": HomeSetting(9, SIX.off_peak_hours),
        "b": HomeSetting(6, (parse_off_peak_hours("01:30-09:30"),)),
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has columns none; it needs home"),
        ("home,power\na,6\n", "has columns home, power; it needs home, and may have power_kva"),
        (
            "home,power_kva\na,6\na,9\n,6\nb,0\nc,six\nd,6,7\n",
            (
                "line 3: home 'a' is named twice; line 4: no home is named; "
                "line 5: power_kva '0' is no whole number from 1 to 36; line 6: power_kva 'six' is no whole "
                "number from 1 to 36; line 7: it has more cells than there are columns"
            ),
        ),
        ("home,off_peak_hours\na,night\n", "line 2: 'night' in 'night' is not a range of hours"),
        ('home\n"a"b\n', "is no CSV in UTF-8"),
    ],
)
def test_a_homes_file_that_cannot_be_used_is_refused_line_by_line(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "homes.csv"
    path.write_text(text)
    with pytest.raises(PortfolioError) as refused:
        read_homes_file(path, SIX)
    assert reason in str(refused.value)


def test_parquet_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PortfolioError, match=r"pip install 'openwatt\[portfolio\]'"):
        results_for(".parquet")
    assert results_for(".csv").part(joined([])) == b""
