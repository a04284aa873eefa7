"""What a home takes by the form in which it comes: core time, bytes in and out, memory.

Run it from the repository's root: `python -m bench.forms --homes 2000`. The command bills the same homes from
each form with one job. A quarter of them is billed alone first, and what that takes is taken off: neither a
start nor what homes share is counted. All forms must have the same rows but for the name of the home.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.homes import (
    SyntheticHomes,
    limited_market,
    write_files,
    write_settings,
    write_table,
)
from bench.runs import Cost, bill
from openwatt.portfolio.market_file import encode_market

#: Writes so many homes at a path.
Write = Callable[[Path, int], None]
HOMES = SyntheticHomes()


def main() -> None:
    """Assert that all forms give the same rows, then print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, default=120, help="homes of a table; of meter files fewer do")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "market.json").write_bytes(encode_market(limited_market()))
        print(f"one job, prices then, without start; load {os.getloadavg()[0]:.1f}")
        print(f"  {'form':27}{'homes':>7}{'core ms':>9}{'homes/s':>9}{'kB in':>9}{'kB out':>8}{'MB':>6}")
        first = None
        for form, (write, part) in FORMS.items():
            count = max(4, round(options.homes * part))
            few, _, _ = run(folder / f"{form}, a quarter", write, count // 4)
            many, size, rows = run(folder / form, write, count)
            first = rows if first is None else first
            assert rows.equals(first.slice(0, rows.num_rows))
            core_s = (many.core_s - few.core_s) / (count - count // 4)
            out_kb = (folder / form / "results.parquet").stat().st_size / count / 1000
            figures = f"{core_s * 1000:9.2f}{1 / core_s:9,.0f}{size / count / 1000:9,.1f}{out_kb:8,.1f}"
            print(f"  {form:27}{count:>7}{figures}{many.peak_mb('client'):6,.0f}", flush=True)


def run(folder: Path, write: Write, count: int) -> tuple[Cost, int, pa.Table]:
    """What billing so many homes of a form took, the bytes of their source, and the rows of those billed."""
    folder.mkdir()
    source, out = folder / "homes", folder / "results.parquet"
    write(source, count)
    files = [path for path in (source, *source.rglob("*")) if path.is_file()]
    options = ["--market", str(folder.parent / "market.json"), "--jobs", "1"]
    if source.is_dir():
        names = (str(path.relative_to(source)) for path in sorted(files))
        write_settings(folder / "settings.csv", zip(names, HOMES.homes(range(count)), strict=True))
        options += ["--settings", str(folder / "settings.csv")]
    cost = bill(source, out, *options)
    rows = pq.read_table(out).drop_columns("home")
    return cost, sum(path.stat().st_size for path in files), rows.filter(pc.is_valid(rows["supplier"]))


def _files(ending: str, path: Path, count: int) -> None:
    write_files(path, HOMES, range(count), ending)


def _table(path: Path, count: int, *, lists: bool = False) -> None:
    write_table(path, HOMES, range(count), lists=lists)


def _table_of_duckdb(path: Path, count: int) -> None:
    """As DuckDB writes it: snappy, row groups of 122,880 rows in which homes do not begin."""
    _table(path, count)
    duckdb.read_parquet(str(path)).write_parquet(f"{path}.other")
    Path(f"{path}.other").replace(path)


def _table_with_deltas(path: Path, count: int) -> None:
    """Starts as differences, which are the same in every row."""
    _table(path, count)
    others: Any = ["home", "power_kva", "off_peak_hours", "step_minutes", "wh"]
    deltas = {"start": "DELTA_BINARY_PACKED"}
    pq.write_table(
        pq.read_table(path), path, compression="zstd", use_dictionary=others, column_encoding=deltas
    )


#: How each form is written, and for which part of the homes: a meter file takes long to read or to write.
FORMS: Mapping[str, tuple[Write, float]] = {
    "Parquet, a row a half hour": (_table, 1),
    "  starts as differences": (_table_with_deltas, 1),
    "  as DuckDB writes": (_table_of_duckdb, 1),
    "Parquet, a row a home": (partial(_table, lists=True), 1),
    "CSV": (partial(_files, "csv"), 0.1),
    "XLSX": (partial(_files, "xlsx"), 0.01),
}


if __name__ == "__main__":
    main()
