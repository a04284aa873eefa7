"""The Flask exporter serves /metrics on the application's own port."""

from collections.abc import Collection, Iterable
from copy import copy
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_flask_exporter import PrometheusMetrics


class Exporter(PrometheusMetrics):  # type: ignore[misc]  # the library ships no types
    """The library's endpoint, formats and filter over the registry that we serve.

    Its default metrics and multiprocess classes are not used, for reasons that
    docs/decisions/0003-own-metric-families.md gives with figures.
    """

    def __init__(self, app: Any, served: CollectorRegistry, path: str = "/metrics") -> None:
        super().__init__(app, path=path, export_defaults=False, registry=served)

    def generate_metrics(self, accept_header: str | None = None, names: Any = None) -> tuple[str, str]:
        """The exposition in the format that the client accepts, whole or the series named.

        The library's own would leave our collectors out in multiprocess mode.
        """
        generate_latest, content_type = choose_encoder(accept_header or "")
        served = _Named(self.registry, names) if names else self.registry
        return generate_latest(served).decode(), content_type


class _Named(Collector):
    """The series of some names.

    A `restricted_registry` of the library finds no family of ours: it goes by what collectors
    describe, and ours describe nothing, since that would read the database or the disk.
    """

    def __init__(self, registry: Collector, names: Collection[str]) -> None:
        self._registry = registry
        self._names = names

    def collect(self) -> Iterable[Metric]:
        """The families that have such series, with those alone."""
        for family in self._registry.collect():
            samples = [sample for sample in family.samples if sample.name in self._names]
            if samples:
                named = copy(family)
                named.samples = samples
                yield named
