"""The handling of standard streams that are closed, full, or no longer read."""

import errno
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: What shells say of a program that SIGPIPE ended: whoever read its output had enough.
READER_GONE = 141
OUTPUT_FAILED = 1


class ReaderGoneError(Exception):
    """Raised for a broken pipe. It is no OSError, for click would end with another status."""


@contextmanager
def reader_may_go() -> Iterator[None]:
    """Raises ReaderGoneError in the place of BrokenPipeError."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGoneError from error


def open_missing_streams() -> None:
    """Opens /dev/null in the place of each standard stream that the parent process has closed.

    Otherwise the next file that is opened, the database's lock for example, would
    become the output.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest that is free
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def check_reader() -> None:
    """Raises BrokenPipeError when standard output is no longer read, before anything is written."""
    try:
        descriptor = sys.stdout.fileno()
    except OSError:
        return  # it is no file
    poll = select.poll()
    poll.register(descriptor, 0)  # errors are reported in any case
    if any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def flush_output() -> None:
    """Writes what is still buffered. Raises OSError when that cannot be."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def status_of(error: OSError) -> int:
    """Prints an error of input or output in one line and returns the exit status."""
    if isinstance(error, BrokenPipeError):
        return status_without_reader()
    _write_to_stderr(f"Error: {error.filename or 'the output'} cannot be used: {error.strerror or error}\n")
    _discard_output()
    return OUTPUT_FAILED


def status_without_reader() -> int:
    """The exit status for a broken pipe; nothing is printed."""
    _discard_output()
    return READER_GONE


def _write_to_stderr(line: str) -> None:
    """Writes a line to standard error, if that can be."""
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except OSError:
        pass


def _discard_output() -> None:
    """Discards what cannot be written: Python would try again at its end, and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.flush()
