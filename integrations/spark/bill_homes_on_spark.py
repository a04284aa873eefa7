"""Bills many homes on Spark with the kernel of `openwatt portfolio`; docs/spark.md says how to run it.

As a program:

    spark-submit integrations/spark/bill_homes_on_spark.py \
        --homes s3a://meters/2026 --out s3a://bills/2026 --market market.json --power-kva 6

As a module, of any data frame of measurements: `bill_homes(measurements, terms, default)`. Both run on the
driver alone: executors need OpenWatt with its extra `portfolio`, not this file.
"""

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from functools import partial

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql.functions import col, count, count_if, lit
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from openwatt.comparison.question import ASSUMED_OFF_PEAK
from openwatt.domain.errors import OpenWattError
from openwatt.domain.legal_time import PARIS
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.portfolio.billing.kernel import HomeSetting, PortfolioTerms
from openwatt.portfolio.billing.rows import columns_of
from openwatt.portfolio.engines.arrow_batches import bill_batches
from openwatt.portfolio.market_file import read_market
from openwatt.portfolio.results.parquet_results import ParquetResults
from openwatt.portfolio.sources.source import HomeSettings
from openwatt.portfolio.sources.table import SCHEMA, SETTING_SCHEMA, refuse_other_columns
from openwatt.sentences.catalogue import sentence

#: The exit status when some homes could not be billed, as that of `openwatt portfolio`.
SOME_FAILED = 3


def bill_homes(
    measurements: DataFrame, terms: PortfolioTerms, default: HomeSetting, partitions: int | None = None
) -> DataFrame:
    """The rows of each home, as `openwatt portfolio` writes them in its Parquet form.

    The measurements have the columns home, start, step_minutes and wh, their rows in any
    order. They may have power_kva and off_peak_hours too; where these are null, the `default`
    counts. Without a number of `partitions`, Spark's own settings decide.

    Raises:
        PortfolioError: when the measurements have other columns.
    """
    columns = [name for name in (*SCHEMA, *SETTING_SCHEMA) if name in measurements.columns]
    rows = measurements.select(*columns)
    together = rows.repartition(partitions, "home") if partitions else rows.repartition("home")
    # Rows of one instant are put in order too: a task that is repeated then gives the same rows.
    in_order = together.sortWithinPartitions(*(name for name in columns if name in SCHEMA))
    return bill_sorted_homes(in_order, terms, default)


def bill_sorted_homes(measurements: DataFrame, terms: PortfolioTerms, default: HomeSetting) -> DataFrame:
    """The same of measurements of which all rows of a home follow each other in one partition.

    That is so of a table that is bucketed and sorted by home, read one bucket a task. It is not
    checked: a home of two partitions is billed in two parts.

    Raises:
        PortfolioError: when the measurements have other columns.
    """
    refuse_other_columns("the data frame", to_arrow_schema(measurements.schema, timezone="UTC"))
    results = ParquetResults(columns_of(terms.prices))
    bill = partial(bill_batches, terms=terms, settings=HomeSettings(default, {}))
    return measurements.mapInArrow(bill, from_arrow_schema(results.schema))


def main(arguments: Sequence[str] | None = None) -> None:
    """Bills the homes of a Parquet dataset that Spark can read, and writes their rows as another."""
    options = _options(arguments)
    now = dt.datetime.now(PARIS)
    entries = options.off_peak or [ASSUMED_OFF_PEAK]
    hours = tuple(hours for entry in entries for hours in parse_off_peak_text(entry))
    terms = PortfolioTerms(
        market=read_market(options.market),
        prices=options.prices,
        now=now,
        today=now.date(),
        start=options.start,
        end=options.end,
        top=options.top,
        include_outdated=options.include_outdated,
    )
    spark = SparkSession.builder.appName("openwatt portfolio").getOrCreate()
    default = HomeSetting(options.power_kva, hours)
    rows = bill_homes(spark.read.parquet(options.homes), terms, default, options.partitions)
    seen = Observation()
    failed = count_if(col("supplier").isNull()).alias("failed")
    rows.observe(seen, count(lit(1)).alias("rows"), failed).write.parquet(options.out)
    print(f"{seen.get['rows']:,} rows in {options.out}; {seen.get['failed']:,} homes failed", file=sys.stderr)
    if seen.get["failed"]:
        raise SystemExit(SOME_FAILED)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Bill many homes on Spark; the options are those of `openwatt portfolio`."
    )
    parser.add_argument("--homes", required=True, help="address of a Parquet file or dataset of measurements")
    parser.add_argument("--out", required=True, help="address of the Parquet dataset to write")
    parser.add_argument("--market", required=True, help="the file that `openwatt portfolio market` wrote")
    parser.add_argument("--power-kva", type=int)
    parser.add_argument("--off-peak", action="append")
    parser.add_argument("--prices", choices=("then", "now"), default="now")
    parser.add_argument("--include-outdated", action="store_true")
    parser.add_argument("--from", dest="start", type=dt.date.fromisoformat)
    parser.add_argument("--to", dest="end", type=dt.date.fromisoformat)
    parser.add_argument("--top", type=int)
    parser.add_argument(
        "--partitions", type=int, help="tasks, of some 1,000 homes each; else as Spark is set"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        main()
    except OpenWattError as error:
        sys.exit(sentence(error))
