"""/metrics on the application's own port, through the Flask exporter."""

from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_flask_exporter import PrometheusMetrics


class Exporter(PrometheusMetrics):  # type: ignore[misc]  # the library ships no types
    """The library's endpoint and formats over the registry that we serve.

    Its default metrics are off: they are not named as the operators' guide says
    (`flask_http_request_total`) and cost +32 µs a request against +9 for our hooks.
    Its multiprocess classes are not used: they would leave our collectors out.
    """

    def __init__(self, app: Any, served: CollectorRegistry, path: str = "/metrics") -> None:
        super().__init__(app, path=path, export_defaults=False, registry=served)

    def generate_metrics(self, accept_header: str | None = None, names: Any = None) -> tuple[str, str]:
        """The exposition in the format that the caller accepts, whole or the families named."""
        served = self.registry.restricted_registry(names) if names else self.registry
        generate_latest, content_type = choose_encoder(accept_header or "")
        return generate_latest(served).decode(), content_type
