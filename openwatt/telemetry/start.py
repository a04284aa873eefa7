"""Starts everything that tells about this process, once, in the right order."""

import logging
from dataclasses import dataclass
from pathlib import Path

from openwatt.telemetry.logs.handlers import LogConfig, install_handlers, make_handlers
from openwatt.telemetry.metrics import worker_slots
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.telemetry.sentry import ErrorReports, SentryConfig
from openwatt.telemetry.shipping.handler import LogstashHandler
from openwatt.telemetry.shipping.shipper import Shipper, ShippingConfig


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
    """The parts that the web's hooks and gunicorn's hooks speak to.

    With `replacing` it is made beside another one, whose metrics go on in it (a process has
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
        """Says what runs, in each worker: what the master said would outlive a reload."""
        self.metrics.announce_build(self.config.version, self.config.revision)

    def discard(self) -> None:
        """Ends one that was made beside another and is not to replace it."""
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
    """Starts the telemetry of this process, anew only when the configuration has changed."""
    global _running  # noqa: PLW0603  a process has one root logger, one Sentry client, one set of metrics
    if _running is None or _running.config != config:
        _running = Telemetry(config)
    return _running


def replace_telemetry(telemetry: Telemetry) -> None:
    """Puts a telemetry that was made to replace the running one in its place."""
    global _running
    replaced, _running = _running, telemetry
    telemetry.activate()  # which closes the handlers of the one replaced, and its shipper with them
    if replaced is not None and replaced.reports is not None:
        replaced.reports.close()


def running_telemetry() -> Telemetry | None:
    """What was started in this process, or in the one that it was forked from."""
    return _running
