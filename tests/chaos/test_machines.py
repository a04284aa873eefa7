"""Two replicas behind the documented nginx, with one Redis and one database: what survives a machine."""

import http.client
import os
import signal
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import repeat
from pathlib import Path

import pytest

from ops.monitoring import Addresses, render_prometheus
from tests.chaos.machines import NGINX_FILE, Clients, Machines, clients, machines, primary_and_standby
from tests.chaos.running import REPOSITORY, free_port, wait_until
from tests.chaos.test_proxies import running
from tests.chaos.test_redis import GIVEN_UP, degraded
from tests.ops.monitoring import HURRY, Monitoring
from tests.programs import needs_program
from tests.redis_server import Redis
from tests.store.other_postgres import EMBEDDED

pytestmark = needs_program("nginx", "redis-server")

LIMIT = 60
#: How many ask at once: more answers than that cannot be under way.
CLIENTS = 4


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    started = Redis(tmp_path)
    yield started
    started.stop()


def ask_from(both: Machines, address: str) -> int:
    """The status that a client of nginx gets, whose own address is one of the loopback interface."""
    connection = http.client.HTTPConnection("127.0.0.1", both.proxy.port, 30, (address, 0))
    try:
        connection.request("GET", "/v1/tempo/today")
        with connection.getresponse() as response:
            response.read()
            return response.status
    finally:
        connection.close()


def counted_together(both: Machines) -> None:
    """The replicas allow one client exactly the limit, while neither finds Redis slow."""
    for number in range(2, 10):
        wait_until(lambda: not any(degraded(each) for each in both.replicas))
        slow = [each.said().count(GIVEN_UP) for each in both.replicas]
        with ThreadPoolExecutor(8) as pool:
            requests = 3 * LIMIT
            answered = Counter(pool.map(ask_from, repeat(both, requests), repeat(f"127.0.0.{number}")))
        if slow == [each.said().count(GIVEN_UP) for each in both.replicas]:
            assert answered == {200: LIMIT, 429: 2 * LIMIT}
            served = [each.said().count('"/v1/tempo/today"') for each in both.replicas]
            assert min(served) > LIMIT // 2, "nginx has asked both"
            return
    pytest.fail("this machine is too busy for Redis to answer within 0.1 s")


def restart_each(both: Machines, load: Clients) -> None:
    """An upgrade: one replica after the other is ended and started again."""
    for number in range(2):
        wait_until(partial(load.has_answers, len(load.answers) + 40))
        assert both.replicas[number].end(signal.SIGTERM) == 0
        both.start_again(number)
    assert load.failures() == []


def kill_one(both: Machines, load: Clients) -> None:
    """A replica is killed: of each client at most the answer that had been begun breaks off."""
    # A request that met the other before it listened has had the first of its two tries: let those end.
    served = both.replicas[1].said().count('"event":"request"')
    wait_until(lambda: both.replicas[1].said().count('"event":"request"') > served + 10)
    enough = len(load.answers) + 40
    both.replicas[0].kill()
    wait_until(lambda: load.has_answers(enough))
    lost = load.failures()
    assert len(lost) <= CLIENTS
    assert [each for each in lost if "IncompleteRead" not in each] == [], both.explanation()
    load.answers.clear()


def fail_one_worker_of_the_other(both: Machines, load: Clients) -> None:
    """While one replica is away, a failure of the other costs what was under way there and no more."""
    before = len(load.answers)
    os.kill(both.replicas[1].both_workers()[0], signal.SIGKILL)
    wait_until(lambda: len(load.answers) > before + 200)
    assert len(load.failures()) <= 2 * CLIENTS


def test_limits_are_counted_together_and_neither_a_restart_nor_a_kill_loses_a_request(
    redis: Redis, filled_url: str
) -> None:
    settings = {
        "OPENWATT_DATABASE_URL": filled_url,
        "OPENWATT_REDIS_URL": redis.url,
        "OPENWATT_LIMIT_API": f"{LIMIT}/hour",
    }
    with machines(**settings) as both:
        counted_together(both)
        assert both.proxy.get("/metrics").status == 404
        with clients(both.proxy, CLIENTS, read="/tariffs?on=2025-{month:02}-{day:02}") as load:
            restart_each(both, load)
            kill_one(both, load)
            fail_one_worker_of_the_other(both, load)


@pytest.mark.slow
def test_no_request_is_lost_in_many_restarts_and_kills(filled_url: str) -> None:
    with machines(OPENWATT_DATABASE_URL=filled_url) as both, clients(both.proxy, CLIENTS) as load:
        for _ in range(4):
            restart_each(both, load)
            kill_one(both, load)
            both.start_again(0)


@pytest.mark.slow
@pytest.mark.parametrize("gone", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_the_service_finds_the_new_primary_without_a_restart(gone: signal.Signals) -> None:
    with (
        primary_and_standby(EMBEDDED) as (primary, standby, url),
        machines(OPENWATT_DATABASE_URL=url) as both,
    ):
        workers = [each.workers() for each in both.replicas]
        with clients(both.proxy, CLIENTS) as load:
            wait_until(lambda: len(load.answers) > 40)
            primary.signal(gone)
            wait_until(lambda: 503 in load.statuses())
            standby.promote()
            wait_until(lambda: all(each.answers("/health/ready") for each in both.replicas))
            settled = time.monotonic() + 3

            def late() -> list[int]:
                return [answer.status for at, answer in load.answers if at > settled]

            wait_until(lambda: len(late()) > 100, 60)
        assert set(load.statuses()) == {200, 503}
        assert set(late()) == {200}
        assert [each.workers() for each in both.replicas] == workers
        if gone == signal.SIGKILL:
            home = both.replicas[0].home
            done = home.command(
                "backup", OPENWATT_DATABASE_URL=url, OPENWATT_BACKUP_DIR=str(home.folder / "b")
            )
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@needs_program("prometheus")
def test_prometheus_tells_the_replicas_apart_and_adds_them_up(filled_url: str, tmp_path: Path) -> None:
    with machines(OPENWATT_DATABASE_URL=filled_url) as both, prometheus_of(both, tmp_path) as asked:
        wait_until(lambda: len(asked.query('up{job="openwatt-api"} == 1')) == 2)
        with clients(both.proxy, CLIENTS) as load:
            wait_until(lambda: (asked.value("openwatt:requests:rate5m") or 0) > 1)
        sent = len(load.answers)
        of_each = 'sum by (instance) (http_requests_total{job="openwatt-api", route=~"/v1/.*"})'
        wait_until(lambda: sum(value for _, value in asked.query(of_each)) == sent, 60)
        counted = {labels["instance"]: value for labels, value in asked.query(of_each)}
        assert set(counted) == {f"127.0.0.1:{each.port}" for each in both.replicas}
        assert min(counted.values()) > sent / 4
        rate = 'rate(http_requests_total{job="openwatt-api", route=~"/v1/.*"}[5m])'

        def added_up() -> bool:
            rates = [value for _, value in asked.query(f"sum by (instance) ({rate})")]
            recorded = asked.value("openwatt:requests:rate5m") or 0
            return len(rates) == 2 and recorded > 0 and abs(recorded - sum(rates)) < sum(rates) / 20

        wait_until(added_up)
        both.replicas[0].kill()
        wait_until(lambda: [v for _, v in asked.query('up{job="openwatt-api"}')].count(0) == 1)


class _Prometheus(Monitoring):
    """A Prometheus without the programs around it."""

    def __init__(self, url: str) -> None:
        self.prometheus_url = url

    def is_ready(self) -> bool:
        """Whether it answers queries."""
        with (
            suppress(urllib.error.HTTPError),
            urllib.request.urlopen(  # noqa: S310  loopback
                f"{self.prometheus_url}/-/ready"
            ),
        ):
            return True
        return False


@contextmanager
def prometheus_of(both: Machines, folder: Path) -> Iterator[_Prometheus]:
    """A real Prometheus with the product's files, and a line a replica among its targets."""
    names = ("metrics", "prometheus", "alertmanager", "blackbox")
    addresses = Addresses(**{name: f"127.0.0.1:{free_port()}" for name in names})
    port = int(addresses.prometheus.rpartition(":")[2])
    config = render_prometheus(folder, addresses=addresses, hurry=HURRY)
    api = folder / "targets/api.yaml"
    text = api.read_text()
    assert text.count('- targets: ["127.0.0.1:8000"]') == 1
    lines = [f'- targets: ["127.0.0.1:{each.port}"]' for each in both.replicas]
    api.write_text(text.replace('- targets: ["127.0.0.1:8000"]', "\n".join(lines)))
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data"]
    with running([*command, f"--web.listen-address=127.0.0.1:{port}"], port, folder):
        started = _Prometheus(f"http://127.0.0.1:{port}")
        wait_until(started.is_ready)
        yield started


@pytest.mark.parametrize("page", ["deploiement.md", "deployment.md"])
def test_the_pages_show_the_file_of_nginx(page: str) -> None:
    text = (REPOSITORY / "docs" / page).read_text()
    assert f"```\n{NGINX_FILE.read_text()}```\n" in text
