"""Handlers of the root logger that are our own: request records, console, file."""

import logging
import os
import sys
from pathlib import Path
from typing import IO

from openwatt.telemetry import context as contexts
from openwatt.telemetry.lost_writes import lost_writes
from openwatt.telemetry.reservation import NO_ROOM


class RequestRecordsHandler(logging.Handler):
    """Keeps the records of the current request for an error report."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Appends to the request's own deque: no lock is needed, one thread serves one request."""
        context = contexts.current()
        if context is not None:
            context.records.append(record)
        return True


class ConsoleHandler(logging.StreamHandler[IO[str]]):
    """Standard output or error; a line that a full disk or a closed pipe refuses is counted."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name is the library's
        """Counts a line that could not be written; every other fault is the library's to report."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            lost_writes.add("stdout", error)
        else:
            super().handleError(record)


class FileHandler(logging.Handler):
    """Appends each record, as one line, to a file that rotation may rename at any time.

    It looks before each line and opens the file again, which gunicorn's USR1
    does not do for the root logger. It makes a new file itself, readable by
    owner and group: were logrotate to make it, its file and ours could meet.

    Nothing is buffered: a line is in the file, or it is lost and counted. Of one that
    a full disk took in part the rest is not written later, in the middle of others.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            OSError: it cannot be opened, for another reason than a full disk.
        """
        super().__init__()
        self.path = path
        self._descriptor = -1
        self._identity = (0, 0)
        self._torn = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise

    def _open(self) -> None:
        self._close()
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        status = os.fstat(self._descriptor)
        self._identity = (status.st_dev, status.st_ino)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _find(self) -> None:
        """Opens the file again when another one, or none, is at its path."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        else:
            if self._descriptor >= 0 and (status.st_dev, status.st_ino) == self._identity:
                return
        self._open()

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line, whole or counted as lost; never raises."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        except Exception:  # noqa: BLE001  a logging call never raises in the code that logs
            self.handleError(record)
            return
        try:
            self._find()
            if self._torn:  # its line ends here, so that this one can be read
                line = b"\n" + line
            written = os.write(self._descriptor, line)
            while written < len(line):
                self._torn = True
                written += os.write(self._descriptor, line[written:])
            self._torn = False
        except OSError as error:
            lost_writes.add("log_file", error)

    def close(self) -> None:
        """Closes the file."""
        self.acquire()
        try:
            self._close()
        finally:
            self.release()
        super().close()
