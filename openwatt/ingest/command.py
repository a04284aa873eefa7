"""The `openwatt inspect` command: what a document says, and every doubt, without a database."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from openwatt.domain.doubts import References
from openwatt.ingest.grid_pdf.picture import draw_pages
from openwatt.ingest.inspect import as_json, inspect_document, print_inspection
from openwatt.ingest.sources import SourceError, load_sources
from openwatt.ingest.unreadable import UnreadableDocumentError

#: Exit status by outcome, so that a script can tell.
EXIT_STATUS = {"published": 0, "refused": 1, "unreadable": 2}


def inspect_command(references: Callable[[], References]) -> click.Command:
    """The command, given where the duties and the regulated tariff come from (asked when it runs)."""

    @click.command("inspect")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option("--source", "name", help="Read it as this source's document instead of recognising it.")
    @click.option("--json", "as_text", is_flag=True, help="Print JSON: source, outcome, tariffs, doubts.")
    @click.option(
        "--png",
        type=click.Path(dir_okay=False, writable=True, path_type=Path),
        help="Also draw the pages with the recognised cells coloured by meaning.",
    )
    @click.pass_context
    def inspect(ctx: click.Context, file: Path, name: str | None, as_text: bool, png: Path | None) -> None:  # noqa: FBT001 - a flag of the command line
        """Show what FILE says and every reason not to publish it; nothing is stored.

        Exit status: 0 a run would publish it, 1 it would refuse it, 2 it is unreadable.
        """
        try:
            sources = load_sources()
        except SourceError as error:
            raise click.ClickException(str(error)) from error
        if name is not None and name not in sources:
            raise click.BadParameter(f"{name!r} is none of {', '.join(sources)}", param_hint="--source")
        document = file.read_bytes()
        today = dt.datetime.now(ZoneInfo("Europe/Paris")).date()
        inspection = inspect_document(document, sources, references(), on=today, name=name)
        if as_text:
            click.echo(as_json(inspection).decode())
        else:
            print_inspection(inspection, Console())
        if png is not None:
            try:
                png.write_bytes(draw_pages(document, inspection.reading))
            except UnreadableDocumentError as error:
                click.echo(f"no picture: {error}", err=True)
        ctx.exit(EXIT_STATUS[inspection.outcome])

    return inspect
