import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.portfolio.billing.kernel import HomeSetting, MeteredHome, PortfolioTerms, bill_batch
from openwatt.portfolio.billing.rows import HomeRow
from openwatt.portfolio.engines.arrow_batches import bill_batches, whole_homes
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.results.parquet_results import ParquetResults
from openwatt.portfolio.sources.source import MOST_HOMES_PER_BATCH, HomeSettings
from openwatt.portfolio.sources.table import SEVERAL_ROWS, refuse_other_columns
from tests.portfolio.village import NOW, WEEK, curve, table_of

NIGHT = "22:00-06:00"
TERMS = PortfolioTerms(
    market=PortfolioMarket(shipped_market(), shipped_colours()), prices="now", now=NOW, today=NOW.date()
)
DEFAULT = HomeSetting(6, tuple(parse_off_peak_text(NIGHT)))
SETTINGS = HomeSettings(DEFAULT, {})
DAY = replace(WEEK, end=WEEK.start + dt.timedelta(days=1))


def of_settings(rows: pa.Table, power_kva: list[int | None], hours: list[str | None]) -> pa.Table:
    """The rows with the two columns of what the meter is set to."""
    return rows.append_column("power_kva", pa.array(power_kva, pa.int32())).append_column(
        "off_peak_hours", pa.array(hours, pa.string())
    )


def billed(rows: pa.Table, rows_per_batch: int) -> pa.Table:
    batches = list(bill_batches(rows.to_batches(max_chunksize=rows_per_batch), TERMS, SETTINGS))
    assert batches
    return pa.Table.from_batches(batches)


@pytest.mark.parametrize("rows_per_batch", [1, 47, 48, 49, 1000])
def test_a_home_may_be_cut_anywhere_by_batches(rows_per_batch: int) -> None:
    settings: list[tuple[int | None, str | None]]
    settings = [(None, None), (9, None), (3, "01:40-07:10;12:40-15:10"), (12, NIGHT)]
    parts, homes = [], []
    for seed, (power_kva, hours) in enumerate(settings):
        one = curve(seed, DAY, gap=seed == 1)
        count = len(one.starts_min)
        rows = table_of([(f"home {seed}", one)])
        parts.append(of_settings(rows, [power_kva] * count, [hours] * count))
        off_peak = tuple(parse_off_peak_text(hours)) if hours else DEFAULT.off_peak_hours
        homes.append(MeteredHome(f"home {seed}", HomeSetting(power_kva or 6, off_peak), one))
    expected = ParquetResults(HomeRow._fields).table(bill_batch(homes, TERMS))
    assert expected.num_rows > 100
    assert billed(pa.concat_tables(parts), rows_per_batch).equals(expected)


def test_what_is_wrong_with_a_home_is_its_only_row() -> None:
    whole = table_of([("good", curve(1, DAY))])
    count = whole.num_rows

    known = of_settings(whole, [6] * count, [NIGHT] * count)

    def named(name: str, rows: pa.Table = known) -> pa.Table:
        return rows.set_column(0, "home", pa.array([name] * count))

    no_step = pa.array([0] * count, pa.int16())
    year_1 = pa.array([dt.datetime(1, 1, 1, tzinfo=dt.UTC)] * count, pa.timestamp("s", "UTC"))
    huge = pa.array([Decimal("9" * 18)] * count).cast(whole.schema.field("wh").type)
    bad = {
        "its rows have several values of power_kva": of_settings(whole, [6, 9] * 24, [None] * count),
        "step_minutes are not all from 1 to 1440": known.set_column(2, "step_minutes", no_step),
        "its measurements cannot be read: Integer value out of bounds": known.set_column(3, "wh", huge),
        "a start lies before 1970": known.set_column(1, "start", year_1),
        "off_peak_hours have more than 1,000 characters": of_settings(
            whole, [6] * count, ["9" * 100_000] * count
        ),
        "'nights' in 'nights' is not a range of hours": of_settings(whole, [6] * count, ["nights"] * count),
    }
    parts = [named(f"bad {number}", rows) for number, rows in enumerate(bad.values())]
    every = billed(pa.concat_tables([named("a"), *parts, named("z")]), 100)
    failed = every.filter(pc.is_null(every["supplier"]))
    assert failed["home"].to_pylist() == [f"bad {number}" for number in range(len(bad))]
    for reason, start in zip(failed["reason"].to_pylist(), bad, strict=True):
        assert str(reason).startswith(start), reason
    good = {name: every.filter(pc.field("home") == name).drop_columns(["home"]) for name in "az"}
    assert good["a"].num_rows > 30
    assert good["a"].equals(good["z"])


@pytest.mark.parametrize("rows_per_batch", [1, 2, 100])
def test_a_row_may_be_a_home_with_a_list(rows_per_batch: int) -> None:
    curves = [curve(seed, DAY) for seed in range(3)]
    expected = billed(table_of((f"home {seed}", one) for seed, one in enumerate(curves)), 48)
    names = ["home 0", "home 1", "home 2", "twice", "twice"]
    lists = pa.table(
        {
            "home": names,
            "start": pa.array([DAY.start_min * 60] * 5, pa.timestamp("s", "UTC")),
            "step_minutes": [30] * 5,
            "wh": [table_of([("", one)])["wh"].to_pylist() for one in (*curves, *curves[:2])],
        }
    )
    found = billed(lists, rows_per_batch)
    assert found.slice(0, expected.num_rows).equals(expected)
    last = found.slice(expected.num_rows).to_pylist()
    assert [(row["home"], row["reason"]) for row in last] == [("twice", SEVERAL_ROWS)]


def test_a_column_that_stands_twice_is_refused() -> None:
    rows = table_of([("a", curve(1, DAY))])
    with pytest.raises(PortfolioError, match=r"^x: several columns are named wh$"):
        refuse_other_columns("x", rows.append_column("wh", rows["wh"]).schema)


def test_a_row_without_a_home_ends_the_task_and_shows_nothing() -> None:
    rows = table_of([("a secret", curve(1, DAY))])
    rows = rows.set_column(0, "home", pa.array(["a secret"] * 47 + [None]))
    with pytest.raises(PortfolioError, match=r"^a row of the measurements names no home$"):
        list(bill_batches(rows.to_batches(), TERMS, SETTINGS))


def test_what_is_in_memory_at_once_is_bounded_however_many_homes_there_are() -> None:
    rows = table_of([("", curve(1, DAY))]).slice(0, 1)
    taken = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal taken
        for first in range(0, 3000, 10):
            names = pa.array([f"{number:05}" for number in range(first, first + 10)])
            many = pa.concat_tables([rows] * 10).combine_chunks().set_column(0, "home", names)
            taken += 10
            yield many.to_batches()[0]

    given = 0
    for table, stretches in whole_homes(batches()):
        assert len(stretches) == table.num_rows
        assert table.num_rows <= MOST_HOMES_PER_BATCH
        given += table.num_rows
        assert taken <= given + 10
    assert given == 3000
