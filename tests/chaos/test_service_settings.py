"""Settings that are changed while the service runs: a reload takes up all of them, or refuses by name."""

import gzip
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from openwatt.observability import telemetry_config
from openwatt.reload import AT_A_RESTART, BY_COMMANDS
from openwatt.settings import read_settings, setting_fields
from tests.chaos.running import ConfiguredService, Home, Load, Service, load, wait_until
from tests.conftest import Server
from tests.log_receivers import Receiver

ANEW = "/v1/tariffs?option=BASE&on=2025-09-{day:02}&limit=5"
TOKEN, DRILL_TOKEN = "a" * 40, "d" * 40
BEFORE = {
    "OPENWATT_WORKERS": "2",
    "OPENWATT_LIMIT_API": "9000000/minute",
    "OPENWATT_LIMIT_PAGES": "9000000/minute",
    "OPENWATT_LIMIT_BILLS": "1000000/minute",
}


@contextmanager
def sentry() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The DSN of a receiver of Sentry's envelopes, and the items that it got."""
    items: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            items.extend(json.loads(line) for line in body.splitlines() if line.startswith(b"{"))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        try:
            yield f"http://key@127.0.0.1:{receiver.server_address[1]}/1", items
        finally:
            receiver.shutdown()
            thread.join()


def metric(service: Service, pattern: str) -> list[float]:
    """The values of the series whose line begins as a pattern says."""
    told = service.get("/metrics").body.decode()
    return [float(value) for value in re.findall(rf"^{pattern} ([0-9.e+]+)$", told, re.MULTILINE)]


def builds(service: Service) -> list[str]:
    """The revisions that the metrics tell."""
    told = service.get("/metrics").body.decode()
    return re.findall(r'^openwatt_build_info\{revision="([^"]*)"', told, re.MULTILINE)


def newest_client(service: ConfiguredService) -> str:
    """The address that is logged for a request that came through a proxy."""
    made = f"client-{time.monotonic_ns()}"
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Request-ID": made}
    assert service.get("/v1/suppliers", headers=headers).status == 200

    def found() -> list[dict[str, Any]]:
        return [one for one in service.records() if one.get("request_id") == made]

    return str(wait_until(found)[0]["client"])


def threads(service: Service) -> float:
    """The threads of all workers that answer requests."""
    return sum(metric(service, r'openwatt_worker_threads\{state="most"\}'))


def threads_of_a_worker(setting: int) -> int:
    """Those of one worker: as many as are set for requests, half of that for uploads."""
    return setting + setting // 2


def servers(service: Service) -> list[str]:
    return [one["url"] for one in service.get("/openapi.json").json().get("servers", [])]


def limit(service: Service, path: str) -> str:
    return service.get(path).headers["x-ratelimit-limit"]


def refused(service: ConfiguredService) -> list[dict[str, Any]]:
    return [one for one in service.records() if one["event"].startswith("the reload is refused")]


def nobody_noticed(running: Load) -> None:
    failed = [answer for _, _, answer in running.answers if answer.status != 200]
    assert len(running.answers) > 50
    assert not failed, (len(failed), len(running.answers), failed[:3])


@pytest.fixture
def service(home: Home) -> Iterator[ConfiguredService]:
    started = ConfiguredService(home, BEFORE)
    started.ready()
    yield started
    assert started.end() == 0, started.said()[-4000:]
    assert not re.search(r"^Traceback", started.said(), re.MULTILINE)


def test_a_reload_takes_up_every_setting_and_loses_no_request(  # noqa: PLR0915  one service for all settings
    home: Home, service: ConfiguredService
) -> None:
    receiver = Receiver()
    (home.folder / "backups").mkdir()
    with sentry() as (dsn, items), load(service, ANEW, "/health", clients=2) as running:
        after = BEFORE | {
            "OPENWATT_WORKERS": "3",
            "OPENWATT_THREADS": "2",
            "OPENWATT_TRUSTED_PROXIES": "1",
            "OPENWATT_SUB_PATH": "/electricite",
            "OPENWATT_LIMIT_API": "8000001/minute",
            "OPENWATT_LIMIT_PAGES": "8000002/minute",
            "OPENWATT_LIMIT_BILLS": "800003/minute",
            "OPENWATT_REDIS_URL": "redis://127.0.0.1:1/0",  # where nobody answers, which is told
            "OPENWATT_LOG_FILE": str(home.folder / "log" / "api.log"),
            "OPENWATT_LOGSTASH_URL": receiver.url,
            "OPENWATT_SENTRY_DSN": dsn,
            "OPENWATT_SENTRY_TRACES_SAMPLE_RATE": "1",
            "OPENWATT_ADMIN_TOKEN": TOKEN,
            "OPENWATT_DRILL_TOKEN": DRILL_TOKEN,
            "OPENWATT_PRICE_METRICS": "option=BASE&power_kva=6",
            "OPENWATT_SECURITY_CONTACT": "security@example.org",
            "OPENWATT_SECURITY_EXPIRES": "2099-06-30",
            "OPENWATT_BACKUP_DIR": str(home.folder / "backups"),
            "OPENWATT_ENVIRONMENT": "staging",
            "OPENWATT_REVISION": "second",
        }
        assert newest_client(service) == "127.0.0.1"
        assert service.get("/v1/admin/runs").status == 404
        assert builds(service) == ["unknown"]
        before = servers(service)
        assert before != ["/electricite"]

        service.reload(after)
        wait_until(lambda: metric(service, "openwatt_workers_expected") == [3])
        wait_until(lambda: threads(service) == 3 * threads_of_a_worker(2))
        assert limit(service, "/v1/suppliers") == "8000001"
        assert limit(service, "/docs") == "8000002"
        assert limit(service, "/") == "800003"
        assert newest_client(service) == "203.0.113.9"
        assert servers(service) == ["/electricite"]
        wait_until(lambda: metric(service, "openwatt_rate_limiter_degraded") == [1])
        assert service.get("/v1/admin/runs").status == 401
        assert service.get("/v1/admin/runs", headers={"Authorization": f"Bearer {TOKEN}"}).status == 200
        assert metric(service, "openwatt_backup_last_success_timestamp_seconds") == [0]
        assert len(metric(service, r"openwatt_price_eur_per_kwh\{.*\}")) == 1
        contact = service.get("/.well-known/security.txt").body.decode()
        assert "Contact: mailto:security@example.org" in contact
        assert "Expires: 2099-06-30" in contact
        assert service.get("/version").json()["revision"] == "second"
        assert builds(service) == ["second"]
        drill = {"Authorization": f"Bearer {DRILL_TOKEN}", "X-Drill-Until": str(int(time.time()) + 60)}
        assert service.get("/v1/drills/error", method="POST", headers=drill).status == 500
        wait_until(lambda: [one for one in items if one.get("type") == "transaction" and "spans" in one])
        told = wait_until(lambda: [one for one in items if "exception" in one])[0]
        assert (told["release"], told["environment"]) == ("0.1.0+second", "staging")
        file = (home.folder / "log" / "api.log").read_text().splitlines()
        shipped = wait_until(lambda: b"".join(map(bytes, receiver.buffers)).splitlines())
        for line in (json.loads(file[-1]), json.loads(shipped[-1]), service.records()[-1]):
            assert (line["environment"], line["version"]) == ("staging", "0.1.0+second")

        service.reload({**after, "OPENWATT_LOG_LEVEL": "ERROR"})
        quiet = len(service.records())
        wait_until(lambda: len(running.answers) > 100)
        assert {one["level"] for one in service.records()[quiet:]} <= {"error"}

        service.reload(BEFORE)
        wait_until(lambda: metric(service, "openwatt_workers_expected") == [2])
        wait_until(lambda: threads(service) == 2 * threads_of_a_worker(4))
        assert limit(service, "/v1/suppliers") == "9000000"
        assert newest_client(service) == "127.0.0.1"
        assert servers(service) == before
        assert service.get("/v1/admin/runs").status == 404
        assert service.get("/v1/drills/error", method="POST", headers=drill).status in {404, 405}
        assert metric(service, "openwatt_backup_last_success_timestamp_seconds") == []
        assert metric(service, r"openwatt_price_eur_per_kwh\{.*\}") == []
        assert metric(service, "openwatt_rate_limiter_degraded") == [0]
        assert builds(service) == ["unknown"]
        told_before = len(items), len((home.folder / "log" / "api.log").read_text())
        assert service.answers()
        assert (len(items), len((home.folder / "log" / "api.log").read_text())) == told_before
    receiver.close()
    nobody_noticed(running)
    assert refused(service) == []
    reloads = [one for one in service.records() if one["event"] == "settings reloaded"]
    assert set(reloads[0]["extra"]["changed"]) == {name for name in after if after[name] != BEFORE.get(name)}
    assert TOKEN not in service.said()
    tried = {name.removeprefix("OPENWATT_").lower() for name in after} | {"log_level"}
    elsewhere = {*AT_A_RESTART, *BY_COMMANDS, "database_url", "log_spool_mb"}
    assert tried | elsewhere == {setting.name for setting in setting_fields()}
    assert not tried & elsewhere


def test_the_size_of_the_spool_is_part_of_what_a_reload_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENWATT_LOGSTASH_URL", "tcp://127.0.0.1:1")
    small, large = (
        telemetry_config(read_settings({**os.environ, "OPENWATT_LOG_SPOOL_MB": size}), multiprocess=False)
        for size in ("4", "5")
    )
    assert small != large


def test_a_reload_that_cannot_be_is_refused_by_name_and_changes_nothing(
    home: Home, service: ConfiguredService
) -> None:
    (home.folder / "empty").write_text("")
    wrong: dict[str, Callable[[], dict[str, str]]] = {
        "OPENWATT_LIMIT_API must be a number of requests": lambda: {"OPENWATT_LIMIT_API": "lots"},
        "OPENWATT_LIMIT_APY is not a setting of OpenWatt": lambda: {"OPENWATT_LIMIT_APY": "6/second"},
        "OPENWATT_BIND cannot be changed by a reload": lambda: {"OPENWATT_BIND": "127.0.0.1:1"},
        "OPENWATT_DATA_DIR cannot be changed by a reload": lambda: {
            "OPENWATT_DATA_DIR": str(home.folder / "elsewhere")
        },
        "OPENWATT_DATABASE_URL cannot be set or removed": lambda: {
            "OPENWATT_DATABASE_URL": "postgresql://127.0.0.1:1/x"
        },
        "/empty cannot be used": lambda: {
            "OPENWATT_LOG_FILE": str(home.folder / "empty" / "log"),
        },
        "OPENWATT_ADMIN_TOKEN_FILE names an empty file": lambda: {
            "OPENWATT_ADMIN_TOKEN_FILE": str(home.folder / "empty")
        },
    }
    workers = service.both_workers()
    with load(service, ANEW, clients=2) as running:
        for number, (said, settings) in enumerate(wrong.items(), 1):
            service.reload(BEFORE | {"OPENWATT_LIMIT_PAGES": "700/minute"} | settings())
            assert [one["level"] for one in refused(service)] == ["error"] * number
            assert said in refused(service)[-1]["reason"]
            assert limit(service, "/docs") == "9000000"
            assert metric(service, "openwatt_settings_refused") == [1]
        (service.folder / ".env").write_bytes(b"OPENWATT_REVISION=\xff\xfe\n")
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(refused(service)) == len(wrong) + 1)
        service.reload(BEFORE | {"OPENWATT_LIMIT_PAGES": "700000/minute"})
        wait_until(lambda: limit(service, "/docs") == "700000")
        assert metric(service, "openwatt_settings_refused") == [0]
    nobody_noticed(running)
    assert not set(workers) & set(service.workers())


def test_a_reload_moves_the_service_to_another_database(
    home: Home, server: Server, filled: str, migrated: str
) -> None:
    first, second = server.create(filled), server.create(migrated)
    settings = BEFORE | {"OPENWATT_DATABASE_URL": server.url(first)}
    service = ConfiguredService(home, settings)
    service.ready()

    def users(name: str) -> int:
        with psycopg.connect(server.url("openwatt"), autocommit=True) as connection:
            (number,) = connection.execute(
                "select count(*) from pg_stat_activity where datname = %s", [name]
            ).fetchone() or (0,)
            return int(number)

    with load(service, ANEW, clients=2) as running:
        wait_until(lambda: users(first) > 0)
        service.reload(settings | {"OPENWATT_DATABASE_URL": "postgresql://127.0.0.1:1/x?connect_timeout=2"})
        assert "the database does not answer" in refused(service)[0]["reason"]
        service.reload(settings | {"OPENWATT_DATABASE_URL": server.url(second)})
        wait_until(lambda: users(second) > 0 and not users(first))
        wait_until(lambda: len(running.answers) > 60)
    nobody_noticed(running)
    assert service.end() == 0
    server.drop(first)
    server.drop(second)


def test_an_upgrade_after_a_reload_serves_by_the_new_settings(service: ConfiguredService) -> None:
    service.reload(BEFORE | {"OPENWATT_REVISION": "second"})
    with load(service, ANEW, "/health", clients=2) as running:
        service.write(BEFORE | {"OPENWATT_REVISION": "third"})
        service.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: sorted(builds(service)) == ["second", "third"])
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(40) == 0
        wait_until(lambda: builds(service) == ["third"])
        new_master = next(pid for pid in service.group() if service.workers(pid))
        (service.folder / ".env").write_text((service.folder / ".env").read_text().replace("third", "fourth"))
        os.kill(new_master, signal.SIGHUP)
        wait_until(lambda: builds(service) == ["fourth"])
    nobody_noticed(running)
    os.kill(new_master, signal.SIGTERM)
    wait_until(lambda: not service.group())


@pytest.mark.parametrize("times", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_reloads_leave_nothing_behind_in_the_master(
    home: Home, service: ConfiguredService, *, times: int
) -> None:
    receiver = Receiver()

    def settings(number: int) -> dict[str, str]:
        return BEFORE | {
            "OPENWATT_REVISION": f"number-{number}",
            "OPENWATT_LOGSTASH_URL": receiver.url,
            "OPENWATT_LOG_FILE": str(home.folder / "api.log"),
            "OPENWATT_SENTRY_DSN": "http://key@127.0.0.1:1/1",
            "OPENWATT_REDIS_URL": "redis://127.0.0.1:1/0",
            "OPENWATT_ADMIN_TOKEN": TOKEN,
        }

    def held() -> tuple[int, int, int]:
        proc = Path(f"/proc/{service.process.pid}")
        resident = int(re.findall(r"VmRSS:\s+(\d+)", (proc / "status").read_text())[0])
        return len(list((proc / "fd").iterdir())), len(list((proc / "task").iterdir())), resident

    for number in range(3):
        service.reload(settings(number))
    descriptors, threads, resident = held()
    for number in range(3, 3 + times):
        service.reload(settings(number))
    # Not `==`: what was just being done when it was looked at first is a thread or a descriptor more there.
    wait_until(lambda: (held()[0] <= descriptors) and (held()[1] <= threads))
    assert held()[2] < resident + 400 * times + 2000, "more kilobytes than a reload may leave"
    wait_until(lambda: builds(service) == [f"number-{2 + times}"])
    receiver.close()
