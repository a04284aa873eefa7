"""What Prometheus reads: requests, tariffs served, guards, pool, workers, log shipping, freshness of data."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from openwatt.telemetry.metrics import worker_slots
from openwatt.telemetry.metrics.response_cache import ResponseCacheMetrics
from openwatt.telemetry.metrics.worker_files import WorkerFiles
from openwatt.telemetry.metrics.worker_metrics import WorkerMetrics
from openwatt.telemetry.shipping.shipper import DROP_REASONS, Snapshot

#: Edges exactly on the thresholds that alerts and objectives name: 1 s and 2 s. Seconds.
DURATION_BUCKETS: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    1.5,
    2.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: A request that no rule matches, whatever its path: paths are an attacker's to choose.
UNMATCHED_ROUTE: Final = "<unmatched>"
OTHER_METHOD: Final = "OTHER"
#: Counted from a route's first answer on: a series that began with its first errors would hide them,
#: for Prometheus sees what was added since a scrape, not what a series began with.
_ERRORS: Final = ("500", "503")


#: Why a customer's file is refused: by a bound of `meter.bounds`, or `busy`.
UPLOAD_REFUSALS: Final = (
    *("bytes", "lines", "line", "columns", "cells", "nodes", "members"),
    *("memory", "time", "crash", "busy"),
)


class Metrics:
    """Every family the service feeds, each with its few and known labels.

    In multiprocess mode (`worker_slots.prepare`) values live in files that all
    workers share; `registry` then holds only the families, and what is served
    is `exposition()`.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter(
            "http_requests", "Requests answered.", labels, registry=registry
        )  # exposed as http_requests_total
        self._durations = Histogram(
            "http_request_duration_seconds",
            "Time from the first hook of a request to its response.",
            labels,
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.in_progress = Gauge(
            "http_requests_in_progress",
            "Requests being answered.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._build = Gauge(
            "openwatt_build_info",
            "1, with the version and revision that run.",
            ("version", "revision"),
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.tariffs_served = Counter(
            "openwatt_tariffs_served", "Tariffs given in answers.", ("option",), registry=registry
        )
        self.guard_alerts = Counter(
            "openwatt_guard_alerts", "Doubts raised about figures read.", ("guard",), registry=registry
        )
        self.limit_breaches = Counter(
            "openwatt_rate_limit_breaches",
            "Requests refused by a limit.",
            ("route", "limit"),
            registry=registry,
        )
        self.uploads_refused = Counter(
            "openwatt_uploads_refused",
            "Customers' files refused by a bound, or because as many were read as may be at once.",
            ("reason",),
            registry=registry,
        )
        self.uploads_cpu = Counter(
            "openwatt_upload_cpu_seconds",
            "Processor time of the processes that read customers' files.",
            registry=registry,
        )
        for reason in UPLOAD_REFUSALS:  # a series that began with its first refusal would hide it
            self.uploads_refused.labels(reason)
        self.limiter_degraded = Gauge(
            "openwatt_rate_limiter_degraded",
            "1 while limits are counted in a worker's memory because Redis does not answer.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._pool = Gauge(
            "openwatt_database_pool",
            "Connections and waiting requests of the database pool.",
            ("state",),
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.settings_refused = Gauge(
            "openwatt_settings_refused",
            "1 while the service runs by former settings, because a reload could not use the new ones.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._shipping = _ShippingMetrics(registry)
        self.worker = WorkerMetrics(registry)
        self.response_cache = ResponseCacheMetrics(registry)
        self._children: dict[tuple[str, str | None, int], tuple[Counter, Histogram]] = {}

    def announce_build(self, version: str, revision: str) -> None:
        """Says what runs: the same words as in logs and as Sentry's release."""
        self._build.labels(version, revision).set(1)

    def observe_request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Counts one answered request. `route` is the matched rule, never the path; None when none did."""
        key = (method if method in METHODS else OTHER_METHOD, route, status)
        children = self._children.get(key)
        if children is None:
            labels = (key[0], UNMATCHED_ROUTE if route is None else route, str(status))
            children = (self._requests.labels(*labels), self._durations.labels(*labels))
            self._children[key] = children
            if route is not None:
                for error in _ERRORS:
                    self._requests.labels(labels[0], route, error)
        children[0].inc()
        children[1].observe(seconds)

    def report_pool(self, statistics: Mapping[str, int]) -> None:
        """Shows a pool's own statistics: `get_stats()` of psycopg_pool."""
        for name, state in _POOL_STATES.items():
            self._pool.labels(state).set(statistics.get(name, 0))

    def shipping_reporter(self) -> Callable[[Snapshot], None]:
        """What shows where this process's log records are: `on_progress` of one shipper."""
        return _ShippingReporter(self._shipping)

    def exposition(self, collectors: Iterable[Collector] = ()) -> CollectorRegistry:
        """What a scrape of the application reads: every worker's values, and the collectors given."""
        directory = worker_slots.directory()
        if directory is not None:
            return exposition_of(directory, collectors)
        served = CollectorRegistry()
        for collector in (self.registry, *collectors):
            served.register(collector)
        return served


def exposition_of(directory: Path, collectors: Iterable[Collector] = ()) -> CollectorRegistry:
    """What a scrape reads from a multiprocess directory: a separate process may serve it."""
    served = CollectorRegistry()
    served.register(WorkerFiles(directory))
    for collector in collectors:
        served.register(collector)
    return served


_POOL_STATES: Final = {
    "pool_size": "open",
    "pool_available": "idle",
    "requests_waiting": "waiting",
    "pool_max": "most",
}


class _ShippingMetrics:
    """Counters made of the differences between snapshots, gauges of their state."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"openwatt_log_records_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, mode: str = "livesum") -> Gauge:
            return Gauge(f"openwatt_log_shipping_{name}", text, multiprocess_mode=mode, registry=registry)  # type: ignore[arg-type]  # typed as the few words it is always given

        self._counters = {
            "emitted": counter("emitted", "Log records given to shipping."),
            "adopted": counter("adopted", "Log records taken over from a process that ended."),
            "sent": counter("sent", "Log records that the receiver has read."),
            "resent": counter("resent", "Log records sent once more after a broken connection."),
        }
        self._dropped = counter("dropped", "Log records lost, by reason.", ("reason",))
        for reason in DROP_REASONS:  # a series that began with its first loss would hide that loss
            self._dropped.labels(reason)
        self._gauges = {
            "queued": gauge("queued_records", "Log records in memory."),
            "spooled": gauge("spooled_records", "Log records on disk, waiting for the receiver."),
            "spooled_bytes": gauge("spooled_bytes", "Their size."),
            "connected": gauge("connected", "Processes connected to the receiver."),
            "last_success_at": gauge(
                "last_success_timestamp_seconds", "When the receiver last took records.", "livemax"
            ),
        }

    def add(self, last: Snapshot, snapshot: Snapshot) -> None:
        for name, counter in self._counters.items():
            counter.inc(getattr(snapshot, name) - getattr(last, name))
        for reason, count in snapshot.dropped.items():
            self._dropped.labels(reason).inc(count - last.dropped.get(reason, 0))
        for name, gauge in self._gauges.items():
            gauge.set(getattr(snapshot, name))


class _ShippingReporter:
    """The snapshots of one shipper, which counts from nothing."""

    def __init__(self, metrics: _ShippingMetrics) -> None:
        self._metrics = metrics
        self._last = Snapshot()
        self._pid = os.getpid()

    def __call__(self, snapshot: Snapshot) -> None:
        if self._pid != os.getpid():  # a forked child counts from nothing
            self._pid, self._last = os.getpid(), Snapshot()
        last, self._last = self._last, snapshot
        self._metrics.add(last, snapshot)


@dataclass(frozen=True, slots=True)
class IngestState:
    """What freshness is told from: one source's runs by outcome, its last success and look (Unix time)."""

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
        "When a source was last asked, whatever came of it.",
        lambda state: state.last_look_at,
    ),
    "failures_in_a_row": (
        "Runs of a source since its last success; from three on it is broken.",
        lambda state: state.failures_in_a_row,
    ),
    "cadence_seconds": ("How often a source is to be looked at.", lambda state: state.cadence_s),
    "reviews_pending": (
        "Refused documents of a source that nobody has decided on.",
        lambda state: state.reviews_pending,
    ),
}


class IngestCollector(Collector):
    """Freshness of data, asked at scrape time: true whichever host ran the ingestion.

    `read` returns the state of every source, from the database. When it raises,
    the scrape still succeeds and `openwatt_ingest_state_readable` says 0: a
    database that is down must not take the other metrics with it.
    """

    def __init__(self, read: Callable[[], Iterable[IngestState]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """The families, for one scrape."""
        runs = CounterMetricFamily("openwatt_ingest_runs", "Ingestion runs.", labels=("source", "outcome"))
        readable = GaugeMetricFamily("openwatt_ingest_state_readable", "1 when the database told the state.")
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
        """Nothing: registration must not ask the database."""
        return []


class BackupCollector(Collector):
    """The newest finished backup, looked up at scrape time: true whichever process took it.

    `read` returns when it was taken (Unix time) and its size in bytes, None when there
    is none: the time is then 0, so that a backup that never came is stale too.
    `read_supported` says whether the database's server can be backed up and restored,
    None while nobody knows.
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
