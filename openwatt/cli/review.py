"""The command `openwatt review`, with which a person decides on refused documents."""

import datetime as dt
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
from rich.table import Table
from rich.text import Text

from openwatt.bootstrap import connect, held_database, locate_database, prepare_database
from openwatt.catalogue.references import known_references
from openwatt.cli.console import Console
from openwatt.cli.inspection import print_inspection
from openwatt.cli.output import write_output
from openwatt.cli.settings import settings_of
from openwatt.domain.legal_time import PARIS
from openwatt.ingest.declarations import SourceDeclaration, SourceError, load_sources
from openwatt.ingest.errors import RefusedAddressError, UnreadableDocumentError
from openwatt.ingest.fetching.addresses import check_address
from openwatt.ingest.inspection import Inspection
from openwatt.ingest.quotation import DocumentLines, quote, quote_data, split_rows
from openwatt.ingest.readers.grid_pdf.picture import draw_pages
from openwatt.ingest.review import approve_run, check_same, read_again, reject_run
from openwatt.ingest.sandbox import DocumentSandbox
from openwatt.representations.runs import RunDetail, RunItem
from openwatt.store.database import Connection, Database, bind_to_history
from openwatt.store.documents import document_of_run
from openwatt.store.errors import DecisionError, UnknownRunError
from openwatt.store.overrides import AddressOverride, overrides_in_force, set_override
from openwatt.store.runs import LARGEST_RUN_ID, Outcome, RunFilter, StoredRun, find_run, list_runs
from openwatt.store.tariffs import regulated_history

LONGEST_NAME, LONGEST_REASON = 100, 1000
#: Whoever needs an address for longer corrects the source's file.
MOST_DAYS_OF_OVERRIDE = 366
_STATEMENT_S = 20

_encoder = msgspec.json.Encoder(decimal_format="number")


class Refused(click.ClickException):
    """Raised when the state of the data forbids what the command was to do."""

    exit_code = 3


def _print_json(value: object) -> None:
    sys.stdout.buffer.write(msgspec.json.format(_encoder.encode(value), indent=2) + b"\n")


def _words(longest: int) -> Any:
    """Makes a reader of a name or a reason: one line of text."""

    def read(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
        text = value.strip()
        if not text:
            raise click.BadParameter("is empty: it is stored with the decision")
        if len(text) > longest or not text.isprintable():
            raise click.BadParameter(f"must be one line of at most {longest} characters")
        return text

    return read


def _decided(command: Any) -> Any:
    """Adds the options for the name and the reason that every decision is stored with."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option(
            "--reason", required=True, callback=_words(LONGEST_REASON), help="Why; stored with the decision."
        ),
        click.option(
            "--as", "name", required=True, callback=_words(LONGEST_NAME), help="Who decides; stored with it."
        ),
    ):
        command = option(command)
    return command


_RUN = click.argument("run_id", metavar="RUN", type=click.IntRange(1, LARGEST_RUN_ID))


@contextmanager
def _connected(context: click.Context) -> Iterator[Connection]:
    """Connects to a prepared database; a decision that is refused ends the command with status 3."""
    settings = settings_of(context)
    with held_database(settings):
        prepare_database(settings)
        with connect(settings) as connection:
            bind_to_history(connection, _STATEMENT_S)
            try:
                yield connection
            except (DecisionError, UnknownRunError) as error:
                raise Refused(str(error)) from error


@contextmanager
def _read(context: click.Context) -> Iterator[Database]:
    settings = settings_of(context)
    with held_database(settings):
        prepare_database(settings)
        with closing(Database(locate_database(settings))) as database:
            yield database


def _sources() -> dict[str, SourceDeclaration]:
    try:
        return load_sources()
    except SourceError as error:
        raise click.ClickException(str(error)) from error


@click.group(invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="List every run, not only those that wait.")
@click.option("--source", help="Only of this source.")
@click.option("--outcome", type=click.Choice(get_args(Outcome)), help="Only with this outcome; means --all.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Most runs.")
@click.option("--after", type=click.IntRange(1), help="Only runs older than this one: the next page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def review(
    context: click.Context,
    *,
    every: bool,
    source: str | None,
    outcome: str | None,
    limit: int,
    after: int | None,
    as_json: bool,
) -> None:
    """Decide by hand on documents that were refused.

    Without a command: list the refused runs without a decision, newest first.

    Exit status: 0 done; 1 it failed; 2 wrong arguments; 3 refused
    (no such run, decided on already, or read otherwise today).
    """
    if context.invoked_subcommand is not None:
        return
    every = every or outcome is not None
    wanted = RunFilter(source, outcome, undecided=not every)
    with _read(context) as database:
        found = list_runs(database, wanted, after=after, limit=limit + 1)
    runs, more = found[:limit], len(found) > limit
    if as_json:
        _print_json({"runs": [RunItem.of(run) for run in runs], "after": runs[-1].run_id if more else None})
        return
    if not runs:
        click.echo("no run" if every else "nothing waits for a decision")
        return
    Console().print(_table_of_runs(runs))
    if more:
        click.echo(f"more: --after {runs[-1].run_id}")
    elif not every:
        click.echo("look at one: openwatt review show RUN")


def _table_of_runs(runs: list[StoredRun]) -> Table:
    table = Table()
    for heading in ("run", "source", "finished", "outcome"):
        table.add_column(heading, no_wrap=True)
    for heading in ("what it says", "decision"):
        table.add_column(heading)
    for run in runs:
        item = RunDetail.of(run)
        reasons = item.message or "; ".join(dict.fromkeys(doubt.rule for doubt in item.doubts))
        decision = f"{item.decision.decision} by {item.decision.reviewer}" if item.decision else ""
        finished = f"{run.finished_at.astimezone(PARIS):%Y-%m-%d %H:%M}"
        cells = (str(run.run_id), run.source, finished, run.outcome, reasons, decision)
        table.add_row(*map(Text, cells))  # not markup: a document's own words may stand in it
    return table


@review.command()
@_RUN
@click.option(
    "--png",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Draw the pages with the recognised cells coloured by meaning.",
)
@click.option(
    "--document",
    "target",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the stored document to this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def show(
    context: click.Context, /, *, run_id: int, png: Path | None, target: Path | None, as_json: bool
) -> None:
    """Show a run: what was read, and each doubt beside the document's own words.

    The stored document is read again, so that its words can be shown.
    """
    with _read(context) as database:
        run = find_run(database, run_id)
    if run is None:
        raise Refused(f"there is no run {run_id}: `openwatt review --all` lists those there are")
    with _connected(context) as connection:
        document = document_of_run(connection, run_id)
        references = known_references(regulated_history(connection))
    content = document.content if document else None
    if content is None and (png or target):
        raise Refused(f"the bytes of run {run_id}'s document are not stored")
    if target is not None and content is not None:
        write_output(target, content)
    inspection, beside, differs = None, [], None
    if content is not None and (source := _sources().get(run.source)) is not None:
        today = dt.datetime.now(PARIS).date()
        with DocumentSandbox() as sandbox:
            inspection = read_again(sandbox, content, source, references, on=today, origin=run.origin)
            beside = _beside(sandbox, content, inspection)
        differs = _difference(run, inspection)
    if png is not None and content is not None and inspection is not None:
        try:
            write_output(png, draw_pages(content, inspection.reading))
        except UnreadableDocumentError as error:
            click.echo(f"no picture: {error}", err=True)
    if as_json:
        detail = msgspec.to_builtins(RunDetail.of(run), builtin_types=(dt.datetime, dt.date))
        _print_json(detail | {"beside": beside, "differs": differs})
    else:
        _print_run(run, inspection, beside)
        if differs:
            Console().print(Text(f"it cannot be approved: {differs}", "yellow"))


def _difference(run: StoredRun, inspection: Inspection) -> str | None:
    """The reason why a run cannot be approved: it reads otherwise today; None when it reads the same."""
    try:
        if run.outcome == "refused":
            check_same(run, inspection)
    except DecisionError as error:
        return str(error)
    return None


def _beside(sandbox: DocumentSandbox, content: bytes, inspection: Inspection) -> list[dict[str, Any]]:
    """Finds the lines of the document for each doubt."""
    doubts = inspection.doubts
    if inspection.manual_entry or (inspection.source and inspection.source.format != "grid_pdf"):
        rows = split_rows(content)
        quoted = [quote_data(doubt, rows) for doubt in doubts]
    elif inspection.outcome == "unreadable":
        return []
    else:
        words = DocumentLines(sandbox.read_pages(content))
        quoted = [quote(doubt, inspection.reading, words) for doubt in doubts]
    return [
        {
            "rule": doubt.rule,
            "where": doubt.where,
            "message": doubt.message,
            "words": [{"page": line.page, "text": line.text} for line in lines],
        }
        for doubt, lines in zip(doubts, quoted, strict=True)
    ]


def _print_run(run: StoredRun, inspection: Inspection | None, beside: list[dict[str, Any]]) -> None:
    console = Console(highlight=False)
    item = RunDetail.of(run)
    console.print(f"run {run.run_id} of {run.source}: {run.outcome}", markup=False)
    for label, value in (
        ("finished", f"{run.finished_at.astimezone(PARIS):%Y-%m-%d %H:%M}"),
        ("origin", run.origin),
        ("address", run.address),
        ("document", item.document and f"{item.document.title} ({item.document.sha256 or 'no hash'})"),
        ("says", item.message),
        (
            "decision",
            item.decision and f"{item.decision.decision} by {item.decision.reviewer}: {item.decision.reason}",
        ),
    ):
        if value:
            console.print(f"  {label:9} {value}", markup=False)
    if item.document is None:
        return
    if inspection is None:
        for doubt in item.doubts:
            console.print(f"{doubt.rule} {doubt.where}: {doubt.message}", markup=False)
        console.print("its document cannot be read again: its bytes or its source are gone", markup=False)
        return
    console.print("read again today:", markup=False)
    print_inspection(inspection if not beside else replace(inspection, doubts=()), console)
    for quoted in beside:
        text = f"{quoted['rule']} {quoted['where']}: {quoted['message']}"
        console.print(text, markup=False, style="yellow")
        for line in quoted["words"]:
            page = f"page {line['page']}" if line["page"] else "row"
            console.print(f"  {page:>8} | {line['text']}", markup=False)


@review.command()
@_RUN
@_decided
@click.pass_context
def approve(context: click.Context, /, *, run_id: int, name: str, reason: str, as_json: bool) -> None:
    """Publish what a refused run has read, doubts and all, under your name.

    The stored document is read again first; if it is read otherwise today, nothing is
    published.
    """
    sources = _sources()
    with _connected(context) as connection:
        done = approve_run(connection, run_id, sources, reviewer=name, reason=reason, now=_now)
    if as_json:
        _print_json({"action": "approve", "run_id": run_id, **done})
    else:
        click.echo(
            f"run {run_id} approved: {done['published']} tariffs published, run {done['published_run_id']}"
        )


@review.command()
@_RUN
@_decided
@click.pass_context
def reject(context: click.Context, /, *, run_id: int, name: str, reason: str, as_json: bool) -> None:
    """Leave a refused document unpublished for good, even when it comes again."""
    with _connected(context) as connection:
        reject_run(connection, run_id, reviewer=name, reason=reason, at=_now())
    if as_json:
        _print_json({"action": "reject", "run_id": run_id})
    else:
        click.echo(f"run {run_id} rejected: its document stays unpublished")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _public(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else str(check_address(value))
    except RefusedAddressError as error:
        raise click.BadParameter(str(error)) from None


@review.command()
@click.argument("source")
@click.argument("address", required=False, callback=_public)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day on which it counts.")
@click.option("--undo", is_flag=True, help="Ask the source at its own address again.")
@_decided
@click.pass_context
def address(
    context: click.Context,
    /,
    *,
    source: str,
    address: str | None,
    until: dt.datetime | None,
    undo: bool,
    name: str,
    reason: str,
    as_json: bool,
) -> None:
    """Ask SOURCE at another ADDRESS until a day, or undo that.

    For a document that has moved while its source's file still names the old place.
    """
    sources = _sources()
    if source not in sources:
        raise click.BadParameter(f"{source!r} is none of {', '.join(sources)}", param_hint="SOURCE")
    if undo in (address is not None, until is not None):
        raise click.UsageError("give an ADDRESS and --until, or --undo")
    today = dt.datetime.now(PARIS).date()
    last = until.date() if until else None
    if last is not None and not today <= last <= today + dt.timedelta(days=MOST_DAYS_OF_OVERRIDE):
        raise click.BadParameter(
            f"must be a day from today to {MOST_DAYS_OF_OVERRIDE} days ahead", param_hint="--until"
        )
    override = AddressOverride(
        source=source, address=address, until=last, author=name, reason=reason, set_at=_now()
    )
    with _connected(context) as connection:
        if undo and not overrides_in_force(connection, today, source):
            raise Refused(f"no other address of {source} is in force")
        set_override(connection, override)
    if as_json:
        _print_json({"action": "address", "source": source, "address": address, "until": last})
    elif undo:
        click.echo(f"{source} is fetched from its own address again: {sources[source].address}")
    else:
        click.echo(f"{source} is fetched from {address} until {last}")


COMMANDS: tuple[click.Command, ...] = (review,)
