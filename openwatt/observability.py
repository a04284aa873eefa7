"""Configures telemetry from the settings, and connects it to the database, backups and disks."""

from pathlib import Path
from typing import Literal

from openwatt import __version__
from openwatt.catalogue.source_names import declared_sources
from openwatt.price_metrics import price_collector
from openwatt.settings import Settings
from openwatt.store import pg_tools
from openwatt.store.backup import newest_backup
from openwatt.store.database import Database
from openwatt.store.errors import DatabaseUnavailableError
from openwatt.store.runs import count_runs
from openwatt.store.server import server_of
from openwatt.store.source_states import declared_source_states
from openwatt.telemetry.logs.json_formatter import Identity
from openwatt.telemetry.logs.setup import LogConfig
from openwatt.telemetry.metrics.collectors import (
    BackupCollector,
    DiskCollector,
    IngestCollector,
    IngestState,
    PriceCollector,
)
from openwatt.telemetry.sentry import SentryConfig
from openwatt.telemetry.shipping.shipper import ShippingConfig
from openwatt.telemetry.start import TelemetryConfig

PROBE_ENDPOINTS = frozenset({"probes.health", "probes.ready", "probes.version", "prometheus_metrics"})
PROBE_PATHS = frozenset({"/health", "/health/ready", "/version", "/metrics"})
#: Their parameters describe a customer's home: neither error reports nor traces may repeat them.
PRIVATE_ENDPOINTS = frozenset(
    {
        "bills.registers",
        "bills.compare_file",
        "bills.compare_kwh",
        "explanations.explain_file",
        "explanations.explain_kwh",
        "home.home_page",
    }
)
PRIVATE_PATHS = frozenset({"/v1/registers", "/v1/bills", "/v1/bills/explanation", "/"})


def release_of(settings: Settings) -> str:
    """The version and revision, as in logs, Sentry and `openwatt_build_info`."""
    return __version__ if settings.revision == "unknown" else f"{__version__}+{settings.revision}"


def metrics_directory(settings: Settings) -> Path:
    """The folder in which the workers of one service share their metrics, one for each address."""
    return (settings.data_dir / "metrics" / settings.bind.replace(":", "-").replace("/", "-")).resolve()


def telemetry_config(
    settings: Settings, *, multiprocess: bool, stream: Literal["stdout", "stderr", "errors"] = "stdout"
) -> TelemetryConfig:
    """Configures a process; `multiprocess` when it shares its metrics with others (Gunicorn)."""
    identity = Identity(environment=settings.environment, version=release_of(settings))
    shipping = sentry = None
    if settings.logstash_url:
        shipping = ShippingConfig(
            url=settings.logstash_url,
            spool=(settings.data_dir / "log-spool").resolve(),
            spool_bytes=settings.log_spool_mb * 1024 * 1024,
        )
    if settings.sentry_dsn:
        sentry = SentryConfig(
            dsn=settings.sentry_dsn,
            release=release_of(settings),
            environment=settings.environment,
            traces_sample_rate=settings.sentry_traces_sample_rate,
            probe_endpoints=PROBE_ENDPOINTS,
            untraced_paths=PROBE_PATHS | PRIVATE_PATHS,
        )
    return TelemetryConfig(
        logs=LogConfig(identity=identity, level=settings.log_level, file=settings.log_file, stream=stream),
        version=__version__,
        revision=settings.revision,
        shipping=shipping,
        sentry=sentry,
        metrics_directory=metrics_directory(settings) if multiprocess else None,
    )


AnyCollector = IngestCollector | BackupCollector | DiskCollector | PriceCollector


def collectors(settings: Settings, database: Database) -> list[AnyCollector]:
    """The collectors of what is read at each scrape: the state of the ingestion, backups, disks, prices."""
    found: list[AnyCollector] = [
        ingest_collector(database),
        disk_collector(settings),
    ]
    if settings.backup_dir is not None:
        found.append(backup_collector(settings.backup_dir, database))
    if settings.price_metrics is not None:
        found.append(price_collector(settings.price_metrics, database))
    return found


def backup_collector(folder: Path, database: Database) -> BackupCollector:
    """Collects the newest finished backup of a folder, and whether the server can be backed up."""

    def read() -> tuple[float, int] | None:
        newest = newest_backup(folder)
        return (newest.taken_at.timestamp(), newest.size_bytes) if newest else None

    def read_supported() -> bool | None:
        try:
            return pg_tools.supports(server_of(database).major)
        except DatabaseUnavailableError:
            return None

    return BackupCollector(read, read_supported)


def disk_collector(settings: Settings) -> DiskCollector:
    """Collects the free space of every folder that is written to."""
    folders = {"data": settings.data_dir}
    if settings.log_file is not None:
        folders["log"] = settings.log_file.parent
    if settings.backup_dir is not None:
        folders["backups"] = settings.backup_dir
    return DiskCollector(folders)


def ingest_collector(database: Database) -> IngestCollector:
    """Collects the state of the ingestion from the database."""

    def read() -> list[IngestState]:
        states = declared_source_states(database, declared_sources(), drill=True)
        runs = count_runs(database)
        return [
            IngestState(
                state.source,
                state.last_success_at.timestamp() if state.last_success_at else None,
                runs[state.source],
                last_look_at=state.last_look_at.timestamp(),
                failures_in_a_row=state.failures_in_a_row,
                cadence_s=state.cadence_days * 86400.0 if state.cadence_days is not None else None,
                reviews_pending=state.reviews_pending,
            )
            for state in states
        ]

    return IngestCollector(read)
