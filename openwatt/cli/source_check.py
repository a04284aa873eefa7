"""The command `openwatt sources check`, which says what is still wanting of a source's file."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from openwatt.catalogue.references import shipped_references
from openwatt.cli.console import Console
from openwatt.cli.inspection import print_inspection, read_document
from openwatt.domain.legal_time import PARIS
from openwatt.ingest.declaration_check import DeclarationCheck, check_declaration
from openwatt.ingest.declarations import SourceError, load_source, load_sources
from openwatt.ingest.inspection import Inspection

_WANTING, _UNREADABLE = 1, 2


@click.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A document to read with FILE: a sheet, a data file, or a table typed from a sheet.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: faults, what is to complete, what was read."
)
@click.pass_context
def check_command(context: click.Context, /, *, file: Path, document: Path | None, as_json: bool) -> None:
    """Say what is still wanting of FILE, the YAML of a source.

    Every fault of it at once; with --document also what was read with it, each doubt, what
    is missing of its offers and powers, and the words above tables that mean nothing to the
    reader. The document is read within the limits of a run; nothing is stored.

    Exit status: 0 nothing is wanting, 1 something is, 2 the document is unreadable.
    """
    try:
        source = load_source(file)
    except SourceError as error:
        _show_faults(error.faults, as_json=as_json)
        context.exit(_WANTING)
    check = check_declaration(
        source,
        read_document(document) if document else None,
        load_sources(),
        shipped_references(),
        on=dt.datetime.now(PARIS).date(),
    )
    if as_json:
        encoder = msgspec.json.Encoder(decimal_format="number")
        click.echo(msgspec.json.format(encoder.encode(check.as_mapping()), indent=2))
    else:
        _show(check)
    if check.inspection is not None and check.inspection.outcome == "unreadable":
        context.exit(_UNREADABLE)
    context.exit(0 if check.is_complete else _WANTING)


def _show_faults(faults: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        answer: dict[str, object] = {"source": None, "complete": False, "faults": faults, "to_complete": []}
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2))
        return
    for fault in faults:
        click.echo(fault)


def _show(check: DeclarationCheck) -> None:
    console = Console()
    if check.inspection is not None:
        print_inspection(check.inspection, console)
    for line in _wanting(check):
        console.print(line, markup=False, highlight=False)
    if check.is_complete:
        read = "" if check.inspection is not None else " in itself; --document reads a sheet with it"
        console.print(f"{check.source.name}: nothing is wanting{read}", markup=False, highlight=False)


def _wanting(check: DeclarationCheck) -> Iterator[str]:
    """Yields what is to be written, and what is to be looked at, one line each."""
    yield from (f"to complete: {key}" for key in check.to_complete)
    yield from (f"recognise: « {phrase} » is not in the document" for phrase in check.missing_phrases)
    if check.recognised_by:
        yield f"recognise: the source {check.recognised_by} recognises the document too"
    if check.inspection is not None:
        yield from _unread(check.inspection)


def _unread(inspection: Inspection) -> Iterator[str]:
    yield from (f"no meaning for: {header}" for header in inspection.reading.unknown_headers)
