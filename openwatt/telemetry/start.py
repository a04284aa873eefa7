"""Starts everything that tells about this process, once, in the right order."""

from dataclasses import dataclass
from pathlib import Path

from openwatt.telemetry import worker_slots
from openwatt.telemetry.logs import LogConfig, configure_logs
from openwatt.telemetry.metrics import Metrics
from openwatt.telemetry.sentry import ErrorReports, SentryConfig
from openwatt.telemetry.shipment import ShippingConfig
from openwatt.telemetry.shipping import Shipper
from openwatt.telemetry.shipping_handler import ShippingHandler


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """What is told and to whom. Without `metrics_directory` the metrics are those of one process."""

    logs: LogConfig
    version: str
    revision: str
    shipping: ShippingConfig | None = None
    sentry: SentryConfig | None = None
    metrics_directory: Path | None = None


class Telemetry:
    """The parts that the web's hooks and gunicorn's hooks speak to."""

    def __init__(self, config: TelemetryConfig) -> None:
        self.config = config
        if config.metrics_directory is not None:
            worker_slots.prepare(config.metrics_directory)
        self.metrics = Metrics()
        self.metrics.announce_build(config.version, config.revision)
        self.shipper: Shipper | None = None
        handlers = []
        if config.shipping is not None:
            self.shipper = Shipper(config.shipping, on_progress=self.metrics.report_shipping)
            handlers.append(ShippingHandler(self.shipper))
        configure_logs(config.logs, *handlers)
        self.reports = ErrorReports(config.sentry) if config.sentry is not None else None

    def close(self) -> None:
        """Sends what can be sent within the set limits: gunicorn's `worker_exit`; also done at exit."""
        if self.reports is not None:
            self.reports.flush()
        if self.shipper is not None:
            self.shipper.close()


_running: Telemetry | None = None


def start_telemetry(config: TelemetryConfig) -> Telemetry:
    """Starts the telemetry of this process, anew only when the configuration has changed (HUP)."""
    global _running  # noqa: PLW0603  a process has one root logger, one Sentry client, one set of metrics
    if _running is None or _running.config != config:
        _running = Telemetry(config)
    return _running


def running_telemetry() -> Telemetry | None:
    """What was started in this process, or in the one that it was forked from."""
    return _running
