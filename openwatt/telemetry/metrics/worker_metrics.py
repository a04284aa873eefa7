"""The metric families of each Gunicorn worker: its life, its load, its memory and processor time."""

import logging
import os
import resource
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from openwatt.telemetry.lost_writes import TARGETS, lost_writes
from openwatt.telemetry.metrics import shared_values, worker_slots
from openwatt.telemetry.metrics.worker_files import report_damaged

logger = logging.getLogger(__name__)

_STATM: Final = Path("/proc/self/statm")
#: Why a connection is ended: it sent nothing, its head, its body or its reading was too slow, its address
#: has too many, the worker has too many.
END_REASONS: Final = ("silent", "head", "body", "answer", "address", "full")
#: Between two records of the same loss.
_LOG_AGAIN_SECONDS: Final = 60.0
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class WorkerMetrics:
    """The families of the workers, by the number of a worker's slot: a new worker continues the old one's.

    They are reported by the worker's main loop, not by its requests: an idle
    worker is seen too, and one that hangs is not.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("worker",)
        self._expected = Gauge(
            "openwatt_workers_expected",
            "Workers that the settings ask for.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._starts = Counter("openwatt_worker_starts", "Workers started.", labels, registry=registry)
        self._cpu = Counter(
            "openwatt_worker_cpu_seconds", "Processor time of workers.", labels, registry=registry
        )
        self._seen = Gauge(
            "openwatt_worker_seen_timestamp_seconds",
            "When a worker last went through its main loop.",
            labels,
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._memory = Gauge(
            "openwatt_worker_resident_bytes",
            "Memory that a worker holds, the pages it shares with others included.",
            labels,
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._threads = Gauge(
            "openwatt_worker_threads",
            "Threads that answer a request (busy), requests that wait for one (waiting), all threads (most).",
            ("state",),
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._connections = Gauge(
            "openwatt_worker_connections",
            "Connections from which a request comes (receiving), that read an answer (sending), that are "
            "idle between requests (idle); all of them, and how many there may be (most).",
            ("state",),
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._ended = Counter(
            "openwatt_connections_ended",
            "Connections that the service has ended or refused, by what was too slow or too many.",
            ("reason",),
            registry=registry,
        )
        self._lost = Counter(
            "openwatt_writes_lost",
            "Writes of telemetry that failed, mostly on a full disk: updates of series, log records.",
            ("target",),
            registry=registry,
        )
        for target in TARGETS:  # a series that began with its first loss would hide that loss
            self._lost.labels(target)
        self._loss_logged_at: dict[str, float] = {}
        self._worker = ""
        self._cpu_s = 0.0

    def started(self, *, expected: int) -> None:
        """Counts this process as a new worker, one of so many."""
        self._worker, self._cpu_s = worker_slots.number(), 0.0
        self._expected.set(expected)
        self._starts.labels(self._worker).inc()
        for reason in END_REASONS:  # a series that began with its first event would hide it
            self._ended.labels(reason)

    def report(self, *, threads: int, busy: int, waiting: int, connections: Mapping[str, int]) -> None:
        """Reports this worker's state: its threads, busy ones, requests that wait for one, connections."""
        cpu_s = time.process_time()
        self._cpu.labels(self._worker).inc(cpu_s - self._cpu_s)
        self._cpu_s = cpu_s
        self._seen.labels(self._worker).set(time.time())
        self._memory.labels(self._worker).set(_resident_bytes())
        self._threads.labels("busy").set(busy)
        self._threads.labels("waiting").set(waiting)
        self._threads.labels("most").set(threads)
        for state, number in connections.items():
            self._connections.labels(state).set(number)
        self.report_losses()

    def ended(self, reason: str) -> None:
        """Counts a connection that was ended or refused; `reason` is one of END_REASONS."""
        self._ended.labels(reason).inc()

    def report_losses(self) -> None:
        """Counts and logs what this process could not write; writes damaged files of the metrics again."""
        for path, reason in shared_values.repair():
            report_damaged(path, reason)
        for target, loss in lost_writes.take().items():
            self._lost.labels(target).inc(loss.writes)
            now = time.monotonic()
            if now >= self._loss_logged_at.get(target, 0.0):
                self._loss_logged_at[target] = now + _LOG_AGAIN_SECONDS
                logger.error(
                    "writes are lost", extra={"target": target, "records": loss.writes, "error": loss.reason}
                )


def _resident_bytes() -> int:
    """This process's memory now; where the system does not report that (macOS), its maximum so far."""
    with suppress(OSError):
        return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
