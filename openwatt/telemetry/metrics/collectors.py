"""Collectors of what is read at scrape time: the state of the ingestion, backups, disks."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class IngestState:
    """The state of one source: its runs by outcome, its last success and look (Unix time)."""

    source: str
    last_success_at: float | None
    runs: Mapping[str, int] = field(default_factory=dict)
    last_look_at: float | None = None
    failures_in_a_row: int = 0
    cadence_s: float | None = None
    reviews_pending: int = 0


#: Gauge → its help and the value of a state; None where the state does not say.
_INGEST_GAUGES: Final[Mapping[str, tuple[str, Callable[[IngestState], float | None]]]] = {
    "last_success_timestamp_seconds": (
        "When a source was last read without fault.",
        lambda state: state.last_success_at,
    ),
    "last_look_timestamp_seconds": (
        "When a source was last fetched, whatever the outcome.",
        lambda state: state.last_look_at,
    ),
    "failures_in_a_row": (
        "Runs of a source since its last success; from three on it is broken.",
        lambda state: state.failures_in_a_row,
    ),
    "cadence_seconds": ("How often a source is to be looked at.", lambda state: state.cadence_s),
    "reviews_pending": (
        "Refused documents of a source that wait for a decision.",
        lambda state: state.reviews_pending,
    ),
}


class IngestCollector(Collector):
    """The state of the ingestion, read at scrape time: true whichever host ran it.

    `read` returns the state of every source, from the database. When it raises,
    the scrape still succeeds and `openwatt_ingest_state_readable` says 0: a
    database that is down must not take the other metrics with it.
    """

    def __init__(self, read: Callable[[], Iterable[IngestState]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """The families, for one scrape."""
        runs = CounterMetricFamily("openwatt_ingest_runs", "Ingestion runs.", labels=("source", "outcome"))
        readable = GaugeMetricFamily(
            "openwatt_ingest_state_readable", "1 when the state was read from the database."
        )
        try:
            states = list(self._read())
        except Exception:  # noqa: BLE001  whatever the reader raises, the other metrics are still served
            readable.add_metric((), 0)
            return [readable]
        gauges = []
        for name, (text, value_of) in _INGEST_GAUGES.items():
            gauge = GaugeMetricFamily(f"openwatt_ingest_{name}", text, labels=("source",))
            for state in states:
                if (value := value_of(state)) is not None:
                    gauge.add_metric((state.source,), value)
            gauges.append(gauge)
        for state in states:
            for outcome, count in state.runs.items():
                runs.add_metric((state.source, outcome), count)
        readable.add_metric((), 1)
        return [*gauges, runs, readable]

    def describe(self) -> Iterable[Metric]:
        """Nothing: registration must not read the database."""
        return []


class BackupCollector(Collector):
    """The newest finished backup, read at scrape time: true whichever process took it.

    `read` returns when it was taken (Unix time) and its size in bytes, None when there
    is none: the time is then 0, so that a backup that never came is stale too.
    `read_supported` says whether the database's server can be backed up and restored,
    None while that is not known.
    """

    def __init__(
        self,
        read: Callable[[], tuple[float, int] | None],
        read_supported: Callable[[], bool | None] = lambda: None,
    ) -> None:
        self._read = read
        self._read_supported = read_supported

    def collect(self) -> Iterable[Metric]:
        """The families, for one scrape."""
        taken_at, size = self._read() or (0.0, 0)
        yield GaugeMetricFamily(
            "openwatt_backup_last_success_timestamp_seconds",
            "When the newest finished backup was taken.",
            value=taken_at,
        )
        yield GaugeMetricFamily(
            "openwatt_backup_size_bytes", "Size of the newest finished backup.", value=size
        )
        supported = self._read_supported()
        if supported is not None:
            yield GaugeMetricFamily(
                "openwatt_backup_supported",
                "1 when the database is of a PostgreSQL version that can be backed up and restored, else 0.",
                value=int(supported),
            )

    def describe(self) -> Iterable[Metric]:
        """Nothing: registration must not read the disk."""
        return []


class PriceState(NamedTuple):
    """What a kWh of a contract costs at the moment, in EUR with all taxes, and the register that runs."""

    supplier: str
    offer: str
    option: str
    power_kva: str
    register: str
    price_eur_per_kwh: float


class PriceCollector(Collector):
    """The prices of some contracts, read at scrape time.

    `read` returns those that are known. When it raises, the scrape still succeeds, without prices.
    """

    def __init__(self, read: Callable[[], Iterable[PriceState]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """The family, for one scrape; two homes with the same contract and register are one series."""
        price = GaugeMetricFamily(
            "openwatt_price_eur_per_kwh",
            "What a kilowatt hour of a contract costs now, with all taxes.",
            labels=PriceState._fields[:-1],
        )
        with suppress(Exception):  # whatever the reader raises, the other metrics are still served
            for *labels, value in dict.fromkeys(self._read()):
                price.add_metric(labels, value)
        return [price]

    def describe(self) -> Iterable[Metric]:
        """Nothing: registration must not read the database."""
        return []


class DiskCollector(Collector):
    """The free space on the disks of some folders, read at scrape time: true whichever process fills them."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = {name: path.resolve() for name, path in folders.items()}

    def collect(self) -> Iterable[Metric]:
        """The families, for one scrape; a folder that cannot be read is left out."""
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
