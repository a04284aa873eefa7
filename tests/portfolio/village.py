"""Made-up homes: curves from a seed, and the files and tables that they would come as."""

import datetime as dt
import gzip
import io
import zipfile
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openwatt.domain.legal_time import Minutes, Span, instant_of
from openwatt.domain.load_curve import LoadCurve
from tests.meter.test_makers import HEADER

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
WEEK = Span(dt.date(2026, 10, 20), dt.date(2026, 10, 27))  # clocks change on its Sunday


def curve(seed: int, span: Span = WEEK, *, gap: bool = False) -> LoadCurve:
    """Half hours of whole watts; a gap leaves some of them out."""
    random = np.random.default_rng(seed)
    starts: Minutes = np.arange(span.start_min, span.end_min, 30, dtype=np.int64)
    if gap:
        starts = np.delete(starts, slice(20, 31))
    watts = random.integers(40, 5900, size=len(starts), dtype=np.int64)
    return LoadCurve(starts, np.full(len(starts), 30, dtype=np.int64), watts * 30)


def export(home: LoadCurve) -> bytes:
    """The grid operator's CSV of a curve: watts at the end of each step."""
    rows = zip(home.starts_min.tolist(), (home.energies // home.steps_min).tolist(), strict=True)
    return (
        HEADER + "".join(f"{instant_of(start + 30).isoformat()};{watts}\n" for start, watts in rows)
    ).encode()


def zipped(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("export.csv", data)
    return stream.getvalue()


def folder_of_homes(folder: Path, homes: int, span: Span = WEEK) -> Path:
    """As many files, some of them packed, some in a street of their own."""
    (folder / "street").mkdir(parents=True)
    for seed in range(homes):
        data = export(curve(seed, span, gap=seed % 5 == 0))
        place = folder / "street" if seed % 3 == 0 else folder
        packed = (data, gzip.compress(data, 1), zipped(data))[seed % 7 if seed % 7 < 3 else 0]
        (place / f"home {seed:05}.csv").write_bytes(packed)
    return folder


def table_of(homes: Iterable[tuple[str, LoadCurve]]) -> pa.Table:
    """The table of some curves, as a portfolio reads it; half hours of odd watts are halves of a Wh."""
    names, starts, steps, tenths = [], [], [], []
    for name, one in homes:
        names += [name] * len(one.starts_min)
        starts.append(one.starts_min)
        steps.append(one.steps_min)
        tenths.append(one.energies // 6)
    wh = pc.multiply(pa.array(np.concatenate(tenths)).cast(pa.decimal128(19, 0)), pa.scalar(Decimal("0.1")))
    return pa.table(
        {
            "home": pa.array(names),
            "start": pa.array(np.concatenate(starts) * 60, pa.timestamp("s", "UTC")),
            "step_minutes": pa.array(np.concatenate(steps), pa.int16()),
            "wh": wh,
        }
    )


def write_table(path: Path, homes: Sequence[tuple[str, LoadCurve]], rows_per_group: int = 5000) -> Path:
    pq.write_table(table_of(homes), path, row_group_size=rows_per_group)
    return path
