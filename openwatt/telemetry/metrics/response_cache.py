"""The metric families of the response cache."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge


class ResponseCacheMetrics:
    """The families of the response cache; those of all workers are added up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        lookups = Counter(
            "openwatt_response_cache_lookups",
            "Questions to the API that the response cache could answer (hit), and that it could not (miss).",
            ("result",),
            registry=registry,
        )
        self._counters = {"hits": lookups.labels("hit"), "misses": lookups.labels("miss")}
        self._counters["evictions"] = Counter(
            "openwatt_response_cache_evictions",
            "Responses dropped to keep the response cache within its bounds.",
            registry=registry,
        )
        self._gauges = {
            "entries": Gauge(
                "openwatt_response_cache_entries",
                "Responses in the response caches.",
                multiprocess_mode="livesum",
                registry=registry,
            ),
            "bytes": Gauge(
                "openwatt_response_cache_bytes",
                "Memory of the response caches, keys and headers included; at most 8 MiB a worker.",
                multiprocess_mode="livesum",
                registry=registry,
            ),
        }

    def report(self, statistics: Mapping[str, int]) -> None:
        """Adds hits, misses and evictions since the last report, and sets entries and bytes."""
        for name, counter in self._counters.items():
            counter.inc(statistics[name])
        for name, gauge in self._gauges.items():
            gauge.set(statistics[name])
