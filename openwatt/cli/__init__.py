"""The `openwatt` command line: it runs one command and exits with a status that says how it went."""

import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

import click

from openwatt import __version__
from openwatt.cli import streams
from openwatt.cli.commands import LazyCommands, short_help
from openwatt.domain.errors import OpenWattError

_INTERRUPTED = 130  # what shells say of a program that Ctrl-C ended
_TERMINATED = 143  # and of one that SIGTERM ended


def _end(_signal: int, _frame: object) -> None:
    raise SystemExit(_TERMINATED)


class _Commands(click.Group):
    """Turns what may happen to a command into a sentence and a status; a traceback is for faults of ours."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Reads the command line; `--help` and `--version` print and end here."""
        with streams.reader_may_go():
            return super().make_context(*args, **extra)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands with their declared help: none is imported for it."""
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(map(len, names))  # as click has it
        with formatter.section("Commands"):
            formatter.write_dl([(name, short_help(name, width)) for name in names])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that is named."""
        try:
            with streams.reader_may_go():
                return super().invoke(ctx)
        except OpenWattError as error:
            from openwatt.sentences.catalogue import sentence  # noqa: PLC0415 - only an error needs it

            raise click.ClickException(sentence(error)) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_INTERRUPTED) from None

    # click declares it twice, by what is returned.
    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        """Runs the command line and ends the process with its status, whatever becomes of its output."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        streams.open_missing_streams()
        try:
            try:
                status = self._status(args, **extra)
            finally:
                streams.flush_output()
        except streams.ReaderGoneError:
            status = streams.status_without_reader()
        except OSError as error:
            status = streams.status_of(error)
        sys.exit(status)

    def _status(self, args: Sequence[str] | None, **extra: Any) -> int:
        try:
            status = super().main(args, standalone_mode=False, **extra)
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except click.Abort:
            click.echo("Aborted!", err=True)
            return 1
        return status if isinstance(status, int) else 0


@click.group(cls=_Commands, commands=LazyCommands(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="openwatt %(version)s")
def main() -> None:
    """French residential electricity tariffs: dated, sourced, exact.

    Settings come from OPENWATT_* variables or the file .env; `openwatt settings`
    lists them. Without OPENWATT_DATABASE_URL an embedded PostgreSQL is used and
    started when it is needed.

    A command whose reader has gone (`| head -1`) ends without a word and with status
    141; one whose output is full ends with an error and status 1.
    """
    if threading.current_thread() is threading.main_thread():
        # Left in order: the database is released. And the first process of a container hears no other way.
        signal.signal(signal.SIGTERM, _end)
    from openwatt.telemetry.logs.command_log import log_to_stderr  # noqa: PLC0415 (not for --help and --version)

    log_to_stderr()
