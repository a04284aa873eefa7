"""The commands `tariffs`, `tempo` and `export`, which read the database."""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import click
import msgspec
from click.core import ParameterSource
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from openwatt.bootstrap import connect, held_database, locate_database, prepare_database
from openwatt.catalogue.shipped_facts import shipped_change_days
from openwatt.catalogue.source_names import declared_sources
from openwatt.cli.console import Console
from openwatt.cli.forms import form_options, print_csv, print_json
from openwatt.cli.output import open_output
from openwatt.cli.package_folder import open_package_folder
from openwatt.cli.settings import settings_of
from openwatt.comparison.source_incidents import read_incidents
from openwatt.domain.legal_time import PARIS
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA, OPTIONS
from openwatt.open_data.package import need_parquet, write_package
from openwatt.representations.csv_rows import csv_lines
from openwatt.representations.tariffs import TariffItem, TempoDayItem
from openwatt.store.database import Database
from openwatt.store.export import export_rows, export_size
from openwatt.store.tariffs import PublishedTariff, TariffFilter, cursor_after, tariffs_on
from openwatt.store.tempo import tempo_days

_DAY = click.DateTime(["%Y-%m-%d"])
_ROWS_A_READ = 1000
_ROWS_A_STEP = 200
#: Of a Tempo colour, how it is printed.
COLOUR_STYLES = {"BLEU": "bold white on blue", "BLANC": "bold black on white", "ROUGE": "bold white on red"}


def _today() -> dt.date:
    return dt.datetime.now(PARIS).date()


@click.command()
@click.option("--supplier", help="Name of the supplier, in any case of letters.")
@click.option("--offer", help="Name of the offer, in any case of letters.")
@click.option("--option", type=click.Choice(list(OPTIONS), case_sensitive=False), help="Tariff option.")
@click.option(
    "--power-kva", type=click.IntRange(MIN_POWER_KVA, MAX_POWER_KVA), help="Subscribed power in kVA."
)
@click.option("--on", type=_DAY, help="Day on which the tariff applies; today when left out.")
@click.option("--known-at", type=_DAY, help="What was known at the end of this day; now when left out.")
@form_options
@click.pass_context
def tariffs(
    context: click.Context,
    *,
    supplier: str | None,
    offer: str | None,
    option: str | None,
    power_kva: int | None,
    on: dt.datetime | None,
    known_at: dt.datetime | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show the tariffs of a day.

    Example: openwatt tariffs --option BASE --power-kva 6 --on 2025-09-01
    """
    settings = settings_of(context)
    wanted = TariffFilter(supplier, offer, option, power_kva)
    day = on.date() if on else _today()
    known = dt.datetime.combine(known_at.date(), dt.time.max, PARIS) if known_at else None
    now = known or dt.datetime.now(dt.UTC)
    with held_database(settings):
        prepare_database(settings)
        database = Database(locate_database(settings))
        found = list(_every_tariff(database, wanted, day, known))
        incidents = {} if known else read_incidents(database, declared_sources())
        database.close()
    changes = shipped_change_days()
    items = [
        TariffItem.of(published, on=day, now=now, changes=changes, incidents=incidents) for published in found
    ]
    if as_csv:
        print_csv(items, TariffItem)
        return
    if as_json:
        print_json(items)
        return
    table = Table(title=f"Tariffs on {day}", caption=f"{len(items)} tariffs; prices with all taxes")
    for heading in ("supplier", "offer", "option"):
        table.add_column(heading)
    for heading in ("kVA", "€/month"):
        table.add_column(heading, justify="right")
    for heading in ("€/kWh", "applies", "status", "source"):
        table.add_column(heading)
    for item in items:
        table.add_row(
            item.supplier,
            item.offer,
            item.option,
            str(item.power_kva),
            str(item.subscription_eur_per_month_ttc or "–"),
            "  ".join(f"{register} {price}" for register, price in item.prices_eur_per_kwh_ttc.items())
            or "–",
            f"{item.applies_from} → {item.applies_to or ''}",
            item.data_status + (f" ({item.data_status_reason})" if item.data_status_reason else ""),
            item.source.kind,
        )
    Console().print(table)


def _every_tariff(
    database: Database, wanted: TariffFilter, day: dt.date, known: dt.datetime | None
) -> Iterator[PublishedTariff]:
    cursor = None
    while True:
        found = tariffs_on(database, wanted, on=day, known_at=known, after=cursor, limit=_ROWS_A_READ)
        yield from found
        if len(found) < _ROWS_A_READ:
            return
        cursor = cursor_after(found[-1])


@click.command()
@click.option("--from", "start", type=_DAY, help="First day; today when left out.")
@click.option("--to", "end", type=_DAY, help="Last day, included; tomorrow, or the first day, when left out.")
@form_options
@click.pass_context
def tempo(
    context: click.Context,
    *,
    start: dt.datetime | None,
    end: dt.datetime | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show Tempo colours.

    A Tempo day runs from 06:00 to 06:00 of the next morning. A colour that no source
    has said yet is unknown, never guessed.
    """
    settings = settings_of(context)
    first = start.date() if start else _today()
    last = end.date() if end else max(_today() + dt.timedelta(days=1), first)
    if last < first:
        raise click.UsageError(f"--to {last} is before --from {first}")
    with held_database(settings):
        prepare_database(settings)
        database = Database(locate_database(settings))
        items = [TempoDayItem.of(day) for day in tempo_days(database, first, last)]
        database.close()
    if as_csv:
        print_csv(items, TempoDayItem)
        return
    if as_json:
        print_json(items)
        return
    table = Table("day", "colour", "note")
    for item in items:
        style = COLOUR_STYLES.get(item.colour, "dim")
        table.add_row(f"{item.day:%a %Y-%m-%d}", f"[{style}] {item.colour} [/]", item.note or "")
    Console().print(table)


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True, help="Form."
)
@click.option(
    "--output", type=click.Path(dir_okay=False, allow_dash=True), default="-", help="File; - prints."
)
@click.option(
    "--package",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of an open-data package (Frictionless): tables, types, sources and licences.",
)
@click.option(
    "--parquet/--no-parquet", default=True, show_default=True, help="Parquet in the package, beside CSV."
)
@click.pass_context
def export(context: click.Context, *, form: str, output: str, package: Path | None, parquet: bool) -> None:
    """Write the whole history of tariffs, every observation included.

    Rows are streamed: however long the history, memory stays small. A bar shows the
    progress when a terminal looks on. A file, or the folder of a package, appears
    whole or not at all.
    """
    if package is not None:
        given = [
            name
            for name in ("form", "output")
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        ]
        if given:
            raise click.UsageError("--package has files of its own: leave --format and --output out")
        _export_package(context, package, parquet=parquet)
        return
    settings = settings_of(context)
    with held_database(settings), open_output(output) as target, _export_progress() as progress:
        prepare_database(settings)
        with connect(settings) as connection, closing(export_rows(connection)) as rows:
            task = progress.add_task("export", total=export_size(connection))
            now = dt.datetime.now(dt.UTC)
            items = (
                TariffItem.of(published, on=published.applies_from, now=now, changes=shipped_change_days())
                for published in _counted(rows, progress, task)
            )
            if form == "csv":
                target.writelines(csv_lines(items, TariffItem))
            else:
                encoder = msgspec.json.Encoder(decimal_format="number")
                target.writelines(encoder.encode(item).decode() + "\n" for item in items)


def _export_package(context: click.Context, folder: Path, *, parquet: bool) -> None:
    """Writes the open-data package."""
    if parquet:
        need_parquet()
    settings = settings_of(context)
    with held_database(settings), open_package_folder(folder) as create, _export_progress() as progress:
        prepare_database(settings)
        with connect(settings) as connection:
            task = progress.add_task("export", total=None)
            write_package(
                connection,
                create,
                now=dt.datetime.now(dt.UTC),
                changes=shipped_change_days(),
                forms=("csv", "parquet") if parquet else ("csv",),
                on_rows=lambda rows: progress.advance(task, rows),
            )


def _export_progress() -> Progress:
    """A bar, where a terminal looks on."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("exporting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _counted(rows: Iterable[PublishedTariff], progress: Progress, task: TaskID) -> Iterator[PublishedTariff]:
    """The rows, counted on a progress bar as they pass.

    Rich's own `track` has a thread for that, which a command that an error ends would wait for
    while the interpreter ends: from Python 3.13 on it would do so for ever.
    """
    count = 0
    for count, row in enumerate(rows, 1):
        yield row
        if count % _ROWS_A_STEP == 0:
            progress.update(task, completed=count)
    progress.update(task, completed=count)


COMMANDS: tuple[click.Command, ...] = (tariffs, tempo, export)
