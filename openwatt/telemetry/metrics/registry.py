"""The metric families of the service, and the registry that a scrape reads."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.registry import Collector

from openwatt.telemetry.metrics import worker_slots
from openwatt.telemetry.metrics.log_shipping import ShippingMetrics, ShippingReporter
from openwatt.telemetry.metrics.response_cache import ResponseCacheMetrics
from openwatt.telemetry.metrics.worker_files import WorkerFiles
from openwatt.telemetry.metrics.worker_metrics import WorkerMetrics
from openwatt.telemetry.shipping.shipper import Snapshot

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
    """Every family that the service updates, each with its few and known labels.

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
        self._shipping = ShippingMetrics(registry)
        self.worker = WorkerMetrics(registry)
        self.response_cache = ResponseCacheMetrics(registry)
        self._children: dict[tuple[str, str | None, int], tuple[Counter, Histogram]] = {}

    def announce_build(self, version: str, revision: str) -> None:
        """Sets `openwatt_build_info`: the same words as in logs and as Sentry's release."""
        self._build.labels(version, revision).set(1)

    def observe_request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Counts one request. `route` is the matched rule, never the path; None where no rule matched."""
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
        """Sets the gauges of a pool from its statistics: `get_stats()` of psycopg_pool."""
        for name, state in _POOL_STATES.items():
            self._pool.labels(state).set(statistics.get(name, 0))

    def shipping_reporter(self) -> Callable[[Snapshot], None]:
        """The `on_progress` of one shipper, which updates the families of log shipping."""
        return ShippingReporter(self._shipping)

    def exposition(self, collectors: Iterable[Collector] = ()) -> CollectorRegistry:
        """The registry that a scrape reads: every worker's values, and the collectors given."""
        directory = worker_slots.directory()
        if directory is not None:
            return exposition_of(directory, collectors)
        served = CollectorRegistry()
        for collector in (self.registry, *collectors):
            served.register(collector)
        return served


def exposition_of(directory: Path, collectors: Iterable[Collector] = ()) -> CollectorRegistry:
    """The registry over a multiprocess directory: a separate process may serve it."""
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
