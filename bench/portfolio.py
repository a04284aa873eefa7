"""Homes per second of one processor: the portfolio's kernel beside a plain loop over `compare`."""

import argparse
import datetime as dt
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.bill import to_cents
from openwatt.domain.calendar import Home
from openwatt.domain.comparison import ComparisonTerms, compare
from openwatt.domain.legal_time import Minutes, Span, instant_of
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.usage import use_of_curve
from openwatt.meter.read import read_load_curve
from openwatt.portfolio.billing.kernel import HomeSetting, MeteredHome, PortfolioTerms, bill_homes
from openwatt.portfolio.engines.local_engine import LocalEngine
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.results.output import Output
from openwatt.portfolio.run import Portfolio, bill_portfolio
from openwatt.portfolio.sources.folder import Folder
from openwatt.portfolio.sources.parquet_source import ParquetSource
from openwatt.portfolio.sources.source import HomeSettings, HomeSource

YEAR = Span(dt.date(2025, 10, 1), dt.date(2026, 10, 1))
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
SETTING = HomeSetting(6, (parse_off_peak_hours("22:00-06:00"),))
MARKET = PortfolioMarket(shipped_market(), shipped_colours())
ASKED = PortfolioTerms(market=MARKET, prices="then", now=NOW, today=NOW.date())
#: What two ways must agree on: per home, the totals in the order of the ranking.
Totals = list[list[Decimal]]


def main() -> None:
    """Assert that the ways agree, then measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, default=64, help="homes of one part")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--all", type=int, default=1000, help="homes of the whole run")
    options = parser.parse_args()
    curves = [home_of(seed) for seed in range(options.homes)]
    files = [export_of(one) for one in curves]
    kept = len(loop(curves[:1])[0])
    print(f"{options.homes} homes, a year of half hours, {kept} contracts each, prices then; one processor")
    compared("from curves", curves, options.rounds)
    compared("from the operator's CSV", files, options.rounds)
    compared("from the account's XLSX", [workbook_of(one) for one in curves[:8]], options.rounds)
    with tempfile.TemporaryDirectory() as name:
        whole_runs(Path(name), files, curves, options.all)


def compared(what: str, measured: Sequence[LoadCurve | bytes], rounds: int) -> None:
    """Homes per second of processor time of both ways, measured in turn."""
    assert kernel(measured) == loop(measured)
    times: dict[str, list[float]] = {"loop": [], "kernel": []}
    for _ in range(rounds):
        times["loop"].append(seconds(partial(loop, measured), time.process_time))
        times["kernel"].append(seconds(partial(kernel, measured), time.process_time))
    plain, ours = (len(measured) / statistics.median(times[way]) for way in ("loop", "kernel"))
    print(f"  {what:<26} loop {plain:8.0f} homes/s   kernel {ours:8.0f} homes/s   {ours / plain:5.2f} x")


def loop(measured: Sequence[LoadCurve | bytes]) -> Totals:
    """As one would first write it: each home compared on its own."""
    market = shipped_market()
    market = replace(
        market, contracts=[one for one in market.contracts if one.power_kva == SETTING.power_kva]
    )
    home = Home(SETTING.off_peak_hours, colours=shipped_colours())
    totals = []
    for one in measured:
        curve = read_load_curve(one, NOW) if isinstance(one, bytes) else one
        span = curve.measured_days()
        terms = ComparisonTerms(span=span, prices=ASKED.prices, today=ASKED.today)
        ranking = compare(use_of_curve(curve, home, span), market, terms).ranking
        totals.append([to_cents(ranked.total_ttc) for ranked in ranking])
    return totals


def kernel(measured: Sequence[LoadCurve | bytes]) -> Totals:
    """All homes as one batch."""
    rows = bill_homes((MeteredHome(str(n), SETTING, one) for n, one in enumerate(measured)), ASKED)
    totals: Totals = [[] for _ in measured]
    for row in rows:
        if row.total_ttc_eur is not None:
            totals[int(row.home)].append(row.total_ttc_eur)
    return totals


def whole_runs(folder: Path, files: Sequence[bytes], curves: Sequence[LoadCurve], homes: int) -> None:
    """Whole runs: reading, writing and joining included, with two jobs the start of processes too."""
    (folder / "files").mkdir()
    for number in range(homes):
        (folder / "files" / f"{number:06}.csv").write_bytes(files[number % len(files)])
    write_table(folder / "homes.parquet", curves, homes)
    sources: dict[str, HomeSource] = {
        "a folder of CSV": Folder(folder / "files"),
        "a Parquet table": ParquetSource.at(folder / "homes.parquet", NOW),
    }
    print(f"{homes:,} homes, whole runs to .parquet, {len(os.sched_getaffinity(0))} shared processors")
    for what, source in sources.items():
        portfolio = Portfolio(source=source, terms=ASKED, settings=HomeSettings(SETTING, {}))
        one = partial(run, portfolio, folder / "out.parquet", 1)
        two = partial(run, portfolio, folder / "out.parquet", 2)
        per_core, wall = homes / seconds(one, time.process_time), homes / seconds(two, time.perf_counter)
        print(f"  {what:<26} one job {per_core:6.0f} homes/s of processor   two {wall:6.0f} homes/s of clock")


def run(portfolio: Portfolio, out: Path, jobs: int) -> None:
    """One run, none of whose homes may fail."""
    outcome = bill_portfolio(
        portfolio, Output.at(str(out)), LocalEngine(jobs), resume=False, report=lambda *_: None
    )
    assert outcome.failed == 0
    assert pq.read_metadata(out).num_rows == outcome.rows


def seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    """What a call takes of a clock."""
    start = clock()
    call()
    return clock() - start


def home_of(seed: int) -> LoadCurve:
    """A year of half hours of whole watts."""
    starts: Minutes = np.arange(YEAR.start_min, YEAR.end_min, 30, dtype=np.int64)
    watts = np.random.default_rng(seed).integers(60, 3000, size=len(starts), dtype=np.int64)
    return LoadCurve(starts, np.full(len(starts), 30, dtype=np.int64), watts * 30)


def export_of(curve: LoadCurve) -> bytes:
    """The operator's CSV of a curve: watts at the end of each step."""
    header = "Identifiant PRM;Type de donnees;Date de debut;Date de fin;Grandeur physique;Grandeur metier;"
    header += "Etape metier;Unite;Pas en minutes\n1;Courbe de charge;;;Energie active;Consommation;;W;\n"
    rows = zip(curve.starts_min.tolist(), (curve.energies // 30).tolist(), strict=True)
    lines = (f"{instant_of(start + 30).isoformat()};{watts}\n" for start, watts in rows)
    return (header + "Horodate;Valeur\n" + "".join(lines)).encode()


def workbook_of(curve: LoadCurve) -> bytes:
    """The account's XLSX of a curve: a sheet of titles, and the values below fifteen lines."""
    book = openpyxl.Workbook()
    page = book.create_sheet("Consommation Horaire")
    for _ in range(15):
        page.append([None, "Compte Client"])
    page.append([None, None, "Début", "Fin", "Valeur (en kW)"])
    for start, energy in zip(curve.starts_min.tolist(), curve.energies.tolist(), strict=True):
        at, end = (f"{instant_of(minute):%d/%m/%Y %H:%M:%S}" for minute in (start, start + 30))
        page.append([None, None, at, end, f"{energy / 30_000:.3f}".replace(".", ",")])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def write_table(path: Path, curves: Sequence[LoadCurve], homes: int) -> None:
    """A table of homes, a row group each twenty."""
    writer = None
    for first in range(0, homes, 20):
        some = range(first, min(first + 20, homes))
        several = [curves[number % len(curves)] for number in some]
        table = pa.table(
            {
                "home": np.repeat(
                    [f"{number:06}" for number in some], [len(one.starts_min) for one in several]
                ),
                "start": pa.array(
                    np.concatenate([one.starts_min for one in several]) * 60, pa.timestamp("s", "UTC")
                ),
                "step_minutes": np.concatenate([one.steps_min for one in several]),
                "wh": np.concatenate([one.energies // 60 for one in several]),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


if __name__ == "__main__":
    main()
