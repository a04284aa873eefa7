"""A program of Spark whose measurements stop in the middle of each partition until the test goes on."""

import datetime as dt
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import SparkSession

from integrations.spark.bill_homes_on_spark import bill_sorted_homes
from openwatt.domain.legal_time import PARIS
from openwatt.portfolio.billing.kernel import HomeSetting, PortfolioTerms
from openwatt.portfolio.market_file import read_market

#: Batches of 500 rows until the middle: more than the homes of one batch of the kernel.
BEFORE = 80


def stop_in_the_middle(batches: Iterable[pa.RecordBatch], folder: Path) -> Iterator[pa.RecordBatch]:
    for number, batch in enumerate(batches):
        if number == BEFORE:
            partition = TaskContext.get().partitionId()
            (folder / f"{partition}.middle").touch()
            while not (folder / "go").exists():
                time.sleep(0.05)
        yield batch


def main(folder: Path) -> None:
    now = dt.datetime.now(PARIS)
    market = read_market(str(folder / "market.json"))
    terms = PortfolioTerms(market=market, prices="now", now=now, today=now.date())
    measurements = SparkSession.builder.getOrCreate().read.parquet(str(folder / "homes"))
    measurements = measurements.repartition(2, "home").sortWithinPartitions("home", "start")
    slow = measurements.mapInArrow(partial(stop_in_the_middle, folder=folder), measurements.schema)
    bill_sorted_homes(slow, terms, HomeSetting(None, ())).write.parquet(str(folder / "slow"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
