"""The `openwatt` command: prints what is asked for and exits with a status that says how it went."""

import errno
import signal
import sys
import threading
from typing import Any

import click

from openwatt import __version__
from openwatt.cli import (
    backup,
    bills,
    doctor,
    drill,
    ingestion,
    inspection,
    logs,
    portfolio,
    review,
    sentry,
    service,
    sources,
    tariffs,
)
from openwatt.domain.errors import OpenWattError
from openwatt.telemetry.logs import plain_logs

_INTERRUPTED = 130  # what shells say of a program that Ctrl-C ended
_TERMINATED = 143  # and of one that SIGTERM ended


def _end(_signal: int, _frame: object) -> None:
    raise SystemExit(_TERMINATED)


class _Commands(click.Group):
    """Turns what may happen to a command into a sentence and a status; a traceback is for faults of ours."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except OpenWattError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read us has enough: click ends without a word
            where = error.filename or "the output"
            raise click.ClickException(f"{where} cannot be used: {error.strerror}") from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_INTERRUPTED) from None
        return answer


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="openwatt %(version)s")
def main() -> None:
    """French residential electricity tariffs: dated, sourced, exact.

    Settings come from OPENWATT_* variables or the file .env; `openwatt settings`
    lists them. Without OPENWATT_DATABASE_URL an embedded PostgreSQL is used and
    started when it is needed.
    """
    if threading.current_thread() is threading.main_thread():
        # Left in order: the database is released. And the first process of a container hears no other way.
        signal.signal(signal.SIGTERM, _end)
    plain_logs()


for command in (
    *tariffs.COMMANDS,
    *bills.COMMANDS,
    *portfolio.COMMANDS,
    *ingestion.COMMANDS,
    *sources.COMMANDS,
    *review.COMMANDS,
    *inspection.COMMANDS,
    *logs.COMMANDS,
    *service.COMMANDS,
    *backup.COMMANDS,
    *doctor.COMMANDS,
    *drill.COMMANDS,
    *sentry.COMMANDS,
):
    main.add_command(command)
