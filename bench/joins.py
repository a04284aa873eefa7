"""Core time of a portfolio's bills beside the same bills made by joins, in DuckDB and in pandas.

Run it from the repository's root: `python -m bench.joins --homes 1000`. Every way reads the same Parquet
file and costs the same contracts, with and without taxes, in a process of its own with one thread. The
joins are given what the portfolio works out: which register runs in each half hour at each home's
off-peak hours, and every price of the year. That is not in their time, and they neither rank nor compare.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.homes import (
    NOW,
    OFF_PEAK_HOURS,
    POWERS_KVA,
    STARTS_MIN,
    YEAR,
    SyntheticHomes,
    limited_market,
    write_settings,
    write_table,
)
from openwatt.domain.calendar import UNKNOWN, Home, RegisterCalendar, lay_out
from openwatt.domain.comparison import PricedContract
from openwatt.domain.legal_time import Minutes, day_number
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.portfolio.billing.kernel import HomeSetting, PortfolioTerms
from openwatt.portfolio.billing.prepared import priced_span
from openwatt.portfolio.engines.local_engine import LocalEngine
from openwatt.portfolio.results.output import Output
from openwatt.portfolio.run import Portfolio, bill_portfolio
from openwatt.portfolio.sources.homes_file import read_homes_file
from openwatt.portfolio.sources.parquet_source import ParquetSource
from openwatt.portfolio.sources.source import HomeSettings

HOMES_OF_FRANCE = 37_000_000
#: Prices are whole numbers of this many parts of a EUR, so that a join can be exact.
_PARTS = 10**8
#: What a sum of some thousand floats may be off by.
_FLOAT_ERROR_EUR = 1e-6
#: A join of every half hour with every contract would not fit in memory for more homes at once.
_HOMES_PER_NAIVE_CHUNK = 10


_SIDES = ("ttc", "ht")
_TABLES = ("meter", "homes", "cells", "slots", "cells_of_slot", "prices", "contracts")
_KEY = ("supplier", "offer", "option", "power_kva")
MARKET = limited_market()
TERMS = PortfolioTerms(
    market=MARKET, prices="then", now=NOW, today=NOW.date(), start=YEAR.start, end=YEAR.end
)


class Cost(NamedTuple):
    """What a way took, its start not included."""

    core_s: float
    clock_s: float
    peak_mb: float


def main() -> None:
    """Assert that all ways agree, then print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, default=60)
    parser.add_argument("--only", nargs="*", default=list(WAYS), choices=list(WAYS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, options.homes)
        cost = alone(bill_by_portfolio, folder)
        ours = bills_of_portfolio(folder)
        print(f"{options.homes:,} homes, {len(ours):,} bills, prices then; one thread each")
        print(f"{'':34}{'core ms':>9}{'core hours,':>13}{'':>9}{'peak':>8}{'bills that':>12}")
        print(f"{'':34}{'a home':>9}{'37 million':>13}{'':>9}{'MB':>8}{'differ':>12}")
        ours_s = cost.core_s
        show("openwatt portfolio", cost, options.homes, "")
        for way in options.only:
            cost = alone(WAYS[way], folder)
            differing = compared(pd.read_parquet(folder / "bills.parquet"), ours)
            show(way, cost, options.homes, f"{cost.core_s / ours_s:7.1f} x", f"{differing:,}")


def show(way: str, cost: Cost, homes: int, ratio: str, differing: str = "") -> None:
    """One line of the table."""
    core_hours = cost.core_s / homes * HOMES_OF_FRANCE / 3600
    figures = f"{cost.core_s / homes * 1000:9.2f}{core_hours:13,.1f}{ratio:>9}{cost.peak_mb:8,.0f}"
    print(f"  {way:32}{figures}{differing:>12}", flush=True)


def alone(way: Callable[[Path], None], folder: Path) -> Cost:
    """What a way takes in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, way, folder).result()


def _measured(way: Callable[[Path], None], folder: Path) -> Cost:
    core, clock = time.process_time(), time.perf_counter()
    way(folder)
    core, clock = time.process_time() - core, time.perf_counter() - clock
    return Cost(core, clock, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def compared(bills: pd.DataFrame, ours: pd.DataFrame) -> int:
    """How many bills differ by a cent, for floats round another way; none differs by more than floats do."""
    both = ours.merge(bills, on=["home", "contract"], how="outer", suffixes=("", "_joined"), validate="1:1")
    differs = np.zeros(len(both), dtype=np.bool_)
    for side in ("ttc", "ht"):
        known = both[side].notna()
        joined, exact = both[f"{side}_joined"][known], both[side][known].astype(float)
        assert ((joined - exact).abs() <= 0.005 + _FLOAT_ERROR_EUR).all()
        differs[known] |= (joined.round(2) - exact).abs() > 0.001
    return int(differs.sum())


# What every way reads.


def write_inputs(folder: Path, homes: int) -> None:
    """The measurements, and the tables that the joins are given.

    A cell is a register in a period without a change of prices. A slot is a combination of cells, one of
    each calendar, that some half hours of a setting share.
    """
    made = SyntheticHomes()
    write_table(folder / "meter.parquet", made, range(homes))
    named = [(home.name, home) for home in made.homes(range(homes))]
    write_settings(folder / "settings.csv", named)
    rows = [
        {"home": name, "setting": OFF_PEAK_HOURS.index(home.off_peak_hours), "power_kva": home.power_kva}
        for name, home in named
        if (home.wh >= 0).any()
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "homes.parquet")
    calendars = write_prices(folder)
    starts = pa.array(STARTS_MIN * 60_000, pa.timestamp("ms", "UTC"))
    tables: dict[str, list[pa.Table]] = {"cells": [], "slots": [], "cells_of_slot": []}
    for setting, text in enumerate(OFF_PEAK_HOURS):
        laid = np.stack([cells_of(calendar, edges, text) for calendar, edges in calendars])
        combinations, slot = np.unique(laid, axis=1, return_inverse=True)
        tables["slots"].append(_with({"setting": setting}, start=starts, slot=slot.ravel()))
        for number in range(len(calendars)):
            keys = {"setting": setting, "calendar": number}
            tables["cells"].append(_with(keys, start=starts, cell=laid[number]))
            places = np.arange(combinations.shape[1])
            tables["cells_of_slot"].append(_with(keys, slot=places, cell=combinations[number]))
    for name, parts in tables.items():
        pq.write_table(pa.concat_tables(parts), folder / f"{name}.parquet")


def _with(keys: Mapping[str, int], **columns: Any) -> pa.Table:
    """Columns, and before them keys that are the same in every row."""
    rows = len(next(iter(columns.values())))
    return pa.table({**{name: np.full(rows, key) for name, key in keys.items()}, **columns})


def write_prices(folder: Path) -> Sequence[tuple[RegisterCalendar, Sequence[int]]]:
    """The prices of each cell and the subscriptions; each calendar comes back with its days of change.

    Prices are in `_PARTS` of a EUR per kWh. Subscriptions are those of a year times the days that they
    last: a bill has a 365th of them.
    """
    found: dict[RegisterCalendar, list[PricedContract]] = {}
    for power_kva in sorted(set(POWERS_KVA)):
        span = priced_span(MARKET, YEAR, power_kva, "then", NOW.date(), include_outdated=False)
        for group in span.calendars:
            found.setdefault(group.priced.calendar, []).extend(group.priced.contracts)
    prices: list[dict[str, int]] = []
    contracts: list[dict[str, Any]] = []
    calendars = []
    for number, (calendar, every) in enumerate(found.items()):
        edges = sorted({day_number(period.span.start) for one in every for period in one.periods})
        calendars.append((calendar, edges))
        for one in every:
            keys = {"contract": len(contracts), "power_kva": one.contract.power_kva}
            prices += [{**keys, "calendar": number, **line} for line in _prices(one, calendar, edges)]
            names = dict(zip(_KEY, one.contract.key, strict=True))
            ttc = sum(_parts(period.subscription_ttc) * period.span.days for period in one.periods)
            ht = sum(_parts(period.subscription_ht) * period.span.days for period in one.periods)
            contracts.append({**keys, **names, "ttc": ttc, "ht": ht})
    pq.write_table(pa.Table.from_pylist(prices), folder / "prices.parquet")
    pq.write_table(pa.Table.from_pylist(contracts), folder / "contracts.parquet")
    return calendars


def _prices(
    one: PricedContract, calendar: RegisterCalendar, edges: Sequence[int]
) -> Iterator[dict[str, int]]:
    """The two prices of each of a contract's cells."""
    registers = calendar.registers
    for period in one.periods:
        first, last = (
            bisect_right(edges, day_number(day)) - 1 for day in (period.span.start, period.span.last)
        )
        for place in range(first, last + 1):
            for number, register in enumerate(registers):
                ttc, ht = ((side or {}).get(register) for side in (period.prices_ttc, period.prices_ht))
                yield {"cell": place * len(registers) + number, "ttc": _parts(ttc), "ht": _parts(ht)}


def _parts(amount: Decimal | None) -> int:
    """An amount in whole parts of a EUR; 0 where it is not known, as a total counts it."""
    parts = (amount or Decimal(0)) * _PARTS
    assert parts == int(parts)
    return int(parts)


def cells_of(calendar: RegisterCalendar, edges: Sequence[int], off_peak_hours: str) -> Minutes:
    """The cell of each half hour of the year in a home of these off-peak hours."""
    entries = tuple(entry for text in off_peak_hours.split("|") for entry in parse_off_peak_text(text))
    timeline = lay_out(calendar, Home(entries, colours=MARKET.colours), YEAR.start_min, YEAR.end_min)
    assert (timeline.bounds_min % 30 == 0).all()
    assert (timeline.numbers != UNKNOWN).all()
    at = np.searchsorted(timeline.bounds_min, STARTS_MIN, side="right") - 1
    periods = np.searchsorted(edges, timeline.day_numbers[at], side="right") - 1
    cells: Minutes = periods * len(calendar.registers) + timeline.numbers[at]
    return cells


# The ways: each reads `meter.parquet` of a folder and writes `bills.parquet`.


def bill_by_portfolio(folder: Path) -> None:
    """The product's own run, whose rows rank and compare as well."""
    nothing = HomeSetting(None, ())
    settings = HomeSettings(nothing, read_homes_file(folder / "settings.csv", nothing))
    portfolio = Portfolio(
        source=ParquetSource.at(folder / "meter.parquet", NOW), terms=TERMS, settings=settings
    )
    output = Output.at(str(folder / "results.parquet"))
    bill_portfolio(portfolio, output, LocalEngine(1), resume=False, report=lambda *_: None)


def bills_of_portfolio(folder: Path) -> pd.DataFrame:
    """Its rows under the numbers of the contracts."""
    rows = pd.read_parquet(folder / "results.parquet")
    rows = rows[rows["total_ttc_eur"].notna()].merge(
        pd.read_parquet(folder / "contracts.parquet")[[*_KEY, "contract"]], on=list(_KEY)
    )
    return rows.rename(columns={"total_ttc_eur": "ttc", "total_ht_eur": "ht"})[["home", "contract", *_SIDES]]


_PER_HALF_HOUR = """
    SELECT m.home, p.contract, sum(m.wh * p.ttc) AS ttc, sum(m.wh * p.ht) AS ht
    FROM meter m JOIN homes h USING (home)
    JOIN cells c ON c.setting = h.setting AND c.start = m.start
    JOIN prices p ON p.power_kva = h.power_kva AND p.calendar = c.calendar AND p.cell = c.cell
    GROUP BY ALL"""
_PER_REGISTER = """
    WITH used AS (
        SELECT m.home, h.power_kva, c.calendar, c.cell, sum(m.wh) AS wh
        FROM meter m JOIN homes h USING (home)
        JOIN cells c ON c.setting = h.setting AND c.start = m.start GROUP BY ALL)
    SELECT u.home, p.contract, sum(u.wh * p.ttc) AS ttc, sum(u.wh * p.ht) AS ht
    FROM used u JOIN prices p USING (power_kva, calendar, cell) GROUP BY ALL"""
_PER_SLOT = """
    WITH by_slot AS (
        SELECT m.home, h.power_kva, h.setting, s.slot, sum(m.wh) AS wh
        FROM meter m JOIN homes h USING (home)
        JOIN slots s ON s.setting = h.setting AND s.start = m.start GROUP BY ALL),
    used AS (
        SELECT home, power_kva, calendar, cell, sum(wh) AS wh
        FROM by_slot JOIN cells_of_slot USING (setting, slot) GROUP BY ALL)
    SELECT u.home, p.contract, sum(u.wh * p.ttc) AS ttc, sum(u.wh * p.ht) AS ht
    FROM used u JOIN prices p USING (power_kva, calendar, cell) GROUP BY ALL"""


#: In whole numbers to the end, cents are rounded half up over the denominator that all amounts share.
_DENOMINATOR = f"({_PARTS}::HUGEINT * 365000)"
_ARITHMETIC = {
    "float": (f"ttc / {_PARTS} AS ttc, ht / {_PARTS} AS ht", "e.{0} / 1000 + s.{0} / 365 AS {0}"),
    "whole": (
        "ttc::HUGEINT AS ttc, ht::HUGEINT AS ht",
        "(200 * (e.{0} * 365 + s.{0} * 1000) + DENOMINATOR) // (2 * DENOMINATOR) / 100 AS {0}".replace(
            "DENOMINATOR", _DENOMINATOR
        ),
    ),
}


def bill_by_duckdb(energies: str, kind: Literal["float", "whole"], folder: Path) -> None:
    """The cost of energy by a statement, then the subscriptions and the sum, in EUR or in whole parts."""
    amounts, total = _ARITHMETIC[kind]
    with duckdb.connect() as database:
        database.execute("SET threads = 1; SET enable_progress_bar = false")
        for name in _TABLES:
            table = database.from_parquet(str(folder / f"{name}.parquet"))
            if name in {"prices", "contracts"}:
                table.project(f"* REPLACE ({amounts})").create(name)
            else:
                table.create_view(name)
        bills = (
            database.sql(energies).set_alias("e").join(database.table("contracts").set_alias("s"), "contract")
        )
        totals = ", ".join(total.format(side) for side in _SIDES)
        bills.project(f"home, contract, {totals}").write_parquet(str(folder / "bills.parquet"))


def bill_by_pandas(energies: Callable[["Frames"], pd.DataFrame], homes_at_once: int, folder: Path) -> None:
    """The cost of energy of some homes at once, then the subscriptions and the sum, in EUR."""
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES if name != "meter"}
    contracts = tables.pop("contracts").set_index("contract")[list(_SIDES)] / _PARTS
    tables["prices"][list(_SIDES)] /= _PARTS
    bills = []
    for meter in _chunks(folder / "meter.parquet", homes_at_once):
        found = energies(Frames(meter, **tables))
        for side in _SIDES:
            found[side] = found[side] / 1000 + found["contract"].map(contracts[side]) / 365
        bills.append(found)
    pd.concat(bills).to_parquet(folder / "bills.parquet")


class Frames(NamedTuple):
    """The tables of the joins, with the measurements of some homes."""

    meter: pd.DataFrame
    homes: pd.DataFrame
    cells: pd.DataFrame
    slots: pd.DataFrame
    cells_of_slot: pd.DataFrame
    prices: pd.DataFrame


def _chunks(path: Path, homes_at_once: int) -> Iterator[pd.DataFrame]:
    """Measurements of at most so many homes; each row group of the file holds whole homes."""
    file = pq.ParquetFile(path)
    for number in range(file.num_row_groups):
        rows = file.read_row_group(number, columns=["home", "start", "wh"], use_threads=False)
        frame = rows.to_pandas(categories=["home"])
        place = frame["home"].cat.codes.astype("int64") // homes_at_once
        yield from (some for _, some in frame.groupby(place, sort=False))


def _per_half_hour(tables: Frames) -> pd.DataFrame:
    joined = _with_setting(tables).merge(tables.cells, on=["setting", "start"])
    return _cost(joined.merge(tables.prices, on=["power_kva", "calendar", "cell"]))


def _per_register(tables: Frames) -> pd.DataFrame:
    joined = _with_setting(tables).merge(tables.cells, on=["setting", "start"])
    used = joined.groupby(["home", "power_kva", "calendar", "cell"], as_index=False, observed=True)[
        "wh"
    ].sum()
    return _cost(used.merge(tables.prices, on=["power_kva", "calendar", "cell"]))


def _per_slot(tables: Frames) -> pd.DataFrame:
    joined = _with_setting(tables).merge(tables.slots, on=["setting", "start"])
    by_slot = joined.groupby(["home", "power_kva", "setting", "slot"], as_index=False, observed=True)[
        "wh"
    ].sum()
    joined = by_slot.merge(tables.cells_of_slot, on=["setting", "slot"])
    used = joined.groupby(["home", "power_kva", "calendar", "cell"], as_index=False, observed=True)[
        "wh"
    ].sum()
    return _cost(used.merge(tables.prices, on=["power_kva", "calendar", "cell"]))


def _with_setting(tables: Frames) -> pd.DataFrame:
    return tables.meter.merge(tables.homes.astype({"home": tables.meter["home"].dtype}), on="home")


def _cost(used: pd.DataFrame) -> pd.DataFrame:
    priced = used.assign(**{side: used["wh"] * used[side] for side in _SIDES})
    found = priced.groupby(["home", "contract"], as_index=False, observed=True)[list(_SIDES)].sum()
    return found.astype({"home": "str"})


WAYS: Mapping[str, Callable[[Path], None]] = {
    "DuckDB, per half hour": partial(bill_by_duckdb, _PER_HALF_HOUR, "float"),
    "DuckDB, per register first": partial(bill_by_duckdb, _PER_REGISTER, "float"),
    "DuckDB, per slot first": partial(bill_by_duckdb, _PER_SLOT, "float"),
    "DuckDB, per slot, whole numbers": partial(bill_by_duckdb, _PER_SLOT, "whole"),
    "pandas, per half hour": partial(bill_by_pandas, _per_half_hour, _HOMES_PER_NAIVE_CHUNK),
    "pandas, per register first": partial(bill_by_pandas, _per_register, 1 << 20),
    "pandas, per slot first": partial(bill_by_pandas, _per_slot, 1 << 20),
}


if __name__ == "__main__":
    main()
