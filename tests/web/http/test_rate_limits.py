"""How often a client may ask: who is counted, what is counted together, and what a refusal says."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import limits
import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from openwatt.app import create_app
from openwatt.settings import Settings, SettingsError, read_settings
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.web.http.client_address import client_address, client_key
from openwatt.web.http.rate_limit_storage import SlidingWindowCount, seconds_to_wait
from openwatt.web.http.rate_limits import RateLimits
from tests.chaos.running import wait_until
from tests.conftest import NOW, Server, close_app

#: Long enough for no window to end during a test.
DAY_S = 86_400.0


@pytest.fixture
def limited(server: Server, filled: str) -> Iterator[Callable[..., Flask]]:
    """Makes apps with limits; databases are not asked but for /v1."""
    made = []
    url = server.url(server.create(filled))

    def of(**settings: object) -> Flask:
        chosen = Settings(**{"database_url": url, "workers": 1} | settings)  # type: ignore[arg-type]  # as the test says
        made.append(create_app(chosen, clock=lambda: NOW))
        return made[-1]

    yield of
    for app in made:
        close_app(app)


def statuses(client: FlaskClient, path: str, count: int, address: str = "192.0.2.1") -> list[int]:
    environ = {"REMOTE_ADDR": address}
    return [client.get(path, environ_overrides=environ).status_code for _ in range(count)]


def test_api_and_pages_are_counted_apart(limited: Callable[..., Flask]) -> None:
    client = limited(limit_api="2/day", limit_pages="3/day").test_client()
    assert statuses(client, "/v1/suppliers", 1) == [200]
    assert statuses(client, "/v1/offers", 2) == [200, 429]
    assert statuses(client, "/docs", 1) == [200]
    assert statuses(client, "/openapi.json", 1) == [200]
    assert statuses(client, "/nowhere", 2) == [404, 429]
    assert statuses(client, "/status", 1) == [429]
    assert statuses(client, "/static/docs.css", 1) == [429]
    assert statuses(client, "/v1/suppliers", 1) == [429]


def test_cached_responses_and_those_of_flask_are_one_allowance(
    limited: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 3600.0)
    app = limited(limit_api="12/day")
    by_flask: list[str] = []
    dispatch = app.full_dispatch_request

    def watched() -> Response:
        by_flask.append(request.path)
        return dispatch()

    monkeypatch.setattr(app, "full_dispatch_request", watched)
    client = app.test_client()
    for _ in range(2):
        assert statuses(client, "/v1/suppliers", 1, "192.0.2.7") == [200]
    by_flask.clear()
    mixed = [
        statuses(client, path, 1)[0]
        for number in range(10)
        for path in ("/v1/suppliers", f"/v1/tariffs?power_kva=6&limit={number + 1}")
    ]
    assert mixed == [200] * 12 + [429] * 8
    assert by_flask == ["/v1/tariffs"] * 10
    # What was refused before Flask says the same as what was refused by it.
    paths = ("/v1/suppliers", "/v1/offers")
    answers = [client.get(path, environ_overrides={"REMOTE_ADDR": "192.0.2.1"}) for path in paths]
    assert by_flask[10:] == ["/v1/offers"]
    before, behind = ({**answer.headers} for answer in answers)
    for headers in (before, behind):
        assert abs(int(headers.pop("X-RateLimit-Reset")) - time.time() - int(headers.pop("Retry-After"))) <= 2
        del headers["X-Request-ID"], headers["Content-Length"]
    assert before == behind
    assert before["X-RateLimit-Limit"] == "12"
    assert statuses(client, "/v1/suppliers", 11, "192.0.2.7") == [200] * 10 + [429]


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/version", "/metrics"])
def test_who_watches_the_service_is_never_refused(limited: Callable[..., Flask], path: str) -> None:
    client = limited(limit_api="1/day", limit_pages="1/day").test_client()
    assert statuses(client, "/docs", 2) == [200, 429]
    assert statuses(client, path, 5) == [200] * 5
    assert "X-RateLimit-Limit" not in client.get(path).headers


def test_every_route_is_limited_or_exempt_on_purpose(limited: Callable[..., Flask]) -> None:
    words = {endpoint.partition(".")[0] for endpoint in limited().view_functions}
    with_limit = {"api", "bills", "explanations", "home", "pages", "static"}
    assert words == with_limit | {"probes", "prometheus_metrics"}


def test_a_refusal_says_what_and_until_when(limited: Callable[..., Flask]) -> None:
    client = limited(limit_api="2/hour").test_client()
    allowed = client.get("/v1/suppliers")
    assert (allowed.status_code, allowed.headers["X-RateLimit-Limit"]) == (200, "2")
    client.get("/v1/suppliers")
    answer = client.get("/v1/suppliers")
    assert answer.status_code == 429
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    wait_s = int(answer.headers["Retry-After"])
    assert 1 <= wait_s <= 3600
    assert answer.headers["X-RateLimit-Limit"] == "2"
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert abs(int(answer.headers["X-RateLimit-Reset"]) - time.time() - wait_s) <= 2
    assert answer.json == {
        "type": "/problems/too-many-requests",
        "title": "Too Many Requests",
        "status": 429,
        "detail": f"At most 2 requests in 3600 s from one address are answered; ask again in {wait_s} s.",
    }
    told = client.get("/metrics").text
    assert 'openwatt_rate_limit_breaches_total{limit="api",route="/v1/suppliers"} 1.0' in told
    assert "127.0.0.1" not in told


def test_a_browser_above_its_limit_gets_a_page_from_flask_and_from_the_response_cache(
    limited: Callable[..., Flask],
) -> None:
    client = limited(limit_api="3/hour").test_client()
    browser = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "fr"}
    answers = [client.get("/v1/suppliers", headers=browser) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    for answer in answers[3:]:
        assert answer.mimetype == "text/html"
        assert "Trop de requêtes" in answer.text
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["X-Request-ID"]


def test_each_address_has_its_own_allowance(limited: Callable[..., Flask]) -> None:
    client = limited(limit_pages="1/day").test_client()
    for address in ("192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"):
        assert statuses(client, "/docs", 2, address) == [200, 429]
    # Who has one address of an IPv6 network has all of them.
    for neighbour in ("2001:db8:0:1::2", "2001:db8:0:1:ffff:ffff:ffff:ffff"):
        assert statuses(client, "/docs", 1, neighbour) == [429]
    # An IPv4 client of a socket for both is itself, and not one network with all others.
    assert statuses(client, "/docs", 1, "::ffff:192.0.2.1") == [429]
    assert statuses(client, "/docs", 1, "::ffff:192.0.2.3") == [200]


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
        ("", ""),
        ("::garbage", "::garbage"),
    ],
)
def test_a_limit_counts_an_address_or_a_customers_network(client: str, key: str) -> None:
    assert client_key(client) == key


@pytest.mark.parametrize(("limit", "workers", "share"), [(10, 1, 10), (10, 2, 5), (10, 3, 3), (10, 10, 1)])
def test_without_redis_a_worker_allows_its_share(
    limited: Callable[..., Flask], limit: int, workers: int, share: int
) -> None:
    client = limited(limit_pages=f"{limit}/day", workers=workers).test_client()
    assert statuses(client, "/docs", limit + 1) == [200] * share + [429] * (limit + 1 - share)
    assert share * workers <= limit
    assert client.get("/docs").headers["X-RateLimit-Limit"] == str(limit)


def test_a_share_is_exact_among_threads() -> None:
    count = SlidingWindowCount(500, DAY_S)
    allowed: list[bool] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        allowed.extend(not count.hit("192.0.2.1", 1.0) for _ in range(200))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(allowed), sum(allowed)) == (1600, 500)


def test_a_window_slides() -> None:
    count = SlidingWindowCount(10, 60.0)
    assert [count.hit("a", 601.0) == 0 for _ in range(11)] == [True] * 10 + [False]
    assert count.hit("a", 659.9)
    # A quarter into the next window, three quarters of the last one's ten still count: 7.5.
    assert [count.hit("a", 675.0) == 0 for _ in range(4)] == [True] * 3 + [False]
    # At its end a sixtieth of ten is nothing; the three count.
    assert [count.hit("a", 719.0) == 0 for _ in range(8)] == [True] * 7 + [False]
    assert [count.hit("a", 1000.0) == 0 for _ in range(11)] == [True] * 10 + [False]
    assert count.hit("b", 1000.0) == 0


@pytest.mark.parametrize("most", [1, 2, 7, 100, 12_000])
@pytest.mark.parametrize("at", [600.0, 600.25, 617.3, 659.999])
def test_who_waits_as_told_is_answered_and_who_comes_sooner_is_not(most: int, at: float) -> None:
    count = SlidingWindowCount(most, 60.0)
    now = at
    assert [count.hit("a", now) for _ in range(most)] == [0.0] * most
    for _ in range(5):  # at the limit's edge for several windows
        wait_s = count.hit("a", now)
        assert 0 < wait_s <= 60.0
        if wait_s > 0.01:
            assert count.hit("a", now + wait_s - 0.005) > 0
        now += wait_s + 1e-5
        assert count.hit("a", now) == 0
        while not count.hit("a", now):
            pass


def test_the_rule_is_the_engines_own() -> None:
    engine = SlidingWindowCounterRateLimiter(MemoryStorage())
    item = limits.parse("20/second")
    count = SlidingWindowCount(20, 1.0)
    deadline = time.monotonic() + 1.5
    allowed = [0, 0]
    while time.monotonic() < deadline:
        allowed[0] += engine.hit(item, "a")
        allowed[1] += not count.hit("a", time.monotonic())
        time.sleep(0.005)
    # Their windows begin at other instants, which moves at most one window's worth.
    assert 20 <= min(allowed) <= max(allowed) <= 60
    assert abs(allowed[0] - allowed[1]) <= 20
    assert seconds_to_wait(20, 1.0, 20, 0.5, 9) == 0
    assert seconds_to_wait(20, 1.0, 20, 0.5, 10) == pytest.approx(1e-6)


def test_memory_is_bounded_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openwatt.web.http.rate_limit_storage._MOST_CLIENTS", 100)
    count = SlidingWindowCount(5, DAY_S)
    for number in range(1000):
        count.hit(f"client {number}", 1.0)
        assert len(count._current) + len(count._previous) <= 200  # noqa: SLF001 - what is bounded is inside
    assert [count.hit("the last", 1.0) == 0 for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.parametrize(
    "text",
    ["600", "600/fortnight", "0/minute", "-5/minute", "6e2/minute", "600 / minute", "600 per minute",
     "/minute", "٦/minute", "1٦/minute", "600/minute;10/second", "9999999999/minute",
     "600/minute\n", "1.5/second"],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["OPENWATT_LIMIT_API", "OPENWATT_LIMIT_PAGES"])
def test_a_limit_in_another_form_is_refused_in_clear_words(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({variable: text})
    assert caught.value.faults == (
        f"{variable} must be a number of requests in a time, like 600/minute (it is {text!r})",
    )


@pytest.mark.parametrize("text", ["1/day", "600/minute", "10/second", "999999999/hour"])
def test_a_limit_in_its_form_is_one_that_can_be_counted(text: str) -> None:
    assert read_settings({"OPENWATT_LIMIT_API": text, "OPENWATT_WORKERS": "1"}).limit_api == text
    RateLimits(Metrics(), default=text, redis_url=None, workers=1)


def test_a_limit_that_workers_cannot_share_is_refused() -> None:
    assert read_settings({"OPENWATT_LIMIT_API": "4/minute", "OPENWATT_WORKERS": "4"}).workers == 4
    with pytest.raises(SettingsError) as caught:
        read_settings({"OPENWATT_LIMIT_PAGES": "3/minute", "OPENWATT_WORKERS": "4"})
    (fault,) = caught.value.faults
    assert fault.startswith("OPENWATT_LIMIT_PAGES must be at least 4, the number of workers, ")
    assert fault.endswith("(it is '3/minute')")


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@redis:6379",
        "redis:hunter2@redis",
        "redis://:hunter2@redis:port",
        "redis://:hunter2/x@redis:6379",
        "redis://:hunter2#x@redis:6379",
        "redis://:hunter2@redis:99999",
    ],
)
def test_an_address_of_redis_that_cannot_be_one_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"OPENWATT_REDIS_URL": url})
    (fault,) = caught.value.faults
    assert fault.startswith("OPENWATT_REDIS_URL must ")
    assert "hunter2" not in fault
    assert "hunter2" not in repr(caught.value.__cause__) + repr(caught.value.__context__)


@pytest.mark.parametrize(
    "url",
    ["redis://:hunter2@redis:1/0?db=first", "redis://:hunter2@redis?surprise=1", "unix:///x?timeout=no"],
)
def test_options_that_redis_has_not_stop_the_start_and_not_each_request(url: str) -> None:
    with pytest.raises(SettingsError, match="OPENWATT_REDIS_URL must have behind its") as named:
        read_settings({"OPENWATT_REDIS_URL": url})
    assert "hunter2" not in str(named.value)
    with pytest.raises(ValueError, match="the address of Redis cannot be used") as caught:
        RateLimits(Metrics(), default="1/day", redis_url=url, workers=1).init_app(Flask("none"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("trusted", [1, 2])
def test_a_proxy_that_tells_ports_does_not_put_its_clients_together(trusted: int) -> None:
    seen = {
        client_key(
            client_address(
                {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": ", ".join([entry] * trusted)}, trusted
            )
        )
        for entry in ("192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "[2001:db8::1]:1", "[2001:db8::2]:2")
    }
    assert seen == {"192.0.2.1", "192.0.2.2", "2001:db8::/64"}


def counted(metrics: Metrics, redis_url: str) -> RateLimits:
    """The limits of an app without routes."""
    limiter = RateLimits(metrics, default="3/day", redis_url=redis_url, workers=1)
    limiter.init_app(Flask("none"))
    return limiter


def hit(limiter: RateLimits) -> bool:
    """Whether a request of one client is allowed, as Flask-Limiter would ask."""
    return limiter.limiter.hit(limits.parse("3/day"), "192.0.2.1", "pages")


def test_an_absent_redis_is_said_once_and_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    with caplog.at_level(logging.INFO):
        limiter = counted(metrics, "redis://:hunter2@127.0.0.1:1/0")
        began = time.monotonic()
        hits = [hit(limiter) for _ in range(2000)]
        took = time.monotonic() - began
    assert hits == [True] * 3 + [False] * 1997
    assert took < 1
    assert metrics.registry.get_sample_value("openwatt_rate_limiter_degraded") == 1
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "each worker counts its share" in record.message
    assert "hunter2" not in str(record.__dict__)


def test_without_a_thread_to_wait_for_redis_the_next_request_tries_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    metrics = Metrics()
    limiter = counted(metrics, "redis://127.0.0.1:1/0")
    with monkeypatch.context() as patched:  # as under pids_limit, TasksMax or RLIMIT_NPROC
        patched.setattr(threading.Thread, "start", refused)
        hits = [hit(limiter) for _ in range(4)]
    assert hits == [True] * 3 + [False], "each worker counts its share all the same"
    assert metrics.registry.get_sample_value("openwatt_rate_limiter_degraded") == 0
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.message.startswith("no thread can wait for Redis: raise the limit of processes")
    hit(limiter)
    assert metrics.registry.get_sample_value("openwatt_rate_limiter_degraded") == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_wait_for_redis_survives_what_nobody_foresaw(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("openwatt.web.http.rate_limit_storage._RETRY_REDIS_AFTER_S", 0.01)
    raised: list[BaseException] = [ValueError("a reply of no kind"), MemoryError(), SystemExit()]

    def acquire(*_arguments: object, **_named: object) -> bool:
        if raised:
            raise raised.pop(0)
        return True

    metrics = Metrics()
    limiter = counted(metrics, "redis://127.0.0.1:1/0")
    assert hit(limiter)
    monkeypatch.setattr(limiter.storage._redis, "acquire_sliding_window_entry", acquire)  # type: ignore[attr-defined]  # noqa: SLF001
    wait_until(lambda: not raised, 10)
    wait_until(lambda: metrics.registry.get_sample_value("openwatt_rate_limiter_degraded") == 0, 10)
    assert hit(limiter)  # in Redis again
    failed = [
        record for record in caplog.records if record.message.startswith("asking whether Redis is back")
    ]
    assert [record.__dict__["error"] for record in failed] == [
        "ValueError: a reply of no kind",
        "MemoryError: ",
    ]
