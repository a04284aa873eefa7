"""The command `openwatt ingest`, which runs sources so that the tariffs are those of today."""

import datetime as dt
import difflib
import logging
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from openwatt.bootstrap import connect, held_database, prepare_database
from openwatt.cli.console import Console
from openwatt.cli.run_results import as_json as result_as_json
from openwatt.cli.run_results import print_result, print_summary
from openwatt.cli.settings import settings_of
from openwatt.domain.legal_time import PARIS
from openwatt.ingest.declarations import SourceDeclaration, load_sources
from openwatt.ingest.fetching.client import Fetcher, FetchLimits, user_agent
from openwatt.ingest.pipeline import SUCCESSES, Ingestion, RunResult
from openwatt.ingest.sandbox import DocumentSandbox
from openwatt.ingest.schedule import is_due, skip_reason, sort_sources, with_addresses
from openwatt.observability import telemetry_config
from openwatt.settings import Settings
from openwatt.store.database import bind_to_history
from openwatt.store.errors import DatabaseUnavailableError
from openwatt.store.fetch_turns import INTERVAL_S, take_turn
from openwatt.store.source_states import SourceState, source_states
from openwatt.telemetry.start import Telemetry, start_telemetry

logger = logging.getLogger("openwatt.ingest")
# It logs every request; a run has one record, and a failure is in it.
logging.getLogger("httpx").setLevel(logging.WARNING)

#: Exit statuses beside 0, and 1 and 2 of every command.
SOME_FAILED, SOME_HELD = 3, 4
_TERMINATED = 143  # what shells say of a program that SIGTERM ended
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
#: How much of a wait is left to chance, so that many machines do not ask in step.
_JITTER = 0.1
#: No statement of a run takes a second; one that waits for more than this is a fault.
_STATEMENT_S = 60.0


class _Terminated(KeyboardInterrupt):
    """SIGTERM was received: everything is left as Ctrl-C leaves it."""


def _seconds(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text)
    if not found:
        raise click.BadParameter("write a number and s, m, h or d, such as 1h or 30m")
    return float(int(found[1]) * _UNITS[found[2]])


_EPILOG = """\b
Exit status:
  0 everything is published or unchanged
  1 the database is away, or the settings cannot be used
  2 the command is not written right
  3 a source was refused, unreadable or unreachable
  4 another process was running a source, and none failed
  130, 143 ended by Ctrl-C or SIGTERM; what was under way is undone
--every ends with 0 when a signal ends it.

\b
Examples:
  openwatt ingest --all --due
  openwatt ingest yeli_verte --file sheet.pdf
"""


@click.command("ingest", epilog=_EPILOG)
@click.argument("names", metavar="[SOURCE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Run every source that has an address.")
@click.option("--due", is_flag=True, help="Run only the sources whose cadence is over.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read this document as SOURCE's: one fetched in a browser, or a table typed from a sheet "
    "without text, in the columns of the catalogue's tariffs.csv.",
)
@click.option(
    "--every",
    callback=_seconds,
    metavar="TIME",
    help="Repeat until it is ended: due sources, then a pause, as 1h or 30m.",
)
@click.option("--dry-run", is_flag=True, help="Do everything and store nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def ingest(
    context: click.Context,
    *,
    names: tuple[str, ...],
    everything: bool,
    due: bool,
    file: Path | None,
    every: float | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run sources: fetch their documents, read and check them, and publish what is right.

    A doubtful document is refused and stored for `openwatt review`; the last right tariff
    stays. One source's failure never stops the others. Several machines may run this at
    once: each source is run by one of them, and all together send a host one request in
    5 s at most.
    """
    settings = settings_of(context)
    sources = load_sources()
    chosen = _select_sources(sources, names, everything=everything or every is not None, file=file)
    if file is not None and (due or every):
        raise click.UsageError("--file is one look: leave --due and --every out")
    if every and (dry_run or as_json):
        raise click.UsageError("--every tells its looks in the log: leave --dry-run and --json out")
    terminal = sys.stdout.isatty() and not as_json and not every
    telemetry = start_telemetry(
        telemetry_config(
            settings, multiprocess=False, stream="errors" if terminal else "stdout" if every else "stderr"
        )
    )
    try:
        with held_database(settings), _ended_by_signal(), DocumentSandbox() as inspector:
            prepare_database(settings)
            runner = _Runner(settings, sources, inspector, telemetry, dry_run=dry_run)
            if every:
                _run_forever(runner, chosen, every)
            if file is None:
                chosen = runner.reachable(chosen)
                if names and (refused := [one for one in chosen if skip_reason(one)]):
                    raise click.UsageError(f"{refused[0].name}: {skip_reason(refused[0])}")
            results = _run_once(runner, chosen, file, due=due, terminal=terminal, as_json=as_json)
    except _Terminated:
        context.exit(_TERMINATED)
    finally:
        telemetry.close()
    if runner.away:
        context.exit(1)
    if any(result.outcome not in (*SUCCESSES, None) for result in results):
        context.exit(SOME_FAILED)
    if any(result.outcome is None for result in results):
        context.exit(SOME_HELD)


def _select_sources(
    sources: Mapping[str, SourceDeclaration], names: Sequence[str], *, everything: bool, file: Path | None
) -> list[SourceDeclaration]:
    """The sources that the arguments name, in the order in which they are run."""
    if everything and names:
        raise click.UsageError("name sources, or ask for --all: not both")
    if not everything and not names:
        raise click.UsageError("name sources, or ask for --all; `openwatt sources` lists them")
    for name in names:
        if name not in sources:
            close = difflib.get_close_matches(name, sources, n=1)
            hint = f"did you mean {close[0]}?" if close else "`openwatt sources` lists them"
            raise click.BadParameter(f"{name!r} is no source: {hint}", param_hint="SOURCE")
    if file is not None:
        return [_source_of_file(sources, names, file)]
    return list(sort_sources(sources[name] for name in names or sources))


def _source_of_file(
    sources: Mapping[str, SourceDeclaration], names: Sequence[str], file: Path
) -> SourceDeclaration:
    """The one source whose document --file is."""
    if len(names) != 1:
        raise click.UsageError("--file is the document of one source: name it")
    if file.stat().st_size > FetchLimits().bytes:
        raise click.UsageError(f"{file} has more than {FetchLimits().bytes} bytes, which is the limit")
    if sources[names[0]].format == "none_yet":
        raise click.UsageError(
            f"{names[0]}: its document is not described yet; see what it contains with `openwatt inspect`"
        )
    return sources[names[0]]


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """Lets SIGTERM undo what is under way, as Ctrl-C does; a second one does not disturb that."""

    def end(_number: int, _frame: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Runner:
    """Runs sources over one connection, which is opened again when it was lost."""

    def __init__(
        self,
        settings: Settings,
        sources: Mapping[str, SourceDeclaration],
        inspector: DocumentSandbox,
        telemetry: Telemetry,
        *,
        dry_run: bool,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._inspector = inspector
        self._telemetry = telemetry
        self._dry_run = dry_run
        self.away = False
        """Whether the database was away for a source of the last run."""

    def run(
        self,
        chosen: Sequence[SourceDeclaration],
        file: bytes | None = None,
        since: dt.datetime | None = None,
        on_start: Callable[[SourceDeclaration], None] = lambda _source: None,
    ) -> Iterator[RunResult]:
        """Runs each source; those for which the database is away are left out, and `away` is set."""
        ingestion: Ingestion | None = None
        self.away = False

        def wait_turn(host: str) -> None:
            if ingestion is not None:
                time.sleep(take_turn(ingestion.connection, host, INTERVAL_S))

        with Fetcher(user_agent(self._settings.contact), wait_turn) as fetcher:
            try:
                for source in chosen:
                    on_start(source)
                    try:
                        if ingestion is None or ingestion.connection.closed:
                            ingestion = self._ingestion(fetcher)
                        yield ingestion.run(source, file=file, since=since)
                    except DatabaseUnavailableError as error:
                        self.away = True
                        _log_away(error)
            finally:
                if ingestion is not None:
                    ingestion.connection.close()

    def reachable(self, chosen: Sequence[SourceDeclaration]) -> list[SourceDeclaration]:
        """The same sources, with the address that an operator set for those that have none."""
        with connect(self._settings) as connection:
            return with_addresses(connection, chosen, dt.datetime.now(PARIS).date())

    def states(self) -> dict[str, SourceState]:
        """The state of every source, by its name."""
        with connect(self._settings) as connection:
            return {state.source: state for state in source_states(connection)}

    def _ingestion(self, fetcher: Fetcher) -> Ingestion:
        connection = connect(self._settings)
        bind_to_history(connection, _STATEMENT_S)
        return Ingestion(
            connection=connection,
            sources=self._sources,
            fetcher=fetcher,
            inspector=self._inspector,
            dry_run=self._dry_run,
            reports=self._telemetry.reports,
        )


def _log_away(error: DatabaseUnavailableError) -> None:
    logger.log(logging.ERROR, "ingest without a database", extra={"reason": str(error)})


def _select_due(runner: _Runner, chosen: Sequence[SourceDeclaration]) -> list[SourceDeclaration]:
    """The sources that can be run and whose cadence is over."""
    states, now = runner.states(), dt.datetime.now(dt.UTC)
    return [
        source
        for source in chosen
        if not skip_reason(source)
        and is_due(source, states[source.name].last_look_at if source.name in states else None, now)
    ]


def _run_forever(runner: _Runner, chosen: Sequence[SourceDeclaration], every: float) -> NoReturn:
    """Runs what is due, pauses, and repeats until Ctrl-C or SIGTERM."""
    try:
        while True:
            try:
                started_at = dt.datetime.now(dt.UTC)
                for _result in runner.run(_select_due(runner, runner.reachable(chosen)), since=started_at):
                    pass  # each has its record in the log
            except DatabaseUnavailableError as error:
                _log_away(error)
            time.sleep(every * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - no secret
    except KeyboardInterrupt:
        logger.info("ingest ends")
        raise click.exceptions.Exit(0) from None


def _run_once(
    runner: _Runner,
    chosen: Sequence[SourceDeclaration],
    file: Path | None,
    *,
    due: bool,
    terminal: bool,
    as_json: bool,
) -> list[RunResult]:
    """Runs each source and prints its result: a bar on a terminal, else a line a source."""
    console = Console(highlight=False, soft_wrap=True)
    content = None if file is None else file.read_bytes()
    skipped = [] if file else [source for source in chosen if skip_reason(source)]
    todo = [source for source in chosen if source not in skipped]
    not_due = len(todo)
    started_at = dt.datetime.now(dt.UTC)
    todo = _select_due(runner, todo) if due else todo
    not_due -= len(todo)
    results = []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not terminal,
        transient=True,
    ) as progress:
        bar = progress.add_task("ingesting", total=len(todo))

        def on_start(source: SourceDeclaration) -> None:
            progress.update(bar, description=source.name)

        for result in runner.run(todo, content, started_at if due else None, on_start):
            results.append(result)
            progress.advance(bar)
            if not as_json:
                print_result(result, console)
    if as_json:
        answer = {
            "looks": [result_as_json(result) for result in results],
            "skipped": [{"source": one.name, "reason": skip_reason(one)} for one in skipped],
            "not_due": not_due,
        }
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
    else:
        print_summary(results, skipped, not_due, console)
    return results


COMMANDS: tuple[click.Command, ...] = (ingest,)
