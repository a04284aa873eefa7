"""The command `openwatt sources`, which lists every source and its state, and checks the file of one."""

import datetime as dt
from typing import Any

import click
import msgspec
from rich import box
from rich.table import Column, Table
from rich.text import Text

from openwatt.bootstrap import connect, held_database, prepare_database
from openwatt.cli.console import Console
from openwatt.cli.settings import settings_of
from openwatt.cli.source_check import check_command
from openwatt.domain.freshness import SourceStatus, source_status
from openwatt.domain.legal_time import PARIS
from openwatt.ingest.declarations import SourceDeclaration, load_sources
from openwatt.ingest.schedule import is_due, skip_reason, with_addresses
from openwatt.store.source_states import SourceState, source_states

_COLOURS: dict[SourceStatus, str] = {
    "fresh": "green",
    "verifying": "yellow",
    "stale": "red",
    "broken": "bold red",
    "never": "dim",
}


@click.group("sources", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def sources_command(context: click.Context, *, as_json: bool) -> None:
    """List every source: its format and cadence, its last run, and its freshness.

    fresh: its document was seen within 7 days; verifying: longer ago, or a newer one is
    doubted; stale: not for 14 days; broken: three runs in a row have failed; never: not
    yet run, or never with success. `--json` prints more: suppliers, addresses, cadences.
    """
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"give --json after `{context.invoked_subcommand}`")
        return
    settings = settings_of(context)
    declared = load_sources()
    with held_database(settings):
        prepare_database(settings)
        with connect(settings) as connection:
            states = {state.source: state for state in source_states(connection)}
            known = with_addresses(connection, declared.values(), dt.datetime.now(PARIS).date())
    now = dt.datetime.now(dt.UTC)
    listed = sorted(known, key=lambda source: source.format == "none_yet")
    items = [_item(source, states.get(source.name), now) for source in listed]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode({"sources": items}), indent=2))
        return
    _show(items, Console())


def _show(items: list[dict[str, Any]], console: Console) -> None:
    """Prints the sources that have a document as a table of 80 columns, the others by name."""
    table = Table(
        Column("source", no_wrap=True),
        Column("freshness"),
        Column("last look", no_wrap=True),
        Column("success", no_wrap=True),
        Column("outcome"),
        Column("fails", justify="right"),
        Column("review", justify="right"),
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    for item in items:
        if item["format"] != "none_yet":
            table.add_row(
                item["name"],
                Text(item["freshness"], _COLOURS[item["freshness"]]),
                _shown(item["last_look_at"]),
                _shown(item["last_success_at"]),
                item["outcome"] or ("by hand" if item["skipped"] else ""),
                str(item["failures_in_a_row"] or ""),
                str(item["reviews_pending"] or ""),
            )
    console.print(table)
    without = [item["name"] for item in items if item["format"] == "none_yet"]
    if without:
        console.print(f"an address and no document yet ({len(without)}): {', '.join(without)}", style="dim")


def _item(source: SourceDeclaration, state: SourceState | None, now: dt.datetime) -> dict[str, Any]:
    incident = state.incident if state else None
    skipped = skip_reason(source)
    last_look_at = state.last_look_at if state else None
    last_success_at = state.last_success_at if state else None
    return {
        "name": source.name,
        "supplier": source.supplier,
        "offers": [offer.name for offer in source.offers],
        "format": source.format,
        "address": source.address,
        "cadence_days": source.cadence_days,
        "skipped": skipped,
        "due": skipped is None and is_due(source, last_look_at, now),
        "last_look_at": last_look_at,
        "last_success_at": last_success_at,
        "outcome": state.outcome if state else None,
        "failures_in_a_row": state.failures_in_a_row if state else 0,
        "reviews_pending": state.reviews_pending if state else 0,
        "freshness": source_status(last_success_at=last_success_at, incident=incident, now=now),
    }


def _shown(at: dt.datetime | None) -> str:
    return f"{at.astimezone(PARIS):%Y-%m-%d}" if at else ""


sources_command.add_command(check_command)

COMMANDS: tuple[click.Command, ...] = (sources_command,)
