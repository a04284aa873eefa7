"""The directory in which workers share their metrics: one set of files for each worker slot.

The library names files by pid, so that each recycled worker leaves files that
every scrape reads for ever (2.8 ms each). Here a file is named by master and
slot, and a new worker goes on where the last one in its slot stopped: counters
stay exact, and the number of files is that of the workers.

A master is known by its pid and the time of its start, for its number is another
process's after a reboot. It holds a lock as long as it or a worker of it lives,
which is seen from another container too, where its pid says nothing.

`prepare` must run before the first metric is made; the rest are gunicorn's hooks.
"""

import fcntl
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from prometheus_client import values

from openwatt.telemetry.metrics import shared_values
from openwatt.telemetry.reservation import NO_ROOM

_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_SLOT: Final = "openwatt_slot"
_LIVE: Final = "gauge_live"
_OURS: Final = (".db", ".lock", shared_values.DAMAGED_SUFFIX)


class WorkerSlot:
    """The slot that this process holds; a process without one is named by its pid, below its master."""

    def __init__(self) -> None:
        self.name = ""
        self.master = f"{os.getpid()}.{time.time_ns():x}"
        self.prepared: tuple[Path, int] | None = None
        """The directory and the descriptor that holds the master's lock, 0 for none."""
        os.register_at_fork(after_in_child=self._in_child)

    def _in_child(self) -> None:
        self.name = f"{self.master}-{os.getpid()}"

    def __call__(self) -> str:
        """The name that this process's files carry: `<master>-<number>`."""
        return self.name or f"{self.master}-0"


_slot = WorkerSlot()


def directory() -> Path | None:
    """The shared directory, or None outside of multiprocess mode."""
    path = os.environ.get(_VARIABLE)
    return Path(path) if path else None


def prepare(path: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Turns multiprocess mode on for this process and its children; a second call changes nothing.

    At a cold start the files of masters that are dead are removed. A master that
    another one started (USR2) removes nothing: it goes on with what was counted.
    A full disk is no reason not to start.

    Raises:
        OSError: the directory cannot be made or written to.
    """
    if _slot.prepared is not None and _slot.prepared[0] == path and os.environ.get(_VARIABLE) == str(path):
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = _held_lock(path, _slot.master)
        if "GUNICORN_PID" not in environ:
            _remove_dead(path)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        descriptor = 0
    _slot.prepared = path, descriptor
    os.environ[_VARIABLE] = str(path)
    shared_values.start(path, _slot)
    values.ValueClass = shared_values.SharedValue


def _lock_path(shared: Path, master: str) -> Path:
    return shared / f"master_{master}.lock"


def _held_lock(shared: Path, master: str) -> int:
    """Makes a master's lock, held before it is seen; the kernel frees it when its last holder dies."""
    path = _lock_path(shared, master)
    hidden = path.with_suffix(".new")
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with suppress(OSError):  # a network file system without locks: its masters count as dead
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _master_of(file: str) -> str:
    """The master that a file is named after: `<kind>_<master>-<slot>.db`, `master_<master>.lock`."""
    return file.rpartition("_")[2].rpartition(".")[0].partition("-")[0]


def master_lives(shared: Path, file: str) -> bool | None:
    """Whether the master of a file lives, or a worker of it; None when there is no lock that shows it."""
    try:
        descriptor = os.open(_lock_path(shared, _master_of(file)), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _remove_dead(shared: Path) -> None:
    """Removes every file of the masters that are dead, damaged ones and those of unknown names too."""
    with os.scandir(shared) as found:
        names = sorted(entry.name for entry in found if not entry.is_dir())
    # Locks last: while one is there, its master is known to be dead.
    for name in sorted(names, key=lambda name: name.endswith(".lock")):
        if name.endswith(_OURS) and not master_lives(shared, name.removesuffix(shared_values.DAMAGED_SUFFIX)):
            (shared / name).unlink(missing_ok=True)


def _remove_live_gauges(slot: str) -> None:
    """Removes the live gauges of a process that has ended; its counters stay."""
    shared = directory()
    if shared is None:
        return
    with suppress(OSError), os.scandir(shared) as found:
        for entry in found:
            if entry.name.startswith(_LIVE) and entry.name.endswith(f"_{slot}.db"):
                Path(entry.path).unlink(missing_ok=True)


def number() -> str:
    """The number of this worker's slot: those of a master count from 1; the master itself is 0."""
    return _slot().rpartition("-")[2]


def on_exit() -> None:
    """Removes the live gauges of a master that ends: after a USR2 the next one lives on in the directory."""
    _remove_live_gauges(_slot())


def pre_fork(server: Any, worker: Any) -> None:
    """Assigns to a new worker the lowest slot that no living worker of this master holds."""
    if _slot.prepared is not None:
        shared_values.repair()  # the master has no loop of its own that would reserve space again
    taken = {getattr(other, _SLOT, None) for other in server.WORKERS.values()}
    number = next(n for n in range(1, len(taken) + 2) if f"{_slot.master}-{n}" not in taken)
    setattr(worker, _SLOT, f"{_slot.master}-{number}")


def post_fork(worker: Any) -> None:
    """Makes the worker's values those of its slot."""
    _slot.name = getattr(worker, _SLOT)
    if _slot.prepared is not None:
        shared_values.move()


def child_exit(worker: Any) -> None:
    """Removes the live gauges of a dead worker; its counters stay."""
    slot = getattr(worker, _SLOT, None)
    if slot is not None:
        _remove_live_gauges(slot)
