"""The output files of commands, which appear whole or not at all."""

import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from openwatt.domain.errors import OpenWattError


class OutputError(OpenWattError):
    """Raised when something cannot be written; the message says where and why."""


@contextmanager
def open_output(path: str) -> Iterator[TextIO]:
    """Opens a stream for UTF-8 text; `-` is standard output.

    A file is written aside and takes its name when the block ends well, so that
    what lay there before survives everything else. What is no plain file, such as
    a device or a pipe, is written to directly.

    Raises:
        OutputError: when it cannot be written.
    """
    if path == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        target = Path(path).resolve()
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8", newline="") as stream:
                yield stream
        else:
            with (
                _written_aside(target) as file,
                io.TextIOWrapper(file, encoding="utf-8", newline="") as text,
            ):
                yield text
                text.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def write_output(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all, as `open_output` does.

    Raises:
        OutputError: when it cannot be written.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(content)
            return
        with _written_aside(target) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def _written_aside(target: Path) -> Iterator[BinaryIO]:
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        os.umask(mask := os.umask(0o077))  # it can only be read by setting it
        mode = 0o666 & ~mask
    descriptor, aside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        Path(aside).chmod(mode)
        Path(aside).replace(target)
    except BaseException:
        Path(aside).unlink()
        raise
