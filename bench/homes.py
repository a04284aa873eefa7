"""Writes made-up homes in every form that a portfolio reads: a year of half hours each, from a real one.

Run it from the repository's root: `python -m bench.homes FOLDER --homes 1000 --form table`. Home number n of
a seed is the same in every form and however many there are.
"""

import argparse
import csv
import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from bench.portfolio import export_of, workbook_of
from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.meter.read import read_load_curve
from openwatt.portfolio.billing.kernel import HomeSetting
from openwatt.portfolio.market import PortfolioMarket
from tests.shared_data import SHARED

YEAR = Span(dt.date(2025, 10, 1), dt.date(2026, 10, 1))
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
STARTS_MIN = np.arange(YEAR.start_min, YEAR.end_min, 30, dtype=np.int64)
REAL_CURVE = SHARED / "load_curves/Enedis_Conso_Heure_20230809-20240725_1429xxxxxxxxxx.csv"
#: Subscribed powers in kVA, each as often as it stands here, and what such a home uses in a year, in kWh.
POWERS_KVA = (3, 6, 6, 6, 6, 6, 9, 9, 9, 12)
KWH_PER_YEAR = {3: 1800, 6: 4500, 9: 8000, 12: 12000}
OFF_PEAK_HOURS = (
    *("22:00-06:00", "22:30-06:30", "23:00-07:00", "23:30-07:30", "00:00-08:00", "01:30-07:30;12:30-14:30"),
    *("02:00-07:00;13:00-16:00", "03:00-08:00;13:30-16:30", "22:00-04:00;12:00-14:00"),
    "summer 02:00-06:00;11:00-15:00|winter 22:00-06:00",
    "summer 03:00-07:00;12:00-16:00|winter 02:00-07:00;14:00-17:00",
)
#: One home of so many has a gap, and one of so many cannot be billed: it has no value, or some hours only.
ONE_WITH_GAP_OF, ONE_WITHOUT_BILL_OF = 20, 500
_HALF_HOURS_PER_WEEK = 336
_HOURS_ONLY = 6
#: About 2^20 rows: what pyarrow writes as one row group.
_HOMES_PER_ROW_GROUP = 59
_HOMES_PER_FOLDER = 1000
_CONTRACTS_PER_POWER = 42

_METER_FILES: Mapping[str, Callable[[LoadCurve], bytes]] = {"csv": export_of, "xlsx": workbook_of}

Form = Literal["table", "lists", "dataset", "csv", "xlsx"]


class SyntheticHome(NamedTuple):
    """A home and what it used in each half hour of the year, in Wh; -1 where there is no value."""

    name: str
    power_kva: int
    off_peak_hours: str
    wh: npt.NDArray[np.int32]

    @property
    def setting(self) -> HomeSetting:
        """The setting that a portfolio is given for it."""
        hours = tuple(entry for text in self.off_peak_hours.split("|") for entry in parse_off_peak_text(text))
        return HomeSetting(self.power_kva, hours)

    @property
    def rows(self) -> npt.NDArray[np.bool_]:
        """Which half hours have a row in a table: those with a value, or all where none has one."""
        known = self.wh >= 0
        return known if known.any() else ~known

    @property
    def curve(self) -> LoadCurve:
        """The load curve of a home that has one."""
        rows = self.rows
        energies = self.wh[rows].astype(np.int64) * 60
        return LoadCurve(STARTS_MIN[rows], np.full_like(energies, 30), energies)


def real_year() -> npt.NDArray[np.float32]:
    """Wh of each half hour of `YEAR`, from the shared curve as many weeks earlier as it has a measurement."""
    real = read_load_curve(REAL_CURVE.read_bytes(), NOW)
    energies = dict(zip(real.starts_min.tolist(), real.energies.tolist(), strict=True))
    week = _HALF_HOURS_PER_WEEK * 30
    found = [
        next(energies[at - week * back] for back in (104, 156, 106, 102) if at - week * back in energies)
        for at in STARTS_MIN.tolist()
    ]
    return np.array(found, dtype=np.float32) / np.float32(60)


@dataclass(frozen=True, slots=True)
class SyntheticHomes:
    """All homes of a seed."""

    seed: int = 1
    base_wh: npt.NDArray[np.float32] = field(default_factory=real_year, repr=False)

    def home(self, number: int) -> SyntheticHome:
        """The real year at another scale and another time of day, with noise."""
        random = np.random.default_rng((self.seed, number))
        power_kva = POWERS_KVA[random.integers(len(POWERS_KVA))]
        hours = OFF_PEAK_HOURS[random.integers(len(OFF_PEAK_HOURS))]
        kwh = KWH_PER_YEAR[power_kva] * np.exp(random.normal(0, 0.35))
        shift = int(random.integers(-2, 3)) * _HALF_HOURS_PER_WEEK + int(random.integers(-4, 5))
        noise = random.integers(64, 193, len(STARTS_MIN), dtype=np.uint8)
        scale = np.float32(kwh * 1000 / float(self.base_wh.sum()) / 128)
        wh = np.minimum(np.roll(self.base_wh, shift) * noise * scale, power_kva * 500).astype(np.int32)
        if random.integers(ONE_WITH_GAP_OF) == 0:
            start = int(random.integers(len(wh)))
            wh[start : start + int(random.integers(1, 200))] = -1
        if random.integers(ONE_WITHOUT_BILL_OF) == 0:
            wh[0 if random.integers(2) else _HOURS_ONLY :] = -1
        return SyntheticHome(home_name(number), power_kva, hours, wh)

    def homes(self, numbers: Sequence[int]) -> Iterator[SyntheticHome]:
        """Some of them."""
        return map(self.home, numbers)


def limited_market() -> PortfolioMarket:
    """The shipped market with 42 contracts of 6, 9 and 12 kVA, and all 32 of 3 kVA: 41.0 a home on average.

    Every option is there, since each costs a calendar, but those for which a home must choose a weekday.
    """
    market = shipped_market()
    left = dict.fromkeys(KWH_PER_YEAR, _CONTRACTS_PER_POWER)
    chosen = []
    plain = {"BASE", "HPHC"}
    for one in sorted(
        market.contracts,
        key=lambda one: (one.option in plain and one.key[:2] not in market.regulated, one.key),
    ):
        if left.get(one.power_kva, 0) and not market.calendar_of(one).needs_chosen_weekday:
            left[one.power_kva] -= 1
            chosen.append(one)
    return PortfolioMarket(replace(market, contracts=chosen), shipped_colours())


def write_table(path: Path, homes: SyntheticHomes, numbers: Sequence[int], *, lists: bool = False) -> None:
    """One Parquet file with a row for each half hour, or with `lists` for each home."""
    table = _home_rows if lists else _half_hour_rows
    with pq.ParquetWriter(path, table([homes.home(0)]).schema, compression="zstd") as writer:
        for first in range(0, len(numbers), _HOMES_PER_ROW_GROUP):
            some = list(homes.homes(numbers[first : first + _HOMES_PER_ROW_GROUP]))
            writer.write_table(table(some), row_group_size=1 << 21)


def _half_hour_rows(homes: Sequence[SyntheticHome]) -> pa.Table:
    rows = [home.rows for home in homes]
    places = np.repeat(np.arange(len(homes), dtype=np.int32), [int(some.sum()) for some in rows])
    wh = np.concatenate([home.wh[some] for home, some in zip(homes, rows, strict=True)])
    starts = np.concatenate([STARTS_MIN[some] for some in rows])

    def of_home(values: Sequence[str]) -> Any:
        # Parquet writes a dictionary in which a value stands twice as plain texts, slow to read.
        coded: Any = pa.array(values).dictionary_encode()
        return pa.DictionaryArray.from_arrays(coded.indices.take(places), coded.dictionary)

    columns: dict[str, Any] = {
        "home": of_home([home.name for home in homes]),
        "power_kva": np.array([home.power_kva for home in homes], dtype=np.int16)[places],
        "off_peak_hours": of_home([home.off_peak_hours for home in homes]),
        "start": pa.array(starts * 60_000, pa.timestamp("ms", "UTC")),
        "step_minutes": np.full(len(wh), 30, dtype=np.int16),
        "wh": pa.array(wh, mask=wh < 0),
    }
    return pa.table(columns)


def _home_rows(homes: Sequence[SyntheticHome]) -> pa.Table:
    wh = np.concatenate([home.wh for home in homes])
    values: Any = pa.array(wh, mask=wh < 0)
    offsets: Any = pa.array(np.arange(len(homes) + 1, dtype=np.int32) * len(STARTS_MIN))
    columns: dict[str, Any] = {
        "home": [home.name for home in homes],
        "power_kva": np.array([home.power_kva for home in homes], dtype=np.int16),
        "off_peak_hours": [home.off_peak_hours for home in homes],
        "start": pa.array([int(STARTS_MIN[0]) * 60_000] * len(homes), pa.timestamp("ms", "UTC")),
        "step_minutes": np.full(len(homes), 30, dtype=np.int16),
        "wh": pa.ListArray.from_arrays(offsets, values),
    }
    return pa.table(columns)


def write_dataset(folder: Path, homes: SyntheticHomes, numbers: Sequence[int], files: int, jobs: int) -> None:
    """A Parquet dataset: so many files, written by so many processes."""
    folder.mkdir()
    bounds = [len(numbers) * number // files for number in range(files + 1)]
    tasks = [
        (folder / f"part-{number:05}.parquet", numbers[first:end])
        for number, (first, end) in enumerate(pairwise(bounds))
        if first < end
    ]
    with ProcessPoolExecutor(jobs) as pool:
        list(pool.map(partial(_write_piece, homes), tasks))


def _write_piece(homes: SyntheticHomes, task: tuple[Path, Sequence[int]]) -> None:
    path, numbers = task
    write_table(path, homes, numbers)


def write_files(folder: Path, homes: SyntheticHomes, numbers: Sequence[int], ending: str) -> None:
    """One meter file a home, at most a thousand in one folder; that of a home without any value is empty."""
    for number, home in zip(numbers, homes.homes(numbers), strict=True):
        path = folder / file_name(number, ending)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_METER_FILES[ending](home.curve) if (home.wh >= 0).any() else b"")


def home_name(number: int) -> str:
    """The name of a home in a table."""
    return f"home-{number:08}"


def file_name(number: int, ending: str) -> str:
    """The name of a home's file, by which its folder names it."""
    return f"{number // _HOMES_PER_FOLDER:04}/{home_name(number)}.{ending}"


def write_settings(path: Path, homes: Iterable[tuple[str, SyntheticHome]]) -> None:
    """The file of settings for homes by the names that their source gives them."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(["home", "power_kva", "off_peak_hours"])
        lines.writerows([name, home.power_kva, home.off_peak_hours] for name, home in homes)


def main() -> None:
    """Write homes and their settings, and print how many bytes a home takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder that does not exist")
    parser.add_argument("--homes", type=int, default=1000)
    parser.add_argument("--form", choices=get_args(Form), default="table")
    parser.add_argument("--files", type=int, default=16, help="pieces of a dataset")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes that write a dataset")
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    homes, numbers = SyntheticHomes(options.seed), range(options.homes)
    names = [home_name(number) for number in numbers]
    if options.form in {"table", "lists"}:
        write_table(options.folder / "homes.parquet", homes, numbers, lists=options.form == "lists")
    elif options.form == "dataset":
        write_dataset(options.folder / "homes", homes, numbers, options.files, options.jobs)
    else:
        names = [file_name(number, options.form) for number in numbers]
        write_files(options.folder / "homes", homes, numbers, options.form)
    write_settings(options.folder / "settings.csv", zip(names, homes.homes(numbers), strict=True))
    files = (path for path in options.folder.rglob("*") if path.is_file() and path.name != "settings.csv")
    written = sum(path.stat().st_size for path in files)
    print(f"{options.homes:,} homes, {written:,} bytes, {written / options.homes:,.0f} a home")


if __name__ == "__main__":
    main()
