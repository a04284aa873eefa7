"""The command `openwatt logs`, which searches the local log for a request or the latest errors."""

import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from openwatt.cli.settings import settings_of
from openwatt.cli.streams import check_reader
from openwatt.telemetry.logs.console_formatter import format_line
from openwatt.telemetry.logs.search import LEVELS, LogQuery, LogSearch, parse_since


def _moment(_context: click.Context, _parameter: click.Parameter, text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        return parse_since(text, dt.datetime.now(dt.UTC))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command("logs")
@click.option(
    "--file",
    "log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The log to search, with its rotated and compressed files; by default OPENWATT_LOG_FILE.",
)
@click.option("--request-id", metavar="ID", help="Only the records of one request: its X-Request-ID.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="Only this level and worse.")
@click.option(
    "--since", metavar="WHEN", callback=_moment, help="Only since: 15m, 2h, 3d, or a date and time."
)
@click.option("--path", metavar="PATH", help="Only requests for this path; * and ? stand for anything.")
@click.option("-f", "--follow", is_flag=True, help="Then wait for new records, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of readable ones.")
@click.pass_context
def logs(
    context: click.Context, /, *, log: Path | None, follow: bool, as_json: bool, **conditions: Any
) -> None:
    """Search the local JSON log.

    Example: openwatt logs --request-id f47ac10b-58cc-4372-a567-0e02b2c3d479
    """
    log = log or settings_of(context).log_file
    if log is None:
        raise click.UsageError("say which log with --file, or set OPENWATT_LOG_FILE as for the service")
    if not log.exists() and not follow:
        raise click.ClickException(f"there is no log at {log}: is OPENWATT_LOG_FILE set for the service?")
    search = LogSearch(log, LogQuery(**conditions))
    try:
        for entry in _records(search, follow=follow):
            click.echo(_shown(entry, as_json=as_json))
            if follow:
                sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    if search.unreadable:
        click.echo(f"{search.unreadable} lines were no records and were left out", err=True)


def _records(search: LogSearch, *, follow: bool) -> Iterator[dict[str, Any]]:
    return search.follow(check_reader) if follow else search.entries()


def _shown(entry: dict[str, Any], *, as_json: bool) -> str:
    if as_json:
        return msgspec.json.encode(entry).decode()
    return format_line(entry, colour=sys.stdout.isatty())


COMMANDS: tuple[click.Command, ...] = (logs,)
