"""The commands of an operator: settings, schema, database, metrics."""

import errno
import os
import signal
import socket
from pathlib import Path

import click

from openwatt.bootstrap import connect, held_database, locate_database
from openwatt.cli.settings import settings_of
from openwatt.observability import collectors, metrics_directory
from openwatt.store.database import Database
from openwatt.store.migrate import migrate as migrate_database
from openwatt.telemetry.metrics.server import MetricsServer


@click.command()
def serve() -> None:
    """Serve the API and the pages until Ctrl-C, with workers of Gunicorn.

    Address, workers and all else are settings: OPENWATT_BIND, OPENWATT_WORKERS...; HUP
    takes up changed ones. The database is made ready first: the embedded PostgreSQL is
    started and filled, any other one is migrated. In a checkout `make run` does the same.
    """
    from openwatt.server import Server  # noqa: PLC0415  the web, which no other command needs

    Server().run()


#: Columns of a usual terminal.
_WIDTH = 80


@click.command()
@click.pass_context
def migrate(context: click.Context) -> None:
    """Bring the database to this version's schema; the service does so itself when it starts."""
    settings = settings_of(context)
    with held_database(settings), connect(settings) as connection:
        applied = migrate_database(connection)
    click.echo(f"applied {', '.join(applied)}" if applied else "the schema is up to date")


@click.command("database")
@click.pass_context
def keep_database(context: click.Context) -> None:
    """Keep the embedded PostgreSQL running until a signal ends it, and print where it is.

    Everything that uses it starts it by itself. A machine on which the service and
    timed commands come and go keeps it up with this, so that none of them carries it.
    """
    settings = settings_of(context)
    if settings.database_url:
        raise click.ClickException(
            "OPENWATT_DATABASE_URL names another PostgreSQL, which keeps itself up: nothing is to do here"
        )
    with held_database(settings):
        click.echo(f'the embedded PostgreSQL answers; look into it with psql "{locate_database(settings)()}"')
        _notify_systemd("READY=1")
        while True:
            signal.pause()


def _notify_systemd(state: str) -> None:
    """Notifies systemd, for units of Type=notify. One that is not ours is no error: it may be inherited."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
                notified.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError as error:
            click.echo(f"systemd is not notified: NOTIFY_SOCKET ({address}): {error.strerror}", err=True)


@click.command("settings")
@click.pass_context
def show_settings(context: click.Context) -> None:
    """List every setting with its value and its meaning; secrets are not shown."""
    for variable, value, text in settings_of(context).describe():
        click.secho(f"{variable} (not set)" if value is None else f"{variable} = {value}", bold=True)
        click.echo(click.wrap_text(text, _WIDTH, initial_indent="    ", subsequent_indent="    "))


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9101, show_default=True, help="0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.pass_context
def metrics(context: click.Context, *, port: int, host: str) -> None:
    """Serve /metrics of the running service from a small process of its own.

    It reads the files that the service's workers share, so it answers at once even
    while every worker is busy. Start it with the same settings as the service.
    """
    settings = settings_of(context)
    database = Database(locate_database(settings, start=False), most_connections=1)
    directory = metrics_directory(settings)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        unreadable = next((path for path in (directory, *directory.iterdir()) if not _readable(path)), None)
    except OSError as error:
        raise _unreadable(error.filename, error.strerror) from error
    if unreadable is not None:
        raise _unreadable(unreadable, os.strerror(errno.EACCES))
    try:
        server = MetricsServer(port, directory, collectors(settings, database), host)
    except OSError as error:
        raise click.ClickException(
            f"port {port} cannot be used: {error.strerror}; try another --port"
        ) from error
    click.echo(f"metrics at http://{host}:{server.port}/metrics")
    try:
        server.wait()
    finally:
        database.close()


def _readable(path: Path) -> bool:
    """Whether this process may read a file or a folder; one that has just been removed counts as readable."""
    return os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)) or not path.exists()


def _unreadable(path: object, why: object) -> click.ClickException:
    return click.ClickException(
        f"the metrics that the service's workers share cannot be read: {path}: {why}; run this as the user "
        "of the service, with its OPENWATT_DATA_DIR and OPENWATT_BIND"
    )


COMMANDS: tuple[click.Command, ...] = (serve, migrate, keep_database, show_settings, metrics)
