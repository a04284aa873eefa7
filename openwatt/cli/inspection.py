"""The command `openwatt inspect`, which shows what a document says and every doubt, and stores nothing."""

import datetime as dt
from pathlib import Path

import click
from rich.table import Table

from openwatt.bootstrap import connect, held_database, prepare_database
from openwatt.catalogue.references import known_references, shipped_references
from openwatt.cli.console import Console
from openwatt.cli.output import open_output, write_output
from openwatt.cli.settings import settings_of
from openwatt.domain.doubts import References
from openwatt.domain.legal_time import PARIS
from openwatt.domain.reading import MAX_DOCUMENT_BYTES
from openwatt.domain.tariff import Tariff
from openwatt.ingest.declarations import SourceError, load_sources
from openwatt.ingest.draft import draft_from, name_of
from openwatt.ingest.errors import UnreadableDocumentError
from openwatt.ingest.inspection import Inspection, as_json
from openwatt.ingest.readers.grid_pdf.picture import draw_pages
from openwatt.ingest.sandbox import DocumentSandbox
from openwatt.settings import Settings
from openwatt.store.tariffs import regulated_history

#: Exit status by outcome, so that a script can tell.
EXIT_STATUS = {"published": 0, "refused": 1, "unreadable": 2}


@click.command("inspect")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", "name", help="Read it as this source's document instead of recognising it.")
@click.option(
    "--as-run",
    is_flag=True,
    help="Hold it against the regulated tariff that the database knows, as a run does; without this, against "
    "the shipped one, and no database is needed.",
)
@click.option("--json", "as_text", is_flag=True, help="Print JSON: source, outcome, tariffs, doubts.")
@click.option(
    "--png",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also draw the pages with the recognised cells coloured by meaning.",
)
@click.option(
    "--draft",
    is_flag=True,
    help="Write the file of a source for this sheet, ready to be completed, instead of showing what it says.",
)
@click.option("--output", type=click.Path(dir_okay=False), help="Where --draft writes; - is standard output.")
@click.pass_context
def inspect(
    ctx: click.Context,
    /,
    *,
    file: Path,
    name: str | None,
    as_run: bool,
    as_text: bool,
    png: Path | None,
    draft: bool,
    output: str | None,
) -> None:
    """Show what FILE says and every reason not to publish it; nothing is stored.

    It is read within the limits of a run: 20 seconds and 256 MB. With --draft it becomes the
    YAML of a source: what the general vocabulary recognised, and line by line what it did not.

    Exit status: 0 a run would publish it (--draft: it was written), 1 it would refuse it, 2 it is
    unreadable.
    """
    if draft and (name or as_run or as_text or png):
        raise click.UsageError("--draft stands alone, or with --output")
    if draft:
        ctx.exit(_write_draft(file, output or "-"))
    if output is not None:
        raise click.UsageError("--output is where --draft writes; give --draft too")
    try:
        sources = load_sources()
    except SourceError as error:
        raise click.ClickException(str(error)) from error
    if name is not None and name not in sources:
        raise click.BadParameter(f"{name!r} is none of {', '.join(sources)}", param_hint="--source")
    document = read_document(file)
    today = dt.datetime.now(PARIS).date()
    references = _stored_references(settings_of(ctx)) if as_run else shipped_references()
    with DocumentSandbox() as inspector:
        inspection = inspector.inspect_document(document, sources, references, on=today, name=name)
    if as_text:
        click.echo(as_json(inspection).decode())
    else:
        print_inspection(inspection, Console())
    if png is not None:
        try:
            write_output(png, draw_pages(document, inspection.reading))
        except UnreadableDocumentError as error:
            click.echo(f"no picture: {error}", err=True)
    ctx.exit(EXIT_STATUS[inspection.outcome])


def read_document(file: Path) -> bytes:
    """Reads a document, of which one byte beyond the limit is enough to be refused."""
    with file.open("rb") as stream:
        return stream.read(MAX_DOCUMENT_BYTES + 1)


def _write_draft(file: Path, output: str) -> int:
    """Writes the draft of a source's file; returns the exit status."""
    name = name_of((file if output == "-" else Path(output)).stem)
    try:
        text = draft_from(
            read_document(file), name=name, document_name=file.name, on=dt.datetime.now(PARIS).date()
        )
    except UnreadableDocumentError as error:
        click.echo(f"no draft: {error}", err=True)
        return EXIT_STATUS["unreadable"]
    with open_output(output) as stream:
        stream.write(text)
    if output != "-":
        click.echo(f"written: {output}; next: openwatt sources check {output} --document {file}", err=True)
    return 0


def _stored_references(settings: Settings) -> References:
    """The references with which a run compares documents."""
    with held_database(settings):
        prepare_database(settings)
        with connect(settings) as connection:
            return known_references(regulated_history(connection))


_COLOURS_OF_OUTCOMES = {"published": "green", "refused": "yellow", "unreadable": "red"}


def print_inspection(inspection: Inspection, console: Console) -> None:
    """Prints an inspection as tables, one per offer and option."""
    name = inspection.source.name if inspection.source else "no source recognised"
    colour = _COLOURS_OF_OUTCOMES[inspection.outcome]
    console.print(f"{name}: [{colour}]{inspection.outcome}[/{colour}]", highlight=False)
    if inspection.reason:
        console.print(inspection.reason, markup=False)
    groups: dict[tuple[str, str, dt.date], list[Tariff]] = {}
    for tariff in inspection.tariffs():
        groups.setdefault((tariff.offer, tariff.option, tariff.applies_from), []).append(tariff)
    for (offer, option, applies_from), tariffs in groups.items():
        console.print(_table(f"{tariffs[0].supplier} {offer} {option} from {applies_from}", tariffs))
    if inspection.tempo is not None:
        console.print(f"{len(inspection.tempo.colours)} days of Tempo colours")
    for doubt in inspection.doubts:
        console.print(f"[yellow]{doubt.rule}[/yellow]", end=" ")
        console.print(f"{doubt.where}: {doubt.message}", markup=False, highlight=False)
    for doubt, signed in inspection.waived:
        text = f"{doubt.rule} signed off by {signed.who} until {signed.until}: {signed.why}"
        console.print(text, markup=False, highlight=False)


def _table(title: str, tariffs: list[Tariff]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("kVA", justify="right")
    sides = [
        (side, [getattr(t, f"subscription_eur_per_year_{side}") for t in tariffs])
        for side in ("ht", "ttc")
        if any(getattr(t, f"prices_eur_per_kwh_{side}") for t in tariffs)
    ]
    registers = list(
        dict.fromkeys(r for t in tariffs for r in (t.prices_eur_per_kwh_ttc or t.prices_eur_per_kwh_ht))
    )
    for side, _ in sides:
        table.add_column(f"€/year {side.upper()}", justify="right")
        for register in registers:
            table.add_column(f"{register} {side.upper()}", justify="right")
    table.add_column("closed")
    for i, tariff in enumerate(tariffs):
        cells = [str(tariff.power_kva)]
        for side, subscriptions in sides:
            prices = getattr(tariff, f"prices_eur_per_kwh_{side}")
            cells.append("" if subscriptions[i] is None else str(subscriptions[i]))
            cells += [str(prices.get(register, "")) for register in registers]
        table.add_row(*cells, "closed" if tariff.closed_to_new_customers else "")
    return table


COMMANDS: tuple[click.Command, ...] = (inspect,)
