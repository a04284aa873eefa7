"""A real service to which everything happens that the dashboards are to show, under a real Prometheus."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from openwatt.store.embedded.postgres import EmbeddedPostgres
from tests.chaos.running import ONE_TARIFF, Home, Service, load, wait_until
from tests.log_receivers import Receiver
from tests.ops.monitoring import Monitoring, monitoring

PATHS = [
    "/v1/tariffs?option=BASE&on=2025-09-{day:02}&limit=5",
    "/v1/tariffs?option=HPHC&power_kva=6&on=2025-09-{day:02}",
    "/v1/guards/trve-diff?on=2025-09-{day:02}&limit=20",
    "/v1/suppliers",
    "/nowhere/{day}",
]
#: Outcome, and how many days ago.
RUNS: dict[str, list[tuple[str, float]]] = {
    "edf_tarif_bleu": [("published", 9), ("unchanged", 2), ("unchanged", 0.4)],
    "engie_reference": [("published", 30), ("unreachable", 4), ("unreachable", 2), ("unreachable", 0.5)],
    "total_standard_fixe": [("unchanged", 8), ("refused", 1)],
}


@dataclass(frozen=True)
class Busy:
    """The service, what watches it, and its log receiver."""

    service: Service
    watched: Monitoring
    receiver: Receiver


def run(home: Home, source: str, outcome: str, days_ago: float = 0) -> None:
    """A run of the ingestion as the database keeps it."""
    with psycopg.connect(EmbeddedPostgres(home.data).conninfo()) as connection:
        connection.execute(
            "insert into runs (source, started_at, finished_at, outcome, detail) values (%s, "
            "now() - make_interval(secs => %s), now() - make_interval(secs => %s), %s, "
            "'{\"cadence_days\": 1}')",
            [source, days_ago * 86400 + 1, days_ago * 86400, outcome],
        )


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _frozen_database(home: Home, service: Service) -> None:
    """Some answers 5xx."""
    pids = home.server_processes()
    _signal(pids, signal.SIGSTOP)
    try:
        wait_until(lambda: service.get(ONE_TARIFF.replace("-01", "-17")).status >= 500)
    finally:
        _signal(pids, signal.SIGCONT)
    wait_until(service.answers)


def _let_happen(home: Home, service: Service, watched: Monitoring) -> None:
    """An outage, a run of the ingestion, a refused client."""
    wait_until(lambda: watched.query('http_requests_total{route="/v1/tariffs",status="503"}'))
    _frozen_database(home, service)
    # The database tells of its runs again, in each of the last scrapes: the next one is news.
    told = "min_over_time(openwatt_ingest_state_readable[3s])"
    wait_until(lambda: [value for _, value in watched.query(told)] == [1, 1])
    run(home, "edf_tarif_bleu", "published")
    wait_until(lambda: service.get("/nowhere").status == 429)


@contextmanager
def busy_service(home: Home, *, seconds: float) -> Iterator[Busy]:
    """The service under load, so many seconds after everything has happened to it."""
    receiver = Receiver()
    backups = str(home.folder / "backups")
    service = home.service(
        OPENWATT_BACKUP_DIR=backups,
        OPENWATT_LOGSTASH_URL=receiver.url,
        OPENWATT_LIMIT_PAGES="60/minute",
        OPENWATT_PRICE_METRICS="option=BASE&power_kva=6",
        OPENWATT_LOG_FILE=str(home.folder / "openwatt.log"),
    ).ready()
    try:
        assert home.command("backup", OPENWATT_BACKUP_DIR=backups).returncode == 0
        for source, story in RUNS.items():
            for outcome, days_ago in story:
                run(home, source, outcome, days_ago)
        with monitoring(service) as watched:
            with load(service, *PATHS, clients=len(PATHS)):
                _let_happen(home, service, watched)
            with load(service, *PATHS, clients=len(PATHS)):
                time.sleep(seconds)
                yield Busy(service, watched, receiver)
    finally:
        receiver.close()
    assert service.end() == 0, service.said()
