"""The commands that take, list and restore backups of the database."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Column, Table

from openwatt.bootstrap import held_database, locate_database
from openwatt.cli.console import Console
from openwatt.cli.settings import settings_of
from openwatt.settings import Settings
from openwatt.store.backup import Backup, backups, restore_backup, take_backup
from openwatt.store.backup import drop_kept as forget_kept


def _folder(settings: Settings, folder: Path | None) -> Path:
    return folder or settings.backup_dir or settings.data_dir / "backups"


def _described(backup: Backup) -> dict[str, object]:
    return {
        "file": str(backup.path),
        "taken_at": backup.taken_at.isoformat().replace("+00:00", "Z"),
        "size_bytes": backup.size_bytes,
    }


_DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the backups; by default OPENWATT_BACKUP_DIR, else `backups` in the data folder.",
)


@click.command()
@_DIRECTORY
@click.option("--list", "only_list", is_flag=True, help="Only list the backups there are.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def backup(context: click.Context, *, directory: Path | None, only_list: bool, as_json: bool) -> None:
    """Back the database up, and prove that the backup can be restored.

    The dump (pg_dump's custom format) is restored into a PostgreSQL of its own and
    compared row by row, by digest, with the snapshot it was taken from; only then it
    gets its name. The newest OPENWATT_BACKUP_KEEP stay. The service goes on
    meanwhile. Copy the folder to another machine: a backup beside the data burns with it.
    """
    settings = settings_of(context)
    folder = _folder(settings, directory)
    if only_list:
        _list(folder, as_json=as_json)
        return
    began = time.monotonic()
    with held_database(settings):
        taken = take_backup(
            locate_database(settings)(),
            folder,
            keep=settings.backup_keep,
            progress=lambda text: click.echo(f"{text} ...", err=True),
        )
    if as_json:
        click.echo(json.dumps(_described(taken)))
    else:
        seconds = time.monotonic() - began
        click.echo(f"{taken.path}: {taken.size_bytes:,} bytes, restored and compared, in {seconds:.1f} s")


def _list(folder: Path, *, as_json: bool) -> None:
    found = backups(folder)
    if as_json:
        click.echo(json.dumps([_described(each) for each in found]))
        return
    if not found:
        click.echo(f"no backup in {folder}; `openwatt backup` takes one")
        return
    table = Table("taken at (UTC)", "age", "bytes", Column(f"file in {folder}", overflow="fold"))
    for each in found:
        hours = (datetime.now(UTC) - each.taken_at).total_seconds() / 3600
        age = f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
        table.add_row(f"{each.taken_at:%Y-%m-%d %H:%M:%S}", age, f"{each.size_bytes:,}", each.path.name)
    Console().print(table)


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--drop-kept", is_flag=True, help="Drop the databases that earlier restores have kept.")
@click.option("--yes", is_flag=True, help="Do not ask before the databases change places.")
@click.pass_context
def restore(context: click.Context, *, file: Path | None, drop_kept: bool, yes: bool) -> None:
    """Put a backup in the place of the database.

    FILE is restored beside the database and compared with what was dumped; then the
    two change names in an instant. The service may run: it connects again by itself.
    The old database stays under the name that is printed, until `--drop-kept`.
    """
    settings = settings_of(context)
    if drop_kept == (file is not None):
        raise click.UsageError("name a backup's FILE, or give --drop-kept")
    if file is None:
        with held_database(settings):
            dropped = forget_kept(locate_database(settings)())
        click.echo(f"dropped {', '.join(dropped)}" if dropped else "no restore has kept a database")
        return
    if not yes:
        click.confirm(f"Replace the database by {file}?", abort=True, err=True)
    began = time.monotonic()
    with held_database(settings):
        old_database = restore_backup(
            locate_database(settings)(), file, progress=lambda text: click.echo(f"{text} ...", err=True)
        )
    click.echo(f"restored in {time.monotonic() - began:.1f} s; the old database is kept as {old_database}")
    click.echo("when all is well: openwatt restore --drop-kept")


COMMANDS: tuple[click.Command, ...] = (backup, restore)
