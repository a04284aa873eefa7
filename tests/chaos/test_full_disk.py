"""A disk that is full, at the start and while requests are answered: nothing stops, every loss is counted."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from openwatt.telemetry.metrics.scrape import read_scrape
from tests.chaos.running import Home, Service, load, new_home, wait_until
from tests.chaos.small_disk import SmallDisk, small_disk

KINDS = ["tmpfs", pytest.param("ext4", marks=pytest.mark.slow)]
SEEN = "openwatt_worker_seen_timestamp_seconds"
#: Each a series of its own: together they need more than the space that was reserved at the start.
QUESTIONS = [
    (method, path)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
    for path in (
        "/v1/suppliers", "/v1/tariffs", "/v1/tempo", "/v1/offers", "/v1/options", "/v1/documents",
        "/v1/bills?kwh=1", "/v1/guards", "/v1/sources", "/openapi.json", "/status", "/version", "/health",
    )
]  # fmt: skip


@pytest.fixture
def home() -> Iterator[Home]:
    with new_home() as made:
        yield made


def settings(disk: SmallDisk, database_url: str) -> dict[str, str]:
    """Everything but the database is on the small disk."""
    return {
        "OPENWATT_DATA_DIR": str(disk.path / "var"),
        "OPENWATT_LOG_FILE": str(disk.path / "log" / "api.log"),
        "OPENWATT_DATABASE_URL": database_url,
    }


def told(service: Service) -> dict[tuple[str, str], float]:
    """Family and the value of its one label, or of its route → the sum of the samples."""
    found: dict[tuple[str, str], float] = {}
    for name, samples in read_scrape(service.get("/metrics").body.decode()).items():
        for sample in samples:
            if not sample.name.endswith(("_bucket", "_created")):
                label = sample.labels.get("route") or "".join(sample.labels.values())
                found[name, label] = found.get((name, label), 0.0) + sample.value
    return found


def unanswered(service: Service, times: int) -> str:
    """Asks every question some times; the first that got no answer, with what it got instead."""
    for method, path in QUESTIONS * times:
        answer = service.get(path, method=method, timeout=10)
        if not answer.status:
            return f"{method} {path}: {answer.body.decode()}"
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fills_up_costs_no_worker_and_no_answer_and_its_losses_are_counted(
    home: Home, filled_url: str, kind: str
) -> None:
    with small_disk(home.folder / "disk", 6 if kind == "tmpfs" else 24, kind) as disk:
        home.within = disk.within
        service = home.service(**settings(disk, filled_url)).ready()
        before = service.both_workers()
        disk.fill()
        assert unanswered(service, 2) == ""
        assert service.both_workers() == before
        full = wait_until(
            lambda: (
                found
                if (found := told(service))["openwatt_writes_lost", "metrics"]
                and found["openwatt_writes_lost", "log_file"]
                else {}
            )
        )
        assert full["openwatt_disk_free_ratio", "data"] < 0.02
        assert '"event":"writes are lost"' in service.said()
        assert "No space left on device" in service.said()
        assert "Traceback" not in service.said()
        lines = service.said().count('"writes are lost"')
        assert lines <= 4, "two workers, two targets, once a minute each"
        disk.free()
        # A worker that lived through it makes up for what it could not write: no request is missing.
        asked = len(QUESTIONS) * 2
        routes = {"/v1/suppliers", "/v1/tariffs", "/v1/tempo", "<unmatched>"}

        def counted() -> bool:
            now = told(service)
            written = sum(value for (name, _), value in now.items() if name == "http_requests")
            return written >= asked and all(now.get(("http_requests", route)) for route in routes)

        wait_until(counted)
        room_at = time.time()

        def reported() -> bool:
            """Whether each worker has reported its losses since, which it does about each second."""
            seen = [value for (name, _), value in told(service).items() if name == SEEN]
            return len(seen) == len(before) and min(seen) > room_at + 1

        wait_until(reported)
        lost = told(service)["openwatt_writes_lost", "log_file"]
        assert service.answers()
        log = disk.seen / "log" / "api.log"
        wait_until(lambda: b'"path":"/v1/tariffs"' in log.read_bytes().rpartition(b"\n{")[2])
        assert told(service)["openwatt_writes_lost", "log_file"] == lost
        assert service.end() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_starts_on_a_disk_that_is_full_and_counts_as_soon_as_there_is_room(
    home: Home, filled_url: str, kind: str
) -> None:
    with small_disk(home.folder / "disk", 6 if kind == "tmpfs" else 24, kind) as disk:
        home.within = disk.within
        disk.fill()
        service = home.service(**settings(disk, filled_url)).ready()
        before = service.both_workers()
        assert unanswered(service, 1) == ""
        assert service.both_workers() == before
        found = told(service)
        assert not found.get(("openwatt_metrics_files", "read"))
        assert found["openwatt_disk_free_ratio", "data"] < 0.02
        assert '"event":"writes are lost"' in service.said()
        disk.free()
        wait_until(lambda: told(service).get(("openwatt_workers_expected", "")) == 2)
        wait_until(lambda: told(service)["openwatt_metrics_files", "empty"] == 0)
        assert service.answers()
        found = told(service)
        assert found["openwatt_writes_lost", "metrics"] > 0
        assert found["openwatt_writes_lost", "log_file"] > 0
        assert found["http_requests", "/v1/tempo"] > 0
        assert Path(disk.seen, "log", "api.log").stat().st_size > 0
        assert service.end() == 0


def test_a_backup_on_a_full_disk_names_the_disk_and_leaves_nothing(home: Home, filled_url: str) -> None:
    with small_disk(home.folder / "disk", 4) as disk:
        home.within = disk.within
        where = {
            "OPENWATT_BACKUP_DIR": str(disk.path / "backups"),
            "OPENWATT_DATABASE_URL": filled_url,
        }
        (disk.seen / "backups").mkdir()
        disk.fill()
        done = home.command("backup", seconds=120, **where)
        assert done.returncode == 1
        assert f"cannot be written to {disk.path / 'backups'}: " in done.stderr
        assert "make room" in done.stderr
        assert "Traceback" not in done.stderr
        assert not list((disk.seen / "backups").iterdir())
        disk.free()
        assert home.command("backup", seconds=120, **where).returncode == 0
        assert list((disk.seen / "backups").glob("openwatt-*.dump"))


@pytest.mark.slow
def test_an_embedded_database_whose_disk_is_full_serves_what_it_can_and_comes_back_by_itself(
    home: Home,
) -> None:
    with small_disk(home.folder / "disk", 110) as disk:
        home.within = disk.within
        service = home.service(OPENWATT_DATA_DIR=str(disk.path / "var")).ready()
        disk.fill()
        with load(service) as asking:
            wait_until(lambda: len(asking.answers) > 40)
        assert {answer.status for _, _, answer in asking.answers} == {200}, "what is only read needs no room"
        server = make_conninfo(host=f"{disk.seen}/var/run", port=5432, dbname="openwatt", user="openwatt")

        def write_until_it_stops() -> bool:
            """Writes to the log of PostgreSQL: the server ends itself when that has no room."""
            try:
                with psycopg.connect(server, autocommit=True, connect_timeout=5) as connection:
                    for _ in range(500):
                        connection.execute(
                            "select pg_logical_emit_message(true, 'full', repeat('x', 100000))"
                        )
            except psycopg.OperationalError:
                return service.get("/health/ready").status == 503
            return False

        wait_until(write_until_it_stops)
        answers = [service.get(f"/v1/tariffs?on=2025-08-{day:02}") for day in range(1, 25)]
        assert {answer.status for answer in answers} <= {200, 503}
        assert service.get("/health").status == 200
        assert "Traceback" not in service.said()
        disk.free()
        wait_until(service.answers)
        assert wait_until(lambda: service.get("/health/ready").status == 200)
        assert service.end() == 0


@pytest.mark.parametrize("options", ["ro", "nr_inodes=1"])
def test_workers_are_started_and_replaced_without_room_in_shared_memory(
    home: Home, filled_url: str, options: str
) -> None:
    with small_disk(Path("/dev/shm"), 1) as shared_memory:  # noqa: S108 - one of the test's own
        home.within = shared_memory.within
        remount = ["mount", "-o", f"remount,{options}", str(shared_memory.path)]
        subprocess.run([*home.within, *remount], check=True)
        with pytest.raises(OSError, match=r"Read-only file system|No space left"):
            (shared_memory.seen / "one-more").touch()
        service = home.service(OPENWATT_DATABASE_URL=filled_url).ready()
        killed, other = service.both_workers()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: killed not in service.workers() and len(service.workers()) == 2)
        assert other in service.workers()
        assert service.answers()
        assert service.end() == 0


def test_a_worker_whose_file_was_cut_by_another_program_is_replaced_by_one_that_serves(
    home: Home, filled_url: str
) -> None:
    service = home.service(OPENWATT_DATABASE_URL=filled_url).ready()
    for file in home.data.glob("metrics/*/counter_*-1.db"):
        os.truncate(file, 0)
    wait_until(lambda: "SIGBUS" in service.said())  # a mapping has nothing behind it: no program can answer
    service.both_workers()
    assert all(service.answers() for _ in range(20))
    assert service.said().count("SIGBUS") == 1
    assert service.end() == 0
