"""The command `openwatt portfolio`, which bills many homes."""

import datetime as dt
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from openwatt.cli.console import Console
from openwatt.cli.default_command import DefaultCommand, GroupWithDefault
from openwatt.cli.file_options import of_a_file
from openwatt.cli.portfolio_market import market_command, present_market
from openwatt.cli.portfolio_progress import shown_progress
from openwatt.cli.portfolio_summary import summary_command
from openwatt.cli.settings import settings_of
from openwatt.comparison.question import ASSUMED_OFF_PEAK
from openwatt.domain.legal_time import PARIS
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA
from openwatt.observability import telemetry_config
from openwatt.portfolio.billing.kernel import HomeSetting, PortfolioTerms
from openwatt.portfolio.engines.engine import Engine
from openwatt.portfolio.engines.local_engine import LocalEngine
from openwatt.portfolio.errors import PortfolioError, need_distributed, need_pyarrow
from openwatt.portfolio.market_file import read_market
from openwatt.portfolio.results.output import Output
from openwatt.portfolio.results.storage import path_of, storage_at
from openwatt.portfolio.run import Portfolio, PortfolioResult, bill_portfolio
from openwatt.portfolio.sources.folder import Folder
from openwatt.portfolio.sources.homes_file import read_homes_file
from openwatt.portfolio.sources.parquet_files import ParquetFiles
from openwatt.portfolio.sources.source import HomeSettings, HomeSource
from openwatt.telemetry.start import start_telemetry

#: The exit status of a run that came to its end while some homes could not be billed.
SOME_FAILED = 3
_DAY = click.DateTime(["%Y-%m-%d"])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
logger = logging.getLogger("openwatt.portfolio")


class _PathOrAddress(click.Path):
    """A path that exists, or an address of fsspec as it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, resolved, or the address."""
        path = path_of(str(value))
        return value if path is None else super().convert(str(path), param, ctx)


_EPILOG = """\b
Exit status:
  0 every home is billed
  1 the run stopped: the message says why, and --resume goes on from what is done
  2 the command is not written right
  3 the run is complete, and some homes could not be billed
  130, 143 ended by Ctrl-C or SIGTERM; what is done is stored

\b
Examples:
  openwatt portfolio homes/ --out results.csv --power-kva 6
  openwatt portfolio s3://energy/homes --out s3://energy/results --cluster tcp://scheduler:8786
  openwatt portfolio homes.parquet --out again.parquet --market results/_market.json
"""


@click.command("portfolio", cls=DefaultCommand, epilog=_EPILOG)
@click.argument("homes", type=_PathOrAddress(exists=True, path_type=Path, resolve_path=True))
@click.option(
    "--out",
    required=True,
    help="The file of results, .csv or .parquet; a name without an ending is a Parquet dataset, a folder "
    "of one file a partition. Either may be an address (s3://bucket/results).",
)
@click.option(
    "--power-kva",
    type=click.IntRange(MIN_POWER_KVA, MAX_POWER_KVA),
    help="Subscribed power of every home that --settings does not name.",
)
@click.option(
    "--off-peak",
    multiple=True,
    default=(ASSUMED_OFF_PEAK,),
    show_default=True,
    help="Off-peak hours of every home that --settings does not name; of several, the last that applies.",
)
@click.option(
    "--settings",
    type=_FILE,
    help="A CSV with the columns home, power_kva and off_peak_hours: what each home's meter is set to.",
)
@click.option(
    "--prices",
    type=click.Choice(["then", "now"]),
    default="now",
    show_default=True,
    help="Prices as they were, or today's.",
)
@click.option(
    "--include-outdated",
    is_flag=True,
    help="Rank the contracts whose price cannot be today's among the others.",
)
@click.option("--from", "start", type=_DAY, help="First day; else each home's first whole day.")
@click.option("--to", "end", type=_DAY, help="The day after the last; else each home's own.")
@click.option("--top", type=click.IntRange(1), help="Only so many contracts of each home, the cheapest.")
@click.option(
    "--market",
    metavar="FILE",
    help="Bill by the market of this file (`openwatt portfolio market`, or _market.json of a dataset) "
    "instead of the database's.",
)
@click.option(
    "--homes-per-partition",
    type=click.IntRange(1, 100_000),
    help="Homes that one task bills and writes as one part; fewer need less memory.",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Bill on a Dask cluster: its scheduler's address (tcp://host:8786), or local:4 for four processes.",
)
@click.option(
    "--cluster-timeout",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    help="Seconds for which the scheduler, or every worker, may be away before the run stops.",
)
@click.option("--jobs", type=click.IntRange(1, 512), help="Processes; else one a processor.")
@click.option("--resume", is_flag=True, help="Go on from what an unfinished run to the same output has done.")
@of_a_file
@click.pass_context
def portfolio_command(
    context: click.Context, /, homes: Path | str, out: str, off_peak: Sequence[str], **options: Any
) -> None:
    """Bill many homes, each for every contract of its power, as `compare` does for one.

    HOMES is a folder of meter files, one a home, of any maker that `compare` reads
    (gzip, zip and XLSX included); or a Parquet file, or a folder of Parquet files alone,
    also at an address (s3://bucket/homes), whose rows hold home (string), start
    (timestamp with a time zone), step_minutes (integer) and wh (integer or decimal),
    those of one home together and in one file. Where wh is a list, a row is a home and
    its steps follow each other. Columns power_kva (integer) and off_peak_hours (string)
    say what --settings does not.

    A home that cannot be billed is a row with its reason and never stops the rest;
    the exit status is then 3. Parts that are done are stored until the output is
    whole: after Ctrl-C, a crash or a full disk, --resume goes on from them, here or on a
    cluster. What workers of a cluster read and write must lie where all of them see it.

    With --prices now, contracts whose price cannot be today's (it was last seen before
    duties or the network tariff changed) come after the others, marked outdated; --top
    leaves them out.

    The market (contracts, calendars, duties, Tempo colours) is that of the database, read
    once at the start and stored beside the results, or that of --market.

    Each partition has one log record, without anything of its homes.

    A folder that is called like one of the commands below is given as ./summary.
    """
    started, now = time.perf_counter(), dt.datetime.now(PARIS)
    default = HomeSetting(
        options["power_kva"], tuple(entry for text in off_peak for entry in parse_off_peak_text(text))
    )
    settings = read_homes_file(options["settings"], default) if options["settings"] else {}
    output = Output.at(out)
    source = _source(homes, output, now)
    if default.power_kva is None and not settings and not source.has_powers():
        raise PortfolioError("give --power-kva, or each home's power with --settings")
    market = read_market(options["market"]) if options["market"] else present_market(settings_of(context))
    terms = PortfolioTerms(
        market=market,
        prices=options["prices"],
        now=now,
        today=now.date(),
        start=options["start"].date() if options["start"] else None,
        end=options["end"].date() if options["end"] else None,
        top=options["top"],
        include_outdated=options["include_outdated"],
        file_options=options["file_options"],
    )
    portfolio = Portfolio(source=source, terms=terms, settings=HomeSettings(default, settings))
    engine = _engine(options["cluster"], options["cluster_timeout"], options["jobs"])
    console = Console(stderr=True)
    telemetry = start_telemetry(
        telemetry_config(
            settings_of(context), multiprocess=False, stream="errors" if console.is_terminal else "stderr"
        )
    )
    try:
        with shown_progress(console, lambda: engine.workers) as report:
            outcome = bill_portfolio(
                portfolio,
                output,
                engine,
                resume=options["resume"],
                report=report,
                homes_per_partition=options["homes_per_partition"],
            )
        seconds = time.perf_counter() - started
        logger.info("portfolio billed", extra=_final_fields(outcome, seconds))
    except KeyboardInterrupt:
        if output.done():
            click.echo("stopped; what is done is stored, --resume goes on from it", err=True)
        raise
    finally:
        telemetry.close()
    _summarise(outcome, output, console)
    if outcome.failed:
        raise SystemExit(SOME_FAILED)


COMMANDS: tuple[click.Command, ...] = (
    GroupWithDefault(portfolio_command, (market_command, summary_command)),
)


def _source(homes: Path | str, output: Output, now: dt.datetime) -> HomeSource:
    files = ParquetFiles(str(homes), output.paths())
    if isinstance(homes, Path) and homes.is_dir() and not files.is_dataset():
        return Folder(homes, output.paths())
    need_pyarrow()
    from openwatt.portfolio.sources.parquet_source import ParquetSource  # noqa: PLC0415 (an optional extra)

    if isinstance(homes, str):
        storage_at(homes)  # It refuses an address that cannot be used.
    return ParquetSource(files, now)


def _engine(cluster: str | None, timeout_s: int, jobs: int | None) -> Engine:
    if cluster is None:
        return LocalEngine(jobs or _processors())
    if jobs is not None:
        raise click.UsageError("--jobs is for this machine: a cluster has as many tasks at once as threads")
    need_distributed()
    from openwatt.portfolio.engines.dask_engine import DaskEngine  # noqa: PLC0415 (an optional extra)

    return DaskEngine(cluster, timeout_s=timeout_s)


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _final_fields(outcome: PortfolioResult, seconds: float) -> dict[str, object]:
    """The fields of the record of the whole run."""
    return {
        "homes": outcome.homes,
        "failed": outcome.failed,
        "rows": outcome.rows,
        "resumed": outcome.resumed,
        "market": outcome.market_sha256,
        "seconds": round(seconds, 3),
    }


def _summarise(outcome: PortfolioResult, output: Output, console: Console) -> None:
    billed = outcome.homes - outcome.failed
    console.print(
        f"{billed:,} of {outcome.homes:,} homes billed, {outcome.rows:,} rows in {output.shown}",
        highlight=False,
    )
    if outcome.resumed:
        console.print(f"{outcome.resumed:,} of them were done by an earlier run")
    if outcome.unknown_homes:
        console.print(
            f"{outcome.unknown_homes:,} homes of the file of settings are not there: are their names right?"
        )
    if outcome.failed:
        console.print(
            f"{outcome.failed:,} homes failed: column reason of {output.name} says why", highlight=False
        )
