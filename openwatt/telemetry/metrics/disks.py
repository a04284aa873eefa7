"""How full the disks are on which this service writes: told before they are full."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class DiskCollector(Collector):
    """The room on the disks of some folders, asked at scrape time: true whichever process fills them."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = {name: path.resolve() for name, path in folders.items()}

    def collect(self) -> Iterable[Metric]:
        """The families, for one scrape; a folder that cannot be asked is left out."""
        free = GaugeMetricFamily(
            "openwatt_disk_free_bytes",
            "Room on the disk of a folder for a user that is not root.",
            labels=("folder",),
        )
        ratio = GaugeMetricFamily(
            "openwatt_disk_free_ratio",
            "The share of a folder's disk that is free, of its bytes or its inodes, whichever is less.",
            labels=("folder",),
        )
        for name, folder in self._folders.items():
            with suppress(OSError):
                room = os.statvfs(_existing(folder))
                inodes = room.f_favail / room.f_files if room.f_files else 1.0  # Btrfs counts none
                # As df counts: what only root may take is no part of the whole.
                whole = room.f_blocks - room.f_bfree + room.f_bavail
                free.add_metric((name,), room.f_bavail * room.f_frsize)
                ratio.add_metric((name,), min(room.f_bavail / whole if whole else 0.0, inodes))
        return [free, ratio]

    def describe(self) -> Iterable[Metric]:
        """Nothing: registration must not read the disk."""
        return []


def _existing(folder: Path) -> Path:
    """A folder, or the nearest one above it that exists already."""
    return next(one for one in (folder, *folder.parents) if one.exists())
