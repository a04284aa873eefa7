"""The `openwatt` command run for a request, in a process of its own: what it may cost is bounded.

A worker never loads the readers of documents: a PDF is a program from outside, and what
reads it may need a gigabyte or hang. The process reads what it is given from its input,
so that nothing is put on a disk.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from openwatt.sandbox import command_of, environment, kill_group

#: How long a request waits for a command; Gunicorn gives a worker that ends 30 s.
MAX_SECONDS = 25
#: Of the command itself: addresses, of which 190 MB are Python and its libraries, and processor time. The
#: process in which it reads a document has the limits of a run.
MAX_MEGABYTES = 350
MAX_CPU_SECONDS = 4
#: Commands that one worker runs at once.
MOST_AT_ONCE = 1


class BusyError(Exception):
    """As many commands as may run at once are running."""


class OvertimeError(Exception):
    """A command was ended at its deadline."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended: its exit status, what it printed, and the last line of its complaint."""

    status: int
    output: bytes
    complaint: str


class Commands:
    """The commands of one worker. `environment` tells the settings of one that uses the database."""

    def __init__(self, environment: Callable[[], Mapping[str, str]], *, seconds: int = MAX_SECONDS) -> None:
        self._environment = environment
        self._seconds = seconds
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)

    def run(self, arguments: Sequence[str], *, given: bytes = b"", uses_database: bool = False) -> Done:
        """Runs `openwatt` with arguments and input to its end.

        Raises:
            BusyError: another one runs.
            OvertimeError: it took too long, and was ended with all that it had started.
        """
        if not self._free.acquire(blocking=False):
            raise BusyError
        try:
            return self._run(arguments, given, self._environment() if uses_database else {})
        finally:
            self._free.release()

    def _run(self, arguments: Sequence[str], given: bytes, settings: Mapping[str, str]) -> Done:
        of_libpq = {name: value for name, value in os.environ.items() if settings and name.startswith("PG")}
        bounds = [str(self._seconds), str(MAX_MEGABYTES), str(MAX_CPU_SECONDS)]
        process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            command_of("openwatt.cli.limited", *bounds, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",  # not ours: the file .env of a folder would be read
            env=environment(of_libpq | dict(settings)),
            start_new_session=True,
        )
        try:
            output, complaint = process.communicate(given, timeout=self._seconds)
        except BaseException as error:
            kill_group(process.pid)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise OvertimeError from None
            raise
        if process.returncode in {-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL}:
            raise OvertimeError
        lines = complaint.decode(errors="replace").strip().splitlines()
        return Done(process.returncode, output, lines[-1].removeprefix("Error: ") if lines else "")
