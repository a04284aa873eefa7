"""The kernel over Arrow batches of measurements, as Spark's `mapInArrow` and other engines hand them out.

Such an engine has put the rows of each home together; its batches may end anywhere.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import pyarrow as pa

from openwatt.portfolio.billing.kernel import MeteredHome, PortfolioTerms, Unreadable, bill_batch
from openwatt.portfolio.billing.rows import columns_of
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.results.parquet_results import ParquetResults
from openwatt.portfolio.sources.source import MOST_HOMES_PER_BATCH, MOST_STEPS_PER_BATCH, HomeSettings
from openwatt.portfolio.sources.table import SEVERAL_ROWS, Stretch, home_runs, homes_of, is_list_form


def bill_batches(
    batches: Iterable[pa.RecordBatch], terms: PortfolioTerms, settings: HomeSettings
) -> Iterator[pa.RecordBatch]:
    """The rows of the homes of one partition, whose measurements come in batches of any size.

    Raises:
        PortfolioError: when a row names no home.
    """
    results = ParquetResults(columns_of(terms.prices))
    for table, stretches in whole_homes(batches):
        homes = _each_once(homes_of(table, stretches, settings, terms.now))
        yield from results.table(bill_batch(homes, terms)).to_batches()


def whole_homes(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.Table, Sequence[Stretch]]]:
    """The measurements again, as many as the kernel costs at once and cut where a home begins.

    Raises:
        PortfolioError: when a row names no home.
    """
    held: list[pa.RecordBatch] = []
    stretches: list[Stretch] = []
    rows, last = 0, None
    for batch in batches:
        is_list = is_list_form(batch.schema)
        first = 0
        for home, size in _runs(batch, is_list=is_list):
            if home is None:
                raise PortfolioError("a row of the measurements names no home")
            is_full = len(stretches) >= MOST_HOMES_PER_BATCH or rows + size > MOST_STEPS_PER_BATCH
            if home != last and held and is_full:
                yield pa.Table.from_batches(held), stretches
                held, stretches, rows = [], [], 0
            if home == last and not is_list:
                stretches[-1] = stretches[-1]._replace(size=stretches[-1].size + size)
            else:
                stretches.append(Stretch(home, rows, size))
            held.append(batch.slice(first, size))
            first, rows, last = first + size, rows + size, home
    if held:
        yield pa.Table.from_batches(held), stretches


def _runs(batch: pa.RecordBatch, *, is_list: bool) -> Iterable[tuple[str | None, int]]:
    """Rows of one home that follow each other; in the list form each row is a home's."""
    return ((home, 1) for home in batch["home"].to_pylist()) if is_list else home_runs(batch["home"])


def _each_once(homes: Iterable[MeteredHome]) -> Iterator[MeteredHome]:
    """The homes, those of several rows in the list form as one that fails."""
    for _, some in groupby(homes, key=lambda home: home.home):
        first, *others = some
        yield first._replace(measured=Unreadable(SEVERAL_ROWS)) if others else first
