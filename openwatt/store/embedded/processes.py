"""Processes and their locks, read in the same way on Linux and macOS."""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from openwatt.store.embedded.paths import run


def locked(descriptor: int, kind: int) -> bool:
    """Takes a lock without waiting; whether it was free: LOCK_SH or LOCK_EX, on a descriptor."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}:
            return False
        raise
    return True


def unlock(descriptor: int) -> None:
    """Frees a lock whose descriptor forked children may share, which closing alone would not."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def number_taken(pid: int) -> bool:
    """Whether any process has a pid, be it a zombie that waits for its parent."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def command_of(pid: int) -> bytes:
    """The command line of a living process, empty when there is none (a zombie has none either)."""
    if Path("/proc/self/cmdline").exists():
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        return b""
    return run('ps -ww -o command= -p "$1"', str(pid), account=None)[1].encode()
