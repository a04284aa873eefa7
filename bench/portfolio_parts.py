"""Where the time of a portfolio from Parquet goes: microseconds of processor a home, by part.

Run it from the repository's root: `python -m bench.portfolio_parts`.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.homes import NOW, YEAR, SyntheticHome, SyntheticHomes, limited_market, write_table
from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.portfolio.billing.kernel import HomeSetting, PortfolioTerms, bill_batch
from openwatt.portfolio.billing.rows import columns_of
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.results.parquet_results import ParquetResults
from openwatt.portfolio.run import costed_together
from openwatt.portfolio.sources.parquet_source import ParquetSource
from openwatt.portfolio.sources.source import HomeSettings, HomeSource


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        parts(Path(name), options.homes, options.rounds)


def parts(folder: Path, number: int, rounds: int) -> None:
    """Microseconds a home of each part of a run, of homes of 4 powers and 11 off-peak hours, shuffled."""
    homes = SyntheticHomes()
    write_table(folder / "rows.parquet", homes, range(number))
    write_lists(folder / "lists.parquet", [homes.home(one) for one in range(number)])
    print(f"{number} synthetic homes of bench/homes.py, µs of processor a home, the best of {rounds} rounds")
    for form in ("rows", "lists"):
        size = (folder / f"{form}.parquet").stat().st_size // number
        for market, name in (
            (limited_market(), "41 contracts"),
            (PortfolioMarket(shipped_market(), shipped_colours()), "all contracts"),
        ):
            source = ParquetSource.at(folder / f"{form}.parquet", NOW)
            taken = [part_seconds(source, terms_of(market)) for _ in range(rounds)]
            best = {part: min(one[part] for one in taken) * 1e6 / number for part in taken[0]}
            shown = "   ".join(f"{part} {micros:4.0f}" for part, micros in best.items())
            total = sum(best.values())
            print(f"  {form:<5} ({size:6,} bytes) {name:<13} {shown}   {1e6 / total:6,.0f} homes/s")


def terms_of(market: PortfolioMarket) -> PortfolioTerms:
    """Every home's terms."""
    return PortfolioTerms(market=market, prices="then", now=NOW, today=NOW.date())


def part_seconds(source: HomeSource, terms: PortfolioTerms) -> dict[str, float]:
    """What each part of one run takes of the processor."""
    (piece,), nothing = source.pieces(), HomeSettings(HomeSetting(None, ()), {})
    results = ParquetResults(columns_of(terms.prices))
    taken = dict.fromkeys(("index", "read", "cost", "write"), 0.0)

    def timed(part: str, call: Callable[[], Any]) -> Any:
        start = time.process_time()
        found = call()
        taken[part] += time.process_time() - start
        return found

    index = timed("index", lambda: source.index(0, piece, nothing))
    homes = (home for batch in index.batches for home in source.read(piece, batch, nothing))
    batches = costed_together(homes)
    while some := timed("read", lambda: next(batches, None)):
        rows = timed("cost", partial(bill_batch, some, terms))
        timed("write", partial(results.part, rows))
    return taken


def write_lists(path: Path, homes: Sequence[SyntheticHome]) -> None:
    """The table of homes with a row each, for all but those that lack a half hour at an end."""
    whole = [home for home in homes if home.rows[0] and home.rows[-1]]
    table = pa.table(
        {
            "home": [home.name for home in whole],
            "power_kva": pa.array([home.power_kva for home in whole], pa.int16()),
            "off_peak_hours": [home.off_peak_hours for home in whole],
            "start": pa.array([YEAR.start_min * 60] * len(whole), pa.timestamp("s", "UTC")),
            "step_minutes": pa.array([30] * len(whole), pa.int16()),
            "wh": pa.array(
                [[one if one >= 0 else None for one in home.wh.tolist()] for home in whole],
                pa.list_(pa.int32()),
            ),
        }
    )
    pq.write_table(table, path, row_group_size=64, compression="zstd")


if __name__ == "__main__":
    main()
