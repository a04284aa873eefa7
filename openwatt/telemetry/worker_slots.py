"""The life of the directory in which workers share their metrics: one set of files for each worker's place.

The library names files by pid, so that each recycled worker leaves files that
every scrape reads for ever (2.8 ms each). Here a file is named by master and
slot, and a new worker goes on where the last one in its place stopped: counters
stay exact, and the number of files is that of the workers.

`prepare` must run before the first metric is made; the rest are gunicorn's hooks.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_SLOT: Final = "openwatt_slot"


class _Place:
    """Which place this process holds; a process that was given none is known by its pid."""

    def __init__(self) -> None:
        self.name = ""
        self.prepared = False

    def __call__(self) -> str:
        return self.name or f"{os.getpid()}-0"


_place = _Place()


def directory() -> Path | None:
    """The shared directory, or None outside of multiprocess mode."""
    path = os.environ.get(_VARIABLE)
    return Path(path) if path else None


def prepare(path: Path, environ: Mapping[str, str] = os.environ) -> None:
    """Turns multiprocess mode on for this process and its children; a second call changes nothing.

    At a cold start the files of masters that are dead are removed. A master that
    another one started (USR2) removes nothing: it goes on with what was counted.
    """
    if os.environ.get(_VARIABLE) == str(path) and _place.prepared:
        return
    _place.prepared = True
    path.mkdir(parents=True, exist_ok=True)
    os.environ[_VARIABLE] = str(path)
    if "GUNICORN_PID" not in environ:
        for file in path.glob("*.db"):
            if not _is_alive(file):
                file.unlink(missing_ok=True)
    values.ValueClass = values.MultiProcessValue(process_identifier=_place)  # type: ignore[no-untyped-call]


def _is_alive(file: Path) -> bool:
    """Whether the master that a file is named after lives: `counter_<master>-<slot>.db`."""
    master = file.stem.rpartition("_")[2].partition("-")[0]
    try:
        os.kill(int(master), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return int(master) != os.getpid()


def number() -> str:
    """The number of this worker's place: those of a master count from 1; the master itself is 0."""
    return _place().rpartition("-")[2]


def on_exit() -> None:
    """Forgets the live gauges of a master that ends: after a USR2 the next one lives on in the directory."""
    shared = directory()
    if shared is not None:
        mark_process_dead(_place(), str(shared))  # type: ignore[no-untyped-call]


def pre_fork(server: Any, worker: Any) -> None:
    """Gives a new worker the lowest place that no living worker of this master holds."""
    taken = {getattr(other, _SLOT, None) for other in server.WORKERS.values()}
    number = next(n for n in range(1, len(taken) + 2) if f"{os.getpid()}-{n}" not in taken)
    setattr(worker, _SLOT, f"{os.getpid()}-{number}")


def post_fork(worker: Any) -> None:
    """Makes the worker's values those of its place."""
    _place.name = getattr(worker, _SLOT)


def child_exit(worker: Any) -> None:
    """Forgets what a dead worker was doing (live gauges), not what it did."""
    shared = directory()
    place = getattr(worker, _SLOT, None)
    if shared is not None and place is not None:
        mark_process_dead(place, str(shared))  # type: ignore[no-untyped-call]
