"""Seconds and memory of a summary of 100,000 homes' results, beside pandas and pyarrow doing as much of it.

Run it from the repository's root: `python -m bench.summary`. Each way runs in a process of its own.
"""

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openwatt.portfolio.summary.figures import PortfolioSummary
from openwatt.portfolio.summary.summarise import SummaryTerms, summarise

CONTRACTS = 68
POWERS_KVA = (3, 6, 9, 12)
TERMS = SummaryTerms(by=["power_kva"], percents=[Decimal(50)], limit=20, least=11)
_HOMES_PER_GROUP = 2000
#: Median and mean saving by power, in cents: what all ways must agree on.
Figures = dict[str, list[int]]


def main() -> None:
    """Write results, let each way read them, assert that they agree, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        one_way(options.way, options.path)
        return
    with tempfile.TemporaryDirectory() as folder:
        for homes in options.homes:
            parquet, text = Path(folder) / "results.parquet", Path(folder) / "results.csv"
            write_results(parquet, homes)
            write_csv(parquet, text)
            mb = [path.stat().st_size / 1e6 for path in (parquet, text)]
            print(f"{homes:,} homes, {homes * CONTRACTS:,} rows: {mb[0]:,.0f} MB Parquet, {mb[1]:,.0f} CSV")
            found = [run_way(way, text if way == "ours, CSV" else parquet) for way in WAYS]
            assert all(one == found[0] for one in found), found


def run_way(way: str, path: Path) -> Figures:
    """Runs one way in its process, prints what it took, and returns its figures."""
    command = [sys.executable, "-m", "bench.summary", "--way", way, "--path", str(path)]
    done = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    print(f"  {way:<14} {done['seconds']:6.1f} s   {done['mb']:6,.0f} MB")
    figures: Figures = done["figures"]
    return figures


def one_way(way: str, path: str) -> None:
    """Prints the figures of one way, its seconds, and the most memory that its process had."""
    start = time.perf_counter()
    figures = WAYS[way](path)
    seconds = time.perf_counter() - start
    peak_kb = int(Path("/proc/self/status").read_text("utf-8").partition("VmHWM:")[2].split()[0])
    print(json.dumps({"figures": figures, "seconds": seconds, "mb": peak_kb / 1024}))


def ours(path: str) -> Figures:
    """The command's own summary."""
    return figures_of(summarise(path, TERMS))


def figures_of(summary: PortfolioSummary) -> Figures:
    """As much of a summary as the other ways have."""
    figures = {}
    for one in summary.groups:
        assert one.group is not None
        assert one.savings is not None
        figures[str(one.group["power_kva"])] = [
            int(amount * 100) for amount in (one.savings.quantiles[0].eur, one.savings.mean_eur)
        ]
    return figures


def with_pandas(path: str) -> Figures:
    """The columns that are needed, whole, as a user of pandas would have them."""
    columns = [
        "home",
        "supplier",
        "offer",
        "option",
        "power_kva",
        "whole",
        "saving_against_baseline_eur_per_year",
    ]
    frame = pq.read_table(path, columns=columns).to_pandas()
    first = frame[frame["whole"]].drop_duplicates("home")
    cents = first.assign(cents=(first.iloc[:, -1] * 100).astype("int64"))
    grouped = cents.groupby("power_kva")["cents"]
    return {str(power): medians_of(one.to_numpy()) for power, one in grouped}


def with_pyarrow(path: str) -> Figures:
    """The same without Python's objects: each home's first row, for homes lie together."""
    table: Any = pq.read_table(path, columns=["home", "power_kva", "saving_against_baseline_eur_per_year"])
    home = table["home"]
    starts = pc.not_equal(home.slice(1), home.slice(0, len(home) - 1))
    homes: Any = table.filter(pa.concat_arrays([pa.array([True]), *starts.chunks]))
    figures = {}
    for power in POWERS_KVA:
        some = homes.filter(pc.field("power_kva") == power)
        cents = pc.multiply(some["saving_against_baseline_eur_per_year"], pa.scalar(Decimal(100)))
        figures[str(power)] = medians_of(cents.cast(pa.int64()).to_numpy())
    return figures


def medians_of(cents: npt.NDArray[np.int64]) -> list[int]:
    """The smallest amount that half of them do not exceed, and the mean, rounded half up."""
    ordered = np.sort(cents)
    total, homes = int(ordered.sum()), len(ordered)
    return [int(ordered[-(-homes // 2) - 1]), (2 * total + homes) // (2 * homes)]


WAYS: dict[str, Callable[[str], Figures]] = {
    "ours, Parquet": ours,
    "ours, CSV": ours,
    "pyarrow": with_pyarrow,
    "pandas": with_pandas,
}


def write_results(path: Path, homes: int) -> None:
    """Results of made-up homes as a run writes them, each of all contracts from the cheapest."""
    writer = None
    for first in range(0, homes, _HOMES_PER_GROUP):
        table = results_of(range(first, min(first + _HOMES_PER_GROUP, homes)))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def results_of(homes: range) -> pa.Table:
    """The rows of some homes."""
    random, size = np.random.default_rng(homes.start), len(homes) * CONTRACTS
    totals = np.sort(random.integers(40_000, 200_000, (len(homes), CONTRACTS)), axis=1)
    savings = totals[:, -1:] * 3 // 4 - totals
    order = random.random((len(homes), CONTRACTS)).argsort(axis=1).ravel()
    names = {
        name: np.array([f"{name} {number % of}" for number in range(CONTRACTS)])[order]
        for name, of in (("supplier", 24), ("offer", 23), ("option", 3))
    }
    columns = {
        "home": np.repeat([f"street/home {number:08}.csv" for number in homes], CONTRACTS),
        **names,
        "power_kva": pa.array(np.repeat(random.choice(POWERS_KVA, len(homes)), CONTRACTS), pa.int32()),
        "start": pa.array([dt.date(2025, 10, 1)] * size),
        "end": pa.array([dt.date(2026, 10, 1)] * size),
        "kwh": cents_of(totals.ravel() * 3),
        "total_ttc_eur": cents_of(totals.ravel()),
        "total_ht_eur": cents_of(totals.ravel() * 5 // 6),
        "total_ttc_eur_per_year": cents_of(totals.ravel()),
        "saving_against_regulated_eur": cents_of(savings.ravel()),
        "saving_against_regulated_eur_per_year": cents_of(savings.ravel()),
        "saving_against_baseline_eur": cents_of(savings.ravel()),
        "saving_against_baseline_eur_per_year": cents_of(savings.ravel()),
        "closed_to_new_customers": np.zeros(size, dtype=bool),
        "whole": np.ones(size, dtype=bool),
        "unseen_registers": pa.nulls(size, pa.string()),
        "outdated": np.zeros(size, dtype=bool),
    }
    return pa.table(columns)


def cents_of(cents: npt.NDArray[np.int64]) -> Any:
    """Amounts in EUR."""
    return pc.multiply(pa.array(cents).cast(pa.decimal128(19, 0)), pa.scalar(Decimal("0.01"))).cast(
        pa.decimal128(14, 2)
    )


def write_csv(parquet: Path, text: Path) -> None:
    """The same results as CSV."""
    import pyarrow.csv as pa_csv  # noqa: PLC0415 (only this form)

    with pq.ParquetFile(parquet) as file, pa_csv.CSVWriter(text, file.schema_arrow) as writer:
        for batch in file.iter_batches():
            writer.write_batch(batch)


if __name__ == "__main__":
    main()
