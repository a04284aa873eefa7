"""The kernel over Arrow batches of measurements, as Spark's `mapInArrow` and other engines hand them out.

Such an engine has put the rows of each home together; its batches may end anywhere.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import pyarrow as pa

from openwatt.domain.errors import OffPeakError
from openwatt.domain.off_peak import OffPeakHours, parse_off_peak_text
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.kernel import HomeSetting, MeteredHome, PortfolioTerms, Unreadable, bill_batch
from openwatt.portfolio.parquet_results import ParquetResults
from openwatt.portfolio.rows import columns_of
from openwatt.portfolio.source import MOST_HOMES_PER_BATCH
from openwatt.portfolio.table import curves_of, home_runs
from openwatt.sentences.catalogue import sentence

#: What the meter of a home is set to, in columns that measurements may have beside those of a table.
SETTING_COLUMNS = ("power_kva", "off_peak_hours")
#: Measurements that are costed at once, unless one home has more: sixty homes of a year of half hours.
_MOST_ROWS = 1 << 20


def bill_batches(
    batches: Iterable[pa.RecordBatch], terms: PortfolioTerms, default: HomeSetting
) -> Iterator[pa.RecordBatch]:
    """The rows of the homes of one partition, whose measurements come in batches of any size."""
    results = ParquetResults(columns_of(terms.prices))
    for table in whole_homes(batches):
        yield from results.table(bill_batch(_homes(table, terms, default), terms)).to_batches()


def whole_homes(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The measurements again, cut where a home begins: a batch may end within one.

    Raises:
        PortfolioError: when a row names no home.
    """
    held: list[pa.RecordBatch] = []
    homes, rows, last = 0, 0, None
    for batch in batches:
        first = 0
        for home, size in home_runs(batch["home"]):
            if home is None:
                raise PortfolioError("a row of the measurements names no home")
            if home != last and (homes == MOST_HOMES_PER_BATCH or rows + size > _MOST_ROWS) and held:
                yield pa.Table.from_batches(held).combine_chunks()
                held, homes, rows = [], 0, 0
            homes += home != last
            held.append(batch.slice(first, size))
            first, rows, last = first + size, rows + size, home
    if held:
        yield pa.Table.from_batches(held).combine_chunks()


def _homes(table: pa.Table, terms: PortfolioTerms, default: HomeSetting) -> Iterator[MeteredHome]:
    first = 0
    sizes = (size for _, size in home_runs(table["home"].combine_chunks()))
    for (home, curve), size in zip(curves_of(table, terms.now), sizes, strict=True):
        setting = _setting(table.slice(first, size), default)
        first += size
        if isinstance(setting, Unreadable):
            yield MeteredHome(str(home), default, setting)
        else:
            yield MeteredHome(str(home), setting, curve)


def _setting(rows: pa.Table, default: HomeSetting) -> HomeSetting | Unreadable:
    """What the rows of one home say of its meter."""
    values: list[Any] = []
    for name in SETTING_COLUMNS:
        found = rows[name].unique().to_pylist() if name in rows.column_names else [None]
        if len(found) > 1:
            return Unreadable(f"its rows have several values of {name}")
        values += found
    power_kva, off_peak_hours = values
    try:
        hours = _off_peak_hours(off_peak_hours) if off_peak_hours else default.off_peak_hours
    except OffPeakError as error:
        return Unreadable(sentence(error))
    return HomeSetting(default.power_kva if power_kva is None else int(power_kva), hours)


@lru_cache(maxsize=1024)
def _off_peak_hours(text: str) -> tuple[OffPeakHours, ...]:
    return tuple(entry for one in text.split("|") for entry in parse_off_peak_text(one))
