"""Parquet as a source: datasets, addresses, lists, columns of settings, and homes that lie in two places."""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from openwatt.cli import main
from openwatt.domain.load_curve import LoadCurve, Readings, build_curve, measure_readings
from openwatt.domain.off_peak import parse_off_peak_hours, parse_off_peak_text
from openwatt.portfolio.billing.kernel import HomeSetting, MeteredHome, Unreadable
from openwatt.portfolio.sources.parquet_source import ParquetSource
from openwatt.portfolio.sources.source import HomeSettings
from openwatt.portfolio.sources.table import homes_of, stretches_of
from tests.conftest import Server
from tests.portfolio.village import NOW, curve, table_of, write_table

SIX = HomeSetting(6, (parse_off_peak_hours("22:00-06:00"),))
SETTINGS = HomeSettings(SIX, {})
SCATTERED = Unreadable("its rows do not lie together: sort the table by home and start")


def homes_in(source: ParquetSource, given: HomeSettings = SETTINGS) -> list[MeteredHome]:
    """Every home that a source gives, in its order."""
    pieces = source.pieces()
    indexes = [source.index(number, piece, given) for number, piece in enumerate(pieces)]
    found = []
    for piece, index in zip(pieces, indexes, strict=True):
        homes = [home for batch in index.batches for home in source.read(piece, batch, given)]
        assert len(homes) == len(index.hashes) == sum(batch.homes for batch in index.batches)
        found += homes
    return found


def measured_in(source: ParquetSource) -> dict[str, object]:
    homes = homes_in(source)
    assert len({home.home for home in homes}) == len(homes)
    return {home.home: home.measured for home in homes}


def same(found: object, wanted: LoadCurve) -> bool:
    return isinstance(found, LoadCurve) and all(
        one.tolist() == other.tolist() for one, other in zip(arrays(found), arrays(wanted), strict=True)
    )


def arrays(one: LoadCurve) -> tuple[Any, ...]:
    return one.starts_min, one.steps_min, one.energies


def lists_of(homes: Sequence[tuple[str, LoadCurve]], **more: Any) -> pa.Table:
    """The list form of some curves without gaps."""
    return pa.table(
        {
            "home": [name for name, _ in homes],
            "start": pa.array([one.start_min * 60 for _, one in homes], pa.timestamp("s", "UTC")),
            "step_minutes": pa.array([30] * len(homes), pa.int8()),
            "wh": pa.array(
                [[Decimal(int(e)) / 60 for e in one.energies] for _, one in homes],
                pa.list_(pa.decimal128(9, 1)),
            ),
            **more,
        }
    )


def test_a_dataset_is_its_files_in_the_order_of_their_paths(tmp_path: Path) -> None:
    (tmp_path / "region=84" / "month=10").mkdir(parents=True)
    made = [(f"home {seed}", curve(seed)) for seed in range(6)]
    write_table(tmp_path / "region=84" / "month=10" / "b.parquet", made[4:])
    write_table(tmp_path / "region=84" / "a.parquet", made[2:4])
    write_table(tmp_path / "a.parquet", made[:2])
    for left_out in ("_SUCCESS", ".part.parquet.crc", "_temporary.parquet"):
        (tmp_path / left_out).write_text("no Parquet")
    source = ParquetSource.at(tmp_path, NOW)
    assert [piece.name for piece in source.pieces()] == [
        "a.parquet",
        "region=84/a.parquet",
        "region=84/month=10/b.parquet",
    ]
    found = measured_in(source)
    assert list(found) == [name for name, _ in made]
    assert all(same(found[name], wanted) for name, wanted in made)
    before = source.pieces()
    write_table(tmp_path / "a.parquet", made[:1])
    assert source.pieces()[1:] == before[1:]
    assert source.pieces()[0] != before[0]


def test_an_address_is_read_as_a_path_is(tmp_path: Path) -> None:
    made = [(f"home {seed}", curve(seed)) for seed in range(3)]
    write_table(tmp_path / "homes.parquet", made)
    files = fsspec.filesystem("memory")
    files.pipe_file("/kernel/x=1/one.parquet", (tmp_path / "homes.parquet").read_bytes())
    files.pipe_file("/kernel/_SUCCESS", b"")
    try:
        for address in (
            "memory://kernel",
            "memory://kernel/x=1/one.parquet",
            f"file://{tmp_path}/homes.parquet",
        ):
            found = measured_in(ParquetSource.at(address, NOW))
            assert all(same(found[name], wanted) for name, wanted in made), address
        before = ParquetSource.at("memory://kernel", NOW).pieces()
        files.pipe_file("/kernel/x=1/one.parquet", b"other")
        assert ParquetSource.at("memory://kernel", NOW).pieces() != before
    finally:
        files.rm("/kernel", recursive=True)


def test_a_row_of_a_list_is_a_home(tmp_path: Path) -> None:
    made = [(f"home {seed}", curve(seed)) for seed in range(5)]
    rows = lists_of(made)
    odd = rows.slice(0, 3).to_pylist()
    odd[0] |= {"home": "gap", "wh": [None, *odd[0]["wh"][1:]]}
    odd[1] |= {"home": "negative", "wh": [Decimal(-1), *odd[1]["wh"][1:]]}
    odd[2] |= {"home": "empty", "wh": []}
    twice = rows.slice(1, 1)
    path = tmp_path / "lists.parquet"
    pq.write_table(
        pa.concat_tables([rows, pa.Table.from_pylist(odd, rows.schema), twice]), path, row_group_size=3
    )
    found = measured_in(ParquetSource.at(path, NOW))
    for name, wanted in made:
        if name != "home 1":
            assert same(found[name], wanted), name
    assert found["home 1"] == Unreadable(
        "it has several rows: a row with a list of energies holds all of a home"
    )
    gap, negative = found["gap"], found["negative"]
    assert isinstance(gap, LoadCurve)
    assert isinstance(negative, LoadCurve)
    assert gap.energies.tolist() == made[0][1].energies[1:].tolist()
    assert [finding.kind for finding in gap.findings] == ["blank"]
    assert negative.energies.tolist() == [0, *made[1][1].energies[1:].tolist()]
    assert found["empty"] == Unreadable("no row holds a value")


def test_a_home_that_lies_in_several_places_is_one_row_where_it_is_first(tmp_path: Path) -> None:
    made = {name: curve(seed) for seed, name in enumerate("abcdef")}
    whole = {name: table_of([(name, one)]) for name, one in made.items()}
    parts = [whole["a"].slice(0, 9), whole["b"], whole["c"].slice(0, 5), whole["a"].slice(9), whole["d"]]
    parts += [whole["c"].slice(5), whole["a"].slice(2, 1), whole["e"]]
    pq.write_table(pa.concat_tables(parts), tmp_path / "homes.parquet", row_group_size=50)
    found = homes_in(ParquetSource.at(tmp_path / "homes.parquet", NOW))
    assert [home.home for home in found] == ["a", "b", "c", "d", "e"]
    assert [home.measured for home in found if home.home in "ac"] == [SCATTERED, SCATTERED]
    assert all(same(home.measured, made[home.home]) for home in found if home.home in "bde")
    by_time = pa.concat_tables(whole.values()).sort_by([("start", "ascending"), ("home", "ascending")])
    pq.write_table(by_time, tmp_path / "homes.parquet", row_group_size=50)
    assert measured_in(ParquetSource.at(tmp_path / "homes.parquet", NOW)) == dict.fromkeys(made, SCATTERED)


def test_columns_say_what_the_meter_of_each_home_is_set_to(tmp_path: Path) -> None:
    made = [(name, curve(seed)) for seed, name in enumerate("abcdefg")]
    rows = table_of(made)
    length = len(made[0][1].starts_min)
    hours: list[str | None] = ["1:30-9:30", "", None, "night", "summer 12:00-20:00 | winter 22:00-06:00"]
    hours += ["1:30-9:30", "1:30-9:30"]
    powers: list[int | None] = [9, 12, None, 9, 3, 99, 9]
    rows = rows.append_column("off_peak_hours", pa.array(np.repeat(np.array(hours, dtype=object), length)))
    kva = [power for power in powers for _ in range(length)]
    kva[-1] = 12
    rows = rows.append_column("power_kva", pa.array(kva, pa.int16()))
    pq.write_table(rows, tmp_path / "homes.parquet", row_group_size=100)
    given = HomeSettings(HomeSetting(None, SIX.off_peak_hours), {"d": SIX})
    source = ParquetSource.at(tmp_path / "homes.parquet", NOW)
    assert source.has_powers()
    found = {home.home: home for home in homes_in(source, given)}
    early = (parse_off_peak_hours("01:30-09:30"),)
    seasons = tuple(
        one for text in ("summer 12:00-20:00", "winter 22:00-06:00") for one in parse_off_peak_text(text)
    )
    assert {name: found[name].setting for name in "abcde"} == {
        "a": HomeSetting(9, early),
        "b": HomeSetting(12, SIX.off_peak_hours),
        "c": HomeSetting(None, SIX.off_peak_hours),
        "d": SIX,  # The file of settings names it: its columns do not count.
        "e": HomeSetting(3, seasons),
    }
    assert all(same(found[name].measured, wanted) for name, wanted in made[:5])
    assert found["f"].measured == Unreadable("power_kva '99' is no whole number from 1 to 36")
    assert found["g"].measured == Unreadable("its rows have several values of power_kva")
    unnamed = homes_in(source)[3].measured
    assert isinstance(unnamed, Unreadable)
    assert unnamed.reason.startswith("'night' in 'night' is not a range of hours")


def test_folders_may_say_the_power(tmp_path: Path) -> None:
    for power in ("6", "__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / f"power_kva={power}").mkdir()
        write_table(tmp_path / f"power_kva={power}" / "homes.parquet", [(f"of {power}", curve(1))])
    source = ParquetSource.at(tmp_path, NOW)
    found = homes_in(source, HomeSettings(HomeSetting(3, ()), {}))
    assert source.has_powers()
    assert [home.setting.power_kva for home in found] == [6, 3]


def test_values_that_are_no_measurement_are_a_reason_of_one_home(tmp_path: Path) -> None:
    made = [(name, curve(seed)) for seed, name in enumerate("abc")]
    rows = table_of(made)
    for kind, value in ((pa.int64(), 2**62), (pa.decimal128(38, 1), Decimal(10) ** 36)):
        wh: list[Any] = [1] * rows.num_rows
        wh[len(made[0][1].starts_min)] = value
        changed = rows.set_column(rows.schema.get_field_index("wh"), "wh", pa.array(wh, kind))
        pq.write_table(changed, tmp_path / "homes.parquet")
        found = measured_in(ParquetSource.at(tmp_path / "homes.parquet", NOW))
        assert [isinstance(one, LoadCurve) for one in found.values()] == [True, False, True]
        assert isinstance(found["b"], Unreadable)


def test_a_file_whose_measurements_are_damaged_fails_home_by_home(tmp_path: Path) -> None:
    path = write_table(tmp_path / "homes.parquet", [(name, curve(seed)) for seed, name in enumerate("ab")])
    column = pq.read_metadata(path).row_group(0).column(3)
    assert column.path_in_schema == "wh"
    data = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(data)
    found = measured_in(ParquetSource.at(path, NOW))
    assert list(found) == ["a", "b"]
    for one in found.values():
        assert isinstance(one, Unreadable)
        assert one.reason.startswith("the table cannot be read: ")


#: A step in minutes and the offset of each row in steps, which may repeat, go back or leave a gap.
GRIDS = st.tuples(st.sampled_from([10, 30, 60]), st.lists(st.integers(0, 40), min_size=1, max_size=12))
REGULAR = (30, list(range(8)))
KINDS: Sequence[Any] = (pa.int32(), pa.decimal128(12, 1), pa.decimal128(12, 3), pa.decimal128(30, 5))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_homes_that_are_read_together_are_what_each_is_alone(data: st.DataObject) -> None:
    """Against the exact path of one home, whatever is odd in some of them."""
    kind: Any = data.draw(st.sampled_from(KINDS))
    unit = data.draw(st.sampled_from(["s", "ms", "us", "ns"]))
    late = int(NOW.timestamp()) // 60
    columns: dict[str, list[Any]] = {"home": [], "start": [], "step_minutes": [], "wh": []}
    alone: list[object] = []
    for number in range(data.draw(st.integers(1, 6))):
        step, offsets = data.draw(st.one_of(GRIDS, st.just(REGULAR), st.just(REGULAR)))
        base = late - data.draw(st.sampled_from([6000, 6000, 6000, 5000, 120]))
        starts = [base + step * offset for offset in offsets]
        scale = Decimal(1).scaleb(-getattr(kind, "scale", 0))
        values = [
            None if wh is None else wh * scale if kind != pa.int32() else wh
            for wh in data.draw(
                st.lists(
                    st.one_of(st.integers(0, 10**5), st.sampled_from([0, 20, -5, None])),
                    min_size=len(starts),
                    max_size=len(starts),
                )
            )
        ]
        columns["home"] += [str(number)] * len(starts)
        columns["start"] += [start * 60 for start in starts]
        columns["step_minutes"] += [step] * len(starts)
        columns["wh"] += values
        alone.append(exact(starts, step, values))
    rows = pa.table(
        {
            "home": pa.array(columns["home"]).dictionary_encode(),
            "start": pa.array(columns["start"], pa.timestamp("s", "UTC")).cast(pa.timestamp(unit, "UTC")),
            "step_minutes": pa.array(columns["step_minutes"], pa.int16()),
            "wh": cells(columns["wh"], kind),
        }
    )
    found = [one.measured for one in homes_of(rows, stretches_of(rows), SETTINGS, NOW)]
    assert len(found) == len(alone)
    for one, wanted in zip(found, alone, strict=True):
        if isinstance(wanted, LoadCurve):
            assert same(one, wanted)
            assert isinstance(one, LoadCurve)
            assert one.findings == wanted.findings
        else:
            assert isinstance(one, Unreadable)


def cells(values: Sequence[Any], kind: Any) -> Any:
    return pa.array(values, kind)


def exact(starts: Sequence[int], step: int, values: Sequence[Any]) -> LoadCurve | None:
    """The curve of one home's rows by the domain alone; None where there is none."""
    milli = [0 if wh is None else int((Decimal(wh) * 1000).to_integral_value()) for wh in values]
    readings = Readings(
        stamps_min=np.array(starts, dtype=np.int64),
        milli=np.array(milli, dtype=np.int64),
        present=np.array([wh is not None for wh in values], dtype=np.bool_),
        steps_min=np.full(len(starts), step, dtype=np.int64),
        stamp_is="start",
        is_energy=True,
    )
    try:
        return build_curve([measure_readings(readings, NOW)])
    except Exception:  # noqa: BLE001 (why is asserted elsewhere)
        return None


@pytest.fixture(scope="module", autouse=True)
def _database(server: Server, filled: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OPENWATT_DATABASE_URL", server.url(server.create(filled)))
        yield


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["portfolio", *map(str, arguments), "--jobs", "1"])


def test_the_command_bills_a_dataset_as_one_file_and_names_every_bad_file(tmp_path: Path) -> None:
    made = [(f"home {seed}", curve(seed)) for seed in range(4)]
    folder = tmp_path / "homes"
    (folder / "region=84").mkdir(parents=True)
    write_table(folder / "a.parquet", made[:2])
    write_table(folder / "region=84" / "b.parquet", [*made[2:], made[0]])
    write_table(tmp_path / "homes.parquet", made[1:])
    for homes, out in ((folder, "of dataset.csv"), (tmp_path / "homes.parquet", "of file.csv")):
        assert run(homes, "--out", tmp_path / out, "--power-kva", 6).exit_code == (
            3 if homes == folder else 0
        )
    of_dataset, of_file = ((tmp_path / name).read_text() for name in ("of dataset.csv", "of file.csv"))
    first, *rest = of_dataset.splitlines()[1:]
    assert first.startswith("home 0,,")
    assert "its rows lie in several files: put the rows of one home into one file" in first
    assert rest == of_file.splitlines()[1:]
    for number in range(12):
        (folder / f"c{number:02}.parquet").write_text("no Parquet")
    pq.write_table(pa.table({"home": ["x"]}), folder / "b.parquet")
    refused = run(folder, "--out", tmp_path / "out.csv", "--power-kva", 6)
    assert refused.exit_code == 1
    assert refused.stderr.count("is no Parquet file that can be read") == 9
    assert (
        "b.parquet: column start (timestamp with a time zone) is missing; column step_minutes"
        in refused.stderr
    )
    assert refused.stderr.rstrip().endswith("and 3 more")
    assert not (tmp_path / "out.csv").exists()
    assert run(folder, "--out", tmp_path / "out.csv").stderr == (
        "Error: give --power-kva, or each home's power with --settings\n"
    )


def test_the_command_takes_powers_from_columns(tmp_path: Path) -> None:
    made = [(f"home {seed}", curve(seed)) for seed in range(2)]
    pq.write_table(lists_of(made, power_kva=[6, 9]), tmp_path / "lists.parquet")
    done = run(tmp_path / "lists.parquet", "--out", tmp_path / "out.parquet", "--top", 1)
    assert done.exit_code == 0, done.stderr
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["home"], row["power_kva"]) for row in rows] == [("home 0", 6), ("home 1", 9)]
    assert rows[0]["start"] == dt.date(2026, 10, 20)
