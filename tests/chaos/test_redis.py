"""Limits counted by several workers in a real Redis: exactly, and still held while it is stopped or hangs."""

import http.client
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import limits
import pytest
from flask import Flask
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, RateLimiter
from prometheus_client.mmap_dict import MmapedDict

from openwatt.telemetry.context import RequestContext
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.web.http.rate_limits import RateLimits
from tests.chaos.running import Home, Service, wait_until
from tests.redis_server import PASSWORD, Redis, needs_redis

pytestmark = needs_redis

API, PAGE = "/v1/tempo/today", "/openapi.json"
LIMIT = 60
GIVEN_UP = "Redis does not answer: each worker counts its share of the limits"


@pytest.fixture
def server_of_counts(tmp_path: Path) -> Iterator[Redis]:
    started = Redis(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def shared(home: Home, server_of_counts: Redis) -> Iterator[Service]:
    """A service of two workers that count in Redis; what it has said never holds the password."""
    started = home.service(
        OPENWATT_REDIS_URL=server_of_counts.url,
        OPENWATT_TRUSTED_PROXIES="1",
        OPENWATT_LIMIT_API=f"{LIMIT}/hour",
        OPENWATT_LIMIT_PAGES="1000000/hour",
    ).ready()
    started.both_workers()
    yield started
    assert started.end() == 0
    assert PASSWORD not in started.said()
    assert "Traceback" not in started.said()


def ask(service: Service, path: str, client: str) -> tuple[int, float]:
    """Status and seconds of a request on a connection of its own, for a client behind our proxy."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    try:
        connection.request("GET", path, headers={"X-Forwarded-For": f"6.6.6.6, {client}"})
        with connection.getresponse() as response:
            body = response.read()
            assert PASSWORD.encode() not in body
            return response.status, time.monotonic() - began
    finally:
        connection.close()


def burst(service: Service, client: str, count: int = 4 * LIMIT) -> Counter[int]:
    """The statuses of many requests of one client, eight at a time."""
    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(lambda _: ask(service, API, client)[0], range(count)))


@contextmanager
def crowd(service: Service, clients: int = 4) -> Iterator[list[tuple[float, int, float]]]:
    """Visitors of a page for the length of a block: when, status and seconds of each answer."""
    answers: list[tuple[float, int, float]] = []
    stop = threading.Event()

    def visit(number: int) -> None:
        while not stop.is_set():
            status, seconds = ask(service, PAGE, f"192.0.2.{number}")
            answers.append((time.monotonic(), status, seconds))
            stop.wait(0.01)

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(visit, number) for number in range(clients)]
        try:
            yield answers
        finally:
            stop.set()
    for visitor in running:
        visitor.result()


def degraded(service: Service) -> float:
    told = service.get("/metrics").body.decode().splitlines()
    (line,) = [line for line in told if line.startswith("openwatt_rate_limiter_degraded ")]
    return float(line.split()[1])


def places_that_answered(home: Home) -> set[str]:
    """The files of those workers that have counted an answer of the API."""
    files = list(home.data.glob("metrics/*/counter_*.db"))
    assert files
    return {
        file.name
        for file in files
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
        if "http_requests_total" in key and API in key and value
    }


def exactly_counted(service: Service, ask_as: Callable[[int], Counter[int]]) -> Counter[int]:
    """What a new client was answered, by its number, while no worker found Redis slow."""
    for number in range(1, 9):
        wait_until(lambda: degraded(service) == 0)
        found_slow = service.said().count(GIVEN_UP)
        answered = ask_as(number)
        if service.said().count(GIVEN_UP) == found_slow:
            return answered
    pytest.fail("this machine is too busy for Redis to answer within 0.1 s")


def test_two_workers_together_allow_exactly_the_limit(home: Home, shared: Service) -> None:
    def one_address(number: int) -> Counter[int]:
        return burst(shared, f"198.51.100.{number}", 4 * LIMIT)

    def eight_addresses_of_one_network(number: int) -> Counter[int]:
        with ThreadPoolExecutor(8) as pool:
            asked = pool.map(lambda n: ask(shared, API, f"2001:db8:{number}::{n % 8}")[0], range(2 * LIMIT))
            return Counter(asked)

    assert exactly_counted(shared, one_address) == {200: LIMIT, 429: 3 * LIMIT}
    assert exactly_counted(shared, eight_addresses_of_one_network)[200] <= LIMIT
    assert len(places_that_answered(home)) == 2


def test_a_stopped_redis_is_no_failure_and_the_limits_hold(
    home: Home, shared: Service, server_of_counts: Redis
) -> None:
    with crowd(shared) as answers:
        wait_until(lambda: len(answers) > 20)
        server_of_counts.stop()
        wait_until(lambda: degraded(shared) == 1)
        refused = burst(shared, "198.51.100.1")
        assert refused.keys() == {200, 429}
        # Each worker allows its half, whichever of them is asked more often.
        assert LIMIT // 2 <= refused[200] <= LIMIT
        assert burst(shared, "198.51.100.1", 40).keys() <= {200, 429}
        server_of_counts.start()
        wait_until(lambda: degraded(shared) == 0, 15)
    assert {status for _, status, _ in answers} == {200}
    assert len(places_that_answered(home)) == 2
    again = exactly_counted(shared, lambda number: burst(shared, f"203.0.113.{number}", 4 * LIMIT))
    assert again == {200: LIMIT, 429: 3 * LIMIT}
    said = shared.said()
    assert 1 <= said.count(GIVEN_UP) <= 20, "it is said once for each time, and not for each request"
    assert "limits are counted in Redis again" in said


def test_a_hanging_redis_keeps_few_requests_and_none_for_long(
    shared: Service, server_of_counts: Redis
) -> None:
    with crowd(shared) as answers:
        wait_until(lambda: len(answers) > 100)
        frozen_at = time.monotonic()
        server_of_counts.freeze()
        wait_until(lambda: degraded(shared) == 1)
        refused = burst(shared, "198.51.100.1")
        assert refused.keys() == {200, 429}
        assert refused[200] <= LIMIT
        time.sleep(max(0.0, frozen_at + 7 - time.monotonic()))  # it has been asked again, in vain
        assert degraded(shared) == 1
        thawed_at = time.monotonic()
        server_of_counts.thaw()
        wait_until(lambda: degraded(shared) == 0, 15)
    assert {status for _, status, _ in answers} == {200}
    during = [seconds for at, _, seconds in answers if frozen_at < at < thawed_at]
    assert len(during) > 100
    assert max(during) < 1
    assert statistics.median(during) < 0.1
    # At most each visitor of the crowd has met the time-out at each worker; the rest is the machine.
    assert sum(seconds > 0.1 for seconds in during) <= 8 + len(during) / 20


@pytest.fixture
def counting(server_of_counts: Redis, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RateLimits]:
    """Makes limits of this process on the real Redis, patient with a busy machine, which ask again soon."""
    monkeypatch.setattr("openwatt.web.http.rate_limit_storage._REDIS_TIMEOUT_S", 5.0)
    monkeypatch.setattr("openwatt.web.http.rate_limit_storage._RETRY_REDIS_AFTER_S", 0.1)

    def of(limit: str, **more: Any) -> RateLimits:
        given: dict[str, Any] = {"redis_url": server_of_counts.url, "workers": 1} | more
        made = RateLimits(Metrics(), default=limit, **given)
        made.init_app(Flask("none"))
        return made

    return of


VISIT = RequestContext("12345678", endpoint="api.tariffs", route="/v1/tariffs", client="192.0.2.1")


def is_degraded(of: RateLimits) -> bool:
    return of._metrics.registry.get_sample_value("openwatt_rate_limiter_degraded") == 1  # noqa: SLF001 - it is this one's own


def visits(of: RateLimits, count: int) -> list[bool]:
    return [of.check(VISIT) is None for _ in range(count)]


def test_a_request_after_retry_after_is_allowed(counting: Callable[..., RateLimits]) -> None:
    of = counting("4/second")
    assert visits(of, 5) == [True] * 4 + [False]
    for _ in range(2):
        refused = of.check(VISIT)
        assert refused is not None
        assert 1 <= int(refused.headers["Retry-After"]) <= 2
        time.sleep(int(refused.headers["Retry-After"]))
        assert of.check(VISIT) is None
        visits(of, 4)


def test_redis_is_told_no_address_for_longer_than_the_limit_needs(
    counting: Callable[..., RateLimits], server_of_counts: Redis
) -> None:
    visits(counting("4/minute"), 6)
    with server_of_counts.client() as client:
        keys: Any = client.keys("*")
        assert keys
        assert all(key.startswith("openwatt:sliding-window-counter:") for key in keys)
        assert all(0 < int(client.pttl(key)) <= 120_000 for key in keys)


@pytest.mark.parametrize("strategy", [FixedWindowRateLimiter, MovingWindowRateLimiter])
def test_what_others_count_on_the_same_redis_is_not_in_the_way(
    counting: Callable[..., RateLimits], server_of_counts: Redis, strategy: type[RateLimiter]
) -> None:
    other = strategy(RedisStorage(server_of_counts.url))
    assert other.hit(limits.parse("4/day"), "api", "192.0.2.1")
    of = counting("4/day")
    assert visits(of, 5) == [True] * 4 + [False]
    assert not is_degraded(of)
    assert other.hit(limits.parse("4/day"), "api", "192.0.2.1")


def test_a_key_of_a_wrong_type_fails_no_request(
    counting: Callable[..., RateLimits], server_of_counts: Redis
) -> None:
    of = counting("4/day")
    assert visits(of, 1) == [True]
    with server_of_counts.client() as client:
        (key,) = client.keys("*")
        client.delete(key)
        client.rpush(key, "a list")
    assert visits(of, 5) == [True] * 4 + [False]


def test_a_redis_that_answers_but_cannot_write_is_not_taken_for_well(
    counting: Callable[..., RateLimits], server_of_counts: Redis
) -> None:
    of = counting("4/day")
    with server_of_counts.client() as client:
        client.config_set("maxmemory", 1)
        assert client.ping()
        assert visits(of, 5) == [True] * 4 + [False]
        time.sleep(0.5)
        assert is_degraded(of)
        client.config_set("maxmemory", 0)
    wait_until(lambda: not is_degraded(of))
    assert visits(of, 5) == [True] * 4 + [False]


def test_a_wrong_password_is_said_and_not_shown(
    counting: Callable[..., RateLimits], server_of_counts: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "a-wrong-passphrase"
    of = counting("4/day", redis_url=server_of_counts.url.replace(PASSWORD, wrong))
    assert visits(of, 5) == [True] * 4 + [False]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "invalid" in record.__dict__["error"]
    assert wrong not in str([record.__dict__ for record in caplog.records])


def test_a_connection_that_redis_has_closed_is_made_anew(
    counting: Callable[..., RateLimits], server_of_counts: Redis
) -> None:
    of = counting("4/day")
    assert visits(of, 2) == [True, True]
    with server_of_counts.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    time.sleep(0.05)
    assert visits(of, 3) == [True, True, False]
    assert not is_degraded(of)
