"""Starts the telemetry of a process once, in the right order: logs, shipping, metrics, error reports."""

import logging
from dataclasses import dataclass
from pathlib import Path

from openwatt.telemetry.logs.setup import LogConfig, install_handlers, make_handlers
from openwatt.telemetry.metrics import worker_slots
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.telemetry.sentry import ErrorReports, SentryConfig
from openwatt.telemetry.shipping.handler import LogstashHandler
from openwatt.telemetry.shipping.shipper import Shipper, ShippingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """The configuration of telemetry. Without `metrics_directory` the metrics are one process's."""

    logs: LogConfig
    version: str
    revision: str
    shipping: ShippingConfig | None = None
    sentry: SentryConfig | None = None
    metrics_directory: Path | None = None


class Telemetry:
    """The telemetry of one process, as the hooks of the web service and of Gunicorn use it.

    With `replacing` it is made beside another one, takes over its metrics (a process has
    one set of them), and does nothing before `replace_telemetry`.
    """

    def __init__(self, config: TelemetryConfig, *, replacing: "Telemetry | None" = None) -> None:
        self.config = config
        if replacing is None and config.metrics_directory is not None:
            worker_slots.prepare(config.metrics_directory)
        self.metrics: Metrics = replacing.metrics if replacing is not None else Metrics()
        self.shipper: Shipper | None = None
        further: list[logging.Handler] = []
        if config.shipping is not None:
            handler = LogstashHandler(config.shipping, on_progress=self.metrics.shipping_reporter())
            self.shipper = handler.shipper
            further.append(handler)
        self._handlers = make_handlers(config.logs, *further)
        self.reports: ErrorReports | None = None
        if config.sentry is not None:
            self.reports = ErrorReports(config.sentry, active=False)
        if replacing is None:
            self.activate()
            if config.metrics_directory is None:
                self.announce_build()

    def activate(self) -> None:
        """Makes these the handlers of the root logger and the error reports of the process."""
        install_handlers(self._handlers, self.config.logs.level)
        if self.reports is not None:
            self.reports.activate()

    def announce_build(self) -> None:
        """Sets `openwatt_build_info` in each worker: a value of the master would outlive a reload."""
        self.metrics.announce_build(self.config.version, self.config.revision)

    def discard(self) -> None:
        """Closes a telemetry that was made to replace another and will not."""
        for handler in self._handlers:
            handler.close()
        if self.reports is not None:
            self.reports.close()

    def close(self) -> None:
        """Sends what can be sent within the set limits: gunicorn's `worker_exit`; also done at exit."""
        if self.reports is not None:
            self.reports.flush()
        if self.shipper is not None:
            self.shipper.close()


_running: Telemetry | None = None


def start_telemetry(config: TelemetryConfig) -> Telemetry:
    """Starts the telemetry of this process; again only when the configuration has changed."""
    global _running  # noqa: PLW0603  a process has one root logger, one Sentry client, one set of metrics
    if _running is None or _running.config != config:
        _running = Telemetry(config)
    return _running


def replace_telemetry(telemetry: Telemetry) -> None:
    """Replaces the running telemetry by one that was made for it."""
    global _running
    replaced, _running = _running, telemetry
    telemetry.activate()  # which closes the handlers of the one replaced, and its shipper with them
    if replaced is not None and replaced.reports is not None:
        replaced.reports.close()


def running_telemetry() -> Telemetry | None:
    """The telemetry that was started in this process, or in the one that it was forked from."""
    return _running
