"""Sets up what watches the service, as its settings ask: logs, their shipping, metrics, error reports."""

from dataclasses import dataclass
from pathlib import Path

from openwatt import __version__
from openwatt.settings import Settings
from openwatt.store.database import Database
from openwatt.store.runs import ingest_states
from openwatt.telemetry.logs import Identity, LogConfig, configure_logs
from openwatt.telemetry.metrics import IngestCollector, IngestState, Metrics
from openwatt.telemetry.sentry import ErrorReports, SentryConfig
from openwatt.telemetry.shipping import Shipper, ShippingConfig, ShippingHandler

PROBE_ENDPOINTS = frozenset({"probes.health", "probes.ready", "probes.version", "prometheus_metrics"})
PROBE_PATHS = frozenset({"/health", "/health/ready", "/version", "/metrics"})


@dataclass(frozen=True, slots=True)
class Watch:
    """What one process is watched with; `reports` is None without a Sentry project."""

    metrics: Metrics
    reports: ErrorReports | None
    shipper: Shipper | None


def release_of(settings: Settings) -> str:
    """The same words in logs, in Sentry and in `openwatt_build_info`."""
    return __version__ if settings.revision == "unknown" else f"{__version__}+{settings.revision}"


def metrics_directory(settings: Settings) -> Path:
    """Where the workers of one service share their metrics; services on other addresses have their own."""
    return (settings.data_dir / "metrics" / settings.bind.replace(":", "-").replace("/", "-")).resolve()


def watch_logs(settings: Settings, metrics: Metrics | None = None) -> Shipper | None:
    """Sends every log line of this process, ours and the libraries', where the settings say."""
    shipper = None
    if settings.logstash_url:
        config = ShippingConfig(
            url=settings.logstash_url,
            spool=settings.data_dir / "log-spool",
            spool_bytes=settings.log_spool_mb * 1024 * 1024,
        )
        shipper = Shipper(config, on_progress=metrics.report_shipping if metrics else None)
    identity = Identity(environment=settings.environment, version=release_of(settings))
    configure_logs(
        LogConfig(identity=identity, level=settings.log_level, file=settings.log_file),
        *([ShippingHandler(shipper)] if shipper else []),
    )
    return shipper


def watch(settings: Settings) -> Watch:
    """Everything a serving process is watched with."""
    metrics = Metrics()
    metrics.announce_build(__version__, settings.revision)
    reports = None
    if settings.sentry_dsn:
        reports = ErrorReports(
            SentryConfig(
                dsn=settings.sentry_dsn,
                release=release_of(settings),
                environment=settings.environment,
                traces_sample_rate=settings.sentry_traces_sample_rate,
                probe_endpoints=PROBE_ENDPOINTS,
                untraced_paths=PROBE_PATHS,
            )
        )
    return Watch(metrics=metrics, reports=reports, shipper=watch_logs(settings, metrics))


def ingest_collector(database: Database) -> IngestCollector:
    """Freshness of the data, asked of the database at each scrape."""

    def read() -> list[IngestState]:
        return [
            IngestState(state.source, state.last_success_at, state.runs) for state in ingest_states(database)
        ]

    return IngestCollector(read)
