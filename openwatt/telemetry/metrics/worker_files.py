"""Reads the files that workers share, for a scrape: a damaged file costs its own figures only."""

import logging
import os
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from openwatt.telemetry.metrics import shared_values
from openwatt.telemetry.metrics.shared_values import DAMAGED_SUFFIX, DamagedFileError
from openwatt.telemetry.metrics.worker_slots import master_lives

logger = logging.getLogger(__name__)

#: Read; created and not filled, as the disk had no room; not readable by this process; set aside.
STATES: Final = ("read", "empty", "unreadable", "damaged")

#: The file that `openwatt drill disk` makes. It counts as long as a drill may last: its maker may be killed.
DRILL_FILE: Final = "counter_drill-1.db"
_DRILL_SECONDS: Final = 3600


def files_family(states: Counter[str]) -> GaugeMetricFamily:
    """The files by state, as a scrape found them."""
    family = GaugeMetricFamily(
        "openwatt_metrics_files",
        "Files in which workers keep their metrics: read, empty for want of room, unreadable, damaged.",
        labels=("state",),
    )
    for state in STATES:
        family.add_metric((state,), states[state])
    return family


class WorkerFiles(Collector):
    """The library's collector, for files that come and go: it would fail the whole scrape for one of them.

    A file is empty for a moment when it is made, for longer where the disk has no
    room for it; a cold start deletes files between listing and reading. Live gauges of
    a master that is dead are left out, whoever has its pid now.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._unreadable: set[str] = set()

    def collect(self) -> Iterable[Metric]:
        """The values of every worker, together, and how many files they come from."""
        for _ in range(10):
            with suppress(FileNotFoundError):
                return self._collect()
        return []

    def describe(self) -> Iterable[Metric]:
        """Nothing: registration reads no file."""
        return []

    def _collect(self) -> list[Metric]:
        states: Counter[str] = Counter()
        files = list(self._files(states))
        if not (files or states):
            return []  # no application has written here
        try:
            families = _merged(files)
        except FileNotFoundError:
            raise
        except Exception:  # noqa: BLE001  what a damaged file makes the library raise is any error
            files = [path for path in files if self._is_sound(path, states)]
            families = _merged(files)
        states["read"] = len(files)
        return [*families, files_family(states)]

    def _files(self, states: Counter[str]) -> Iterable[Path]:
        """The files to read; the others are counted."""
        lives: dict[str, bool] = {}
        with os.scandir(self._directory) as found:
            names = sorted(entry.name for entry in found)
        for name in names:
            if name.endswith(DAMAGED_SUFFIX):
                states["damaged"] += 1
            if not name.endswith(".db"):
                continue
            path = self._directory / name
            try:
                used = shared_values.used_bytes(path)
            except FileNotFoundError:
                continue  # its process has just ended
            except DamagedFileError as error:
                self._set_aside(path, str(error), states)
                continue
            except OSError as error:
                self._cannot_read(path, error, states)
                continue
            if not used:
                # A master has no values after its start, and does not reserve space again.
                states["empty"] += not name.endswith("-0.db") and not self._is_over(path)
            elif not name.startswith("gauge_live") or self._is_live(name, lives):
                yield path

    def _is_over(self, path: Path) -> bool:
        """Whether a file is that of a drill that has ended without removing it."""
        if path.name != DRILL_FILE:
            return False
        with suppress(OSError):
            return time.time() - path.stat().st_mtime > _DRILL_SECONDS
        return True

    def _is_live(self, name: str, lives: dict[str, bool]) -> bool:
        """Whether the master of a live gauge still runs; each master is looked up once."""
        master = name.rpartition("_")[2].partition("-")[0]
        if master not in lives:
            lives[master] = master_lives(self._directory, name) is not False
        return lives[master]

    def _is_sound(self, path: Path, states: Counter[str]) -> bool:
        try:
            content = path.read_bytes()
            for _key, _position in shared_values.entries(content):
                pass
            _merged([path])
        except FileNotFoundError:
            return False
        except OSError as error:
            self._cannot_read(path, error, states)
            return False
        except Exception as error:  # noqa: BLE001  as above
            self._set_aside(path, str(error) or type(error).__name__, states)
            return False
        return True

    def _set_aside(self, path: Path, reason: str, states: Counter[str]) -> None:
        try:
            shared_values.set_aside(path)
        except OSError as error:  # another user's folder: it stays, and is left out each time
            self._cannot_read(path, error, states)
            return
        states["damaged"] += 1
        report_damaged(path, reason)

    def _cannot_read(self, path: Path, error: OSError, states: Counter[str]) -> None:
        states["unreadable"] += 1
        if path.name not in self._unreadable:
            self._unreadable.add(path.name)
            logger.error(
                "a file of the metrics cannot be read: its figures are missing",
                extra={"file": str(path), "error": error.strerror or str(error)},
            )


def report_damaged(path: Path, reason: str) -> None:
    """Logs that a file was set aside."""
    logger.error(
        "a damaged file of the metrics was set aside: its figures are missing",
        extra={"file": f"{path}{DAMAGED_SUFFIX}", "error": reason},
    )


def _merged(files: Iterable[Path]) -> list[Metric]:
    return list(MultiProcessCollector.merge([str(path) for path in files]))  # type: ignore[no-untyped-call]
