"""The command `openwatt portfolio`, which bills many homes."""

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from openwatt.cli.console import Console
from openwatt.cli.default_command import DefaultCommand, GroupWithDefault
from openwatt.cli.market import stored_market
from openwatt.cli.portfolio_summary import summary_command
from openwatt.cli.settings import settings_of
from openwatt.comparison.question import ASSUMED_OFF_PEAK
from openwatt.domain.legal_time import PARIS
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA
from openwatt.portfolio.errors import PortfolioError, need_pyarrow
from openwatt.portfolio.folder import Folder
from openwatt.portfolio.homes_file import read_homes_file
from openwatt.portfolio.kernel import HomeSetting, PortfolioTerms
from openwatt.portfolio.local_engine import LocalEngine
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.parts_folder import parts_folder_path
from openwatt.portfolio.run import Portfolio, PortfolioResult, bill_portfolio
from openwatt.portfolio.source import HomeSettings, HomeSource

#: The exit status of a run that came to its end while some homes could not be billed.
SOME_FAILED = 3
_DAY = click.DateTime(["%Y-%m-%d"])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Rate(ProgressColumn):
    """Homes per second."""

    def render(self, task: Task) -> Text:
        """The rate, as soon as there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} homes/s", style="progress.data.speed")


@click.command("portfolio", cls=DefaultCommand)
@click.argument("homes", type=click.Path(exists=True, path_type=Path, resolve_path=True))
@click.option(
    "--out",
    type=click.Path(path_type=Path, resolve_path=True),
    required=True,
    help="The file of results; its ending, .csv or .parquet, says its form.",
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
@click.option("--jobs", type=click.IntRange(1, 512), help="Processes; else one a processor.")
@click.option("--resume", is_flag=True, help="Go on from what an unfinished run to the same file has done.")
@click.pass_context
def portfolio_command(
    context: click.Context, /, homes: Path, out: Path, off_peak: Sequence[str], **options: Any
) -> None:
    """Bill many homes, each for every contract of its power, as `compare` does for one.

    HOMES is a folder of meter files, one a home, of any maker that `compare` reads
    (gzip, zip and XLSX included), or a Parquet file whose rows hold home (string),
    start (timestamp with a time zone), step_minutes (integer) and wh (integer or
    decimal), those of one home together.

    A home that cannot be billed is a row with its reason and never stops the rest;
    the exit status is then 3. Parts that are done stay beside the output until
    it is whole: after Ctrl-C, a crash or a full disk, --resume goes on from them.

    With --prices now, contracts whose price cannot be today's (it was last seen before
    duties or the network tariff changed) come after the others, marked outdated; --top
    leaves them out.

    Contracts and Tempo colours are those of the database, read once at the start.

    A folder that is called like one of the commands below is given as ./summary.
    """
    now = dt.datetime.now(PARIS)
    default = HomeSetting(
        options["power_kva"], tuple(entry for text in off_peak for entry in parse_off_peak_text(text))
    )
    settings = read_homes_file(options["settings"], default) if options["settings"] else {}
    if default.power_kva is None and not settings:
        raise PortfolioError("give --power-kva, or each home's power with --settings")
    with stored_market(settings_of(context)) as stored:
        market = PortfolioMarket(stored.market(stored.everything()), stored.colours())
    terms = PortfolioTerms(
        market=market,
        prices=options["prices"],
        now=now,
        today=now.date(),
        start=options["start"].date() if options["start"] else None,
        end=options["end"].date() if options["end"] else None,
        top=options["top"],
        include_outdated=options["include_outdated"],
    )
    portfolio = Portfolio(
        source=_source(homes, out, now), terms=terms, settings=HomeSettings(default, settings)
    )
    engine = LocalEngine(options["jobs"] or _processors())
    console = Console(stderr=True)
    with Progress(
        TextColumn("billing"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("", total=None, failed="")

        def report(done: int, of: int, failed: int) -> None:
            progress.update(bar, completed=done, total=of, failed=f"{failed} failed" if failed else "")

        try:
            outcome = bill_portfolio(portfolio, out, engine, resume=options["resume"], report=report)
        except KeyboardInterrupt:
            progress.stop()
            if parts_folder_path(out).exists():
                click.echo("stopped; what is done is stored, --resume goes on from it", err=True)
            raise
    _summarise(outcome, out, console)
    if outcome.failed:
        raise SystemExit(SOME_FAILED)


COMMANDS: tuple[click.Command, ...] = (GroupWithDefault(portfolio_command, (summary_command,)),)


def _source(homes: Path, out: Path, now: dt.datetime) -> HomeSource:
    if homes.is_dir():
        return Folder(homes, frozenset({out, parts_folder_path(out)}))
    need_pyarrow()
    from openwatt.portfolio.table import ParquetTable  # noqa: PLC0415 (an optional extra)

    return ParquetTable(homes, now)


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _summarise(outcome: PortfolioResult, out: Path, console: Console) -> None:
    billed = outcome.homes - outcome.failed
    console.print(
        f"{billed:,} of {outcome.homes:,} homes billed, {outcome.rows:,} rows in {out}", highlight=False
    )
    if outcome.resumed:
        console.print(f"{outcome.resumed:,} of them were done by an earlier run")
    if outcome.unknown_homes:
        console.print(
            f"{outcome.unknown_homes:,} homes of the file of settings are not there: are their names right?"
        )
    if outcome.failed:
        console.print(
            f"{outcome.failed:,} homes failed: column reason of {out.name} says why", highlight=False
        )
