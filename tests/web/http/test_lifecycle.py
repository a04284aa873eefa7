"""What every request leaves behind: its id, one record, its metrics, and nothing that a client can forge."""

import json
import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from openwatt.app import create_app
from openwatt.settings import Settings
from openwatt.telemetry.logs.json_formatter import Identity, JsonFormatter
from openwatt.web.http.app_state import state_of
from openwatt.web.http.client_address import client_address
from tests.conftest import NOW, Server, close_app
from tests.web.conftest import publish_dear_tariff

FIELDS = {
    "method", "route", "path", "status", "duration_ms", "cpu_ms", "db_ms", "db_queries", "response_bytes",
    "client", "request_id",
}  # fmt: skip
MINE = "a-caller.s_ID-1"
TRACE = "0af7651916cd43dd8448eb211c80319c"
NO_DATABASE = Settings(database_url="postgresql:///none?host=/nonexistent", workers=1)


class Lines(logging.Handler):
    """Every record as the line that is written, of any level."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[dict[str, Any]] = []
        self._json = JsonFormatter(Identity())

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append(json.loads(self._json.format(record)))

    def requests(self) -> list[dict[str, Any]]:
        """The canonical records."""
        return [line for line in self.all if line["logger"] == "openwatt.access"]

    def one(self) -> dict[str, Any]:
        """The only canonical record since the last call."""
        (found,) = self.requests()
        self.all.clear()
        return found


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handler, level = Lines(), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture(scope="module")
def watched(server: Server, filled: str) -> Iterator[Flask]:
    """An app of this module's own: its counters are not moved by other tests."""
    app = create_app(Settings(database_url=server.url(server.create(filled)), workers=1), clock=lambda: NOW)

    @app.get("/fails")
    def _fails() -> str:
        logging.getLogger("a.library").warning("about to fail")
        raise RuntimeError("a fault of ours")

    yield app
    close_app(app)


@pytest.fixture
def visitor(watched: Flask) -> FlaskClient:
    return watched.test_client()


@pytest.fixture
def value(watched: Flask) -> Callable[..., float]:
    """A sample of the app's metrics; 0 where nothing was counted."""
    registry = state_of(watched).metrics.registry
    return lambda name, **labels: registry.get_sample_value(name, labels) or 0.0


#: Method, path, headers, status, route and level of each kind of answer.
KINDS: list[tuple[str, str, dict[str, str], int, str | None, str]] = [
    ("GET", "/v1/suppliers", {}, 200, "/v1/suppliers", "info"),
    ("HEAD", "/v1/suppliers", {}, 200, "/v1/suppliers", "info"),
    ("OPTIONS", "/v1/suppliers", {}, 200, "/v1/suppliers", "info"),
    ("GET", "/v1/suppliers", {"If-None-Match": "*"}, 304, "/v1/suppliers", "info"),
    ("GET", "/openapi.json", {"If-None-Match": "*"}, 304, "/openapi.json", "info"),
    ("HEAD", "/static/docs.js", {}, 200, "/static/<path:filename>", "info"),
    ("GET", "/", {}, 200, "/", "info"),
    ("GET", "/v1/tariffs?on=never", {}, 400, "/v1/tariffs", "info"),
    ("GET", "/nowhere", {}, 404, None, "info"),
    ("GET", "/v1/tempo?from=2026-02-01&to=2026-01-31", {}, 404, "/v1/tempo", "info"),
    ("POST", "/v1/tariffs", {}, 405, None, "info"),
    ("GET", "/v1/tariffs", {"Accept": "image/png"}, 406, "/v1/tariffs", "info"),
    ("GET", "/fails", {}, 500, "/fails", "error"),
    ("GET", "/static/docs.js", {}, 200, "/static/<path:filename>", "info"),
    ("GET", "/static/nothing.js", {}, 404, "/static/<path:filename>", "info"),
    ("GET", "/docs", {}, 200, "/docs", "info"),
    ("GET", "/openapi.json", {}, 200, "/openapi.json", "info"),
    ("GET", "/health", {}, 200, "/health", "debug"),
    ("GET", "/health/ready", {}, 200, "/health/ready", "debug"),
    ("GET", "/version", {}, 200, "/version", "debug"),
    ("GET", "/metrics", {}, 200, "/metrics", "debug"),
    ("GET", "/%ff", {}, 404, None, "info"),
]


@pytest.mark.parametrize(("method", "path", "headers", "status", "route", "level"), KINDS)
def test_each_kind_of_answer_has_its_id_and_one_record(
    visitor: FlaskClient, lines: Lines, method: str, path: str, headers: dict[str, str], status: int,
    route: str | None, level: str,
) -> None:  # fmt: skip
    with visitor.open(path, method=method, headers={"X-Request-ID": MINE, **headers}) as answer:
        sent = answer.get_data()
    assert answer.status_code == status
    # What a shared cache may keep has none: the cache would give it to other clients.
    assert answer.headers.get("X-Request-ID") == (None if answer.cache_control.public else MINE)
    assert {line["request_id"] for line in lines.all} == {MINE}
    record = lines.one()
    assert record.keys() >= FIELDS - ({"route"} if route is None else set())
    assert (record["level"], record["event"]) == (level, "request")
    assert (record["method"], record["path"]) == (method, unquote(path.partition("?")[0], errors="replace"))
    assert (record.get("route"), record["status"]) == (route, status)
    assert record["client"] == "127.0.0.1"
    assert record["response_bytes"] == len(sent)
    assert record["duration_ms"] > 0
    assert record["cpu_ms"] > 0
    assert record["duration_ms"] >= record["db_ms"] >= 0


def test_an_answer_that_is_refused_or_without_database_has_both_too(lines: Lines) -> None:
    app = create_app(
        Settings(database_url=NO_DATABASE.database_url, workers=1, limit_pages="1/hour"), clock=lambda: NOW
    )
    client = app.test_client()
    headers = {"X-Request-ID": MINE}
    assert client.get("/docs", headers=headers).status_code == 200
    lines.all.clear()
    for path, status, level, queries in [
        ("/docs", 429, "info", 0),
        ("/v1/tariffs", 503, "error", 1),
        ("/health/ready", 503, "warning", None),  # the database may be known to be away, and is not asked
    ]:
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, MINE)
        # The pool connects in threads of its own, for whoever asks next.
        ours = [line for line in lines.all if line["logger"] != "psycopg.pool"]
        assert {line["request_id"] for line in ours} == {MINE}
        record = lines.one()
        assert (record["status"], record["route"], record["level"]) == (status, path, level)
        assert queries in {record["db_queries"], None}
        assert (record["db_ms"] > 100) == (queries == 1)
    close_app(app)


@pytest.mark.parametrize("safe", ["12345678", "a" * 128, str(uuid.UUID(int=7)), "Root-1.2_3"])
def test_a_safe_request_id_is_kept(visitor: FlaskClient, safe: str) -> None:
    assert visitor.get("/health", headers={"X-Request-ID": safe}).headers["X-Request-ID"] == safe


@pytest.mark.parametrize(
    "unsafe",
    ["", "short", "a" * 129, "with a space", "quote\"'quote", "<script>alert", "a,b,c,d,e,f", "ééééééééé",
     "12345678%0d%0aX-Evil: 1", "${jndi:ldap://x}", "../../etc/passwd"],
)  # fmt: skip
def test_an_unsafe_request_id_is_replaced(visitor: FlaskClient, lines: Lines, unsafe: str) -> None:
    answer = visitor.get("/health", environ_overrides={"HTTP_X_REQUEST_ID": unsafe})
    given = answer.headers["X-Request-ID"]
    assert str(uuid.UUID(given)) == given
    assert lines.one()["request_id"] == given


def test_a_line_break_in_a_request_id_forges_no_header(visitor: FlaskClient) -> None:
    forged = {"HTTP_X_REQUEST_ID": "12345678\r\nX-Evil: 1", "HTTP_TRACEPARENT": "00\r\n"}
    answer = visitor.get("/health", environ_overrides=forged)
    assert "X-Evil" not in answer.headers
    assert visitor.get("/health", environ_overrides={"HTTP_X_REQUEST_ID": "12345678\n"}).headers[
        "X-Request-ID"
    ] != ("12345678\n")


def test_each_request_without_an_id_gets_another(visitor: FlaskClient) -> None:
    given = {visitor.get("/health").headers["X-Request-ID"] for _ in range(20)}
    assert len(given) == 20


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
        (f"cc-{TRACE}-b7ad6b7169203331-01-what-the-future-will-be-like", TRACE),
        (f"00-{TRACE}-b7ad6b7169203331-01-more", None),
        (f"ff-{TRACE}-b7ad6b7169203331-01", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", None),
        (f"00-{TRACE[:-1]}-b7ad6b7169203331-01", None),
        ("garbage", None),
        ("", None),
    ],
)
def test_a_trace_is_joined_when_it_is_valid(
    visitor: FlaskClient, lines: Lines, traceparent: str, trace_id: str | None
) -> None:
    assert visitor.get("/fails", headers={"traceparent": traceparent}).status_code == 500
    assert len(lines.all) == 3  # the library's warning, the traceback, the request
    assert [line.get("trace_id") for line in lines.all] == [trace_id] * 3


def test_all_that_is_logged_during_a_request_carries_its_id(visitor: FlaskClient, lines: Lines) -> None:
    visitor.get("/fails", headers={"X-Request-ID": MINE})
    warning, failure, record = lines.all
    assert warning["event"] == "about to fail"
    assert "a fault of ours" in failure["exc_info"]
    assert record["status"] == 500
    assert [line["request_id"] for line in lines.all] == [MINE] * 3
    logging.getLogger("a.library").warning("outside")
    assert "request_id" not in lines.all[-1]


def test_the_database_is_charged_to_the_request_that_asks_it(visitor: FlaskClient, lines: Lines) -> None:
    question = "/v1/tariffs?supplier=EDF&on=2025-09-17"
    assert visitor.get(question).status_code == 200
    asked = lines.one()
    # The tariffs; the data's version once a second; what is wrong with sources and the last rows once a version.
    assert asked["db_queries"] in {1, 2, 3, 4}
    assert 0 < asked["db_ms"] <= asked["duration_ms"]
    assert visitor.get(question).status_code == 200
    kept = lines.one()
    assert kept["db_queries"] <= 1
    assert (kept["db_ms"] > 0) == (kept["db_queries"] == 1)
    assert visitor.get("/health/ready").status_code == 200
    assert lines.one()["db_queries"] == 2  # the schema's number and the data's version, always anew
    assert visitor.get("/docs").status_code == 200
    assert (record := lines.one())["db_queries"] == 0
    assert record["db_ms"] == 0


def test_the_size_is_that_of_the_bytes_sent(visitor: FlaskClient, lines: Lines) -> None:
    for headers in ({}, {"Accept-Encoding": "gzip"}, {"Accept": "text/csv"}):
        answer = visitor.get("/v1/tariffs", headers=headers)
        assert lines.one()["response_bytes"] == len(answer.data) > 1000
    with visitor.get("/static/docs.css", headers={"Range": "bytes=0-9"}) as part:
        assert (part.status_code, len(part.data), lines.one()["response_bytes"]) == (206, 10, 10)


def test_a_request_is_written_down_although_its_client_has_gone(watched: Flask, lines: Lines) -> None:
    environ = watched.test_request_context("/v1/suppliers").request.environ
    started: list[str] = []

    def start(status: str, _headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[..., None]:
        started.append(status)
        return lambda _data: None

    for body in watched.wsgi_app(environ, start), watched.wsgi_app(dict(environ), start):
        getattr(body, "close", lambda: None)()  # the server closes it unread, as PEP 3333 asks
    assert started == ["200 OK"] * 2
    assert [record["status"] for record in lines.requests()] == [200, 200]


CLIENT, PROXY, OUTER = "198.51.100.7", "10.0.0.1", "10.0.0.2"


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        (0, None, PROXY),
        (0, CLIENT, PROXY),
        (0, f"{CLIENT}, {OUTER}", PROXY),
        (1, None, PROXY),
        (1, CLIENT, CLIENT),
        (1, f"6.6.6.6, {CLIENT}", CLIENT),
        (1, f"6.6.6.6,7.7.7.7,,{CLIENT} ", CLIENT),
        (2, None, PROXY),
        (2, CLIENT, PROXY),  # it came past the outer proxy
        (2, f"{CLIENT}, {OUTER}", CLIENT),
        (2, f"6.6.6.6, {CLIENT}, {OUTER}", CLIENT),
        (2, f"unknown, {CLIENT}, {OUTER}", CLIENT),
        (1, "", PROXY),
        (1, ",", PROXY),
        (1, "unknown", PROXY),
        (1, "_hidden", PROXY),
        (1, f"{CLIENT}, garbage", PROXY),
        (1, "999.1.1.1", PROXY),
        (1, "198.51.100.07", PROXY),  # octal for some readers
        (1, "127.1", PROXY),
        (1, "1\n2", PROXY),
        (1, "x" * 5000, PROXY),
        (1, f"{CLIENT}:54321", CLIENT),
        (1, f"{CLIENT}:", PROXY),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "2001:0DB8:0:0::7", "2001:db8::7"),
        (1, "[2001:db8::7]", "2001:db8::7"),
        (1, "[2001:db8::7]:443", "2001:db8::7"),
        (1, "[2001:db8::7", PROXY),
        (1, "2001:db8::7]", PROXY),
        (1, "2001:db8::7%eth0", PROXY),
        (1, f"::ffff:{CLIENT}", CLIENT),
        (1, f"[::ffff:{CLIENT}]:1", CLIENT),
    ],
)
def test_the_client_is_whom_the_outermost_trusted_proxy_saw(
    trusted: int, forwarded: str | None, address: str
) -> None:
    environ = {"REMOTE_ADDR": PROXY} | ({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded})
    assert client_address(environ, trusted) == address


@pytest.mark.parametrize("trusted", [0, 1])
@pytest.mark.parametrize(
    ("peer", "address"),
    [(f"::ffff:{CLIENT}", CLIENT), ("2001:db8::7", "2001:db8::7"), ("", "unknown"), (CLIENT, CLIENT)],
)
def test_a_peer_is_written_as_what_it_is(trusted: int, peer: str, address: str) -> None:
    assert client_address({"REMOTE_ADDR": peer}, trusted) == address


@pytest.mark.parametrize("trusted", [0, 1, 2])
def test_no_forged_header_gives_another_allowance(trusted: int) -> None:
    app = create_app(
        Settings(
            database_url=NO_DATABASE.database_url, workers=1, trusted_proxies=trusted, limit_pages="3/hour"
        )
    )
    client = app.test_client()
    seen_by_proxies = [f"{CLIENT}", f"{CLIENT}, {OUTER}"][trusted - 1] if trusted else ""
    forged = ["", "6.6.6.6", "7.7.7.7, 8.8.8.8", "unknown", "[::1]:80", "2001:db8::1", ",,,", "x" * 3000]
    statuses = []
    for entry in forged:
        header = ", ".join(filter(None, [entry, seen_by_proxies]))
        statuses.append(client.get("/docs", headers={"X-Forwarded-For": header}).status_code)
        # Other headers that proxies use are a client's word alone.
        client_word = dict.fromkeys(("X-Real-IP", "Forwarded", "CF-Connecting-IP", "Client-IP"), "9.9.9.9")
        statuses.append(client.get("/docs", headers={"X-Forwarded-For": header, **client_word}).status_code)
    assert statuses == [200] * 3 + [429] * (2 * len(forged) - 3)
    close_app(app)


def test_requests_in_progress_end_with_them(visitor: FlaskClient, value: Callable[..., float]) -> None:
    for path in ("/docs", "/nowhere", "/fails", "/v1/tariffs?on=never"):
        visitor.get(path)
        assert value("http_requests_in_progress") == 0
    during = [
        line for line in visitor.get("/metrics").text.splitlines() if line.startswith("http_requests_in")
    ]
    assert during == ["http_requests_in_progress 1.0"]


def test_each_request_is_counted_once_and_timed(visitor: FlaskClient, value: Callable[..., float]) -> None:
    labels = {"method": "GET", "route": "/v1/tariffs", "status": "400"}
    names = [
        ("http_requests_total", {}),
        ("http_request_duration_seconds_count", {}),
        ("http_request_duration_seconds_bucket", {"le": "+Inf"}),
    ]
    before = [value(name, **labels, **more) for name, more in names]
    for _ in range(5):
        assert visitor.get("/v1/tariffs?on=never").status_code == 400
    assert [value(name, **labels, **more) for name, more in names] == [count + 5 for count in before]
    assert 0 < value("http_request_duration_seconds_sum", **labels) < 5
    assert value("http_requests_total", method="GET", route="/fails", status="500") == value(
        "http_request_duration_seconds_count", method="GET", route="/fails", status="500"
    )


def series(client: FlaskClient) -> set[str]:
    """The names and labels of all that /metrics tells."""
    told = client.get("/metrics").text.splitlines()
    return {line.rpartition(" ")[0] for line in told if not line.startswith("#")}


def test_a_scan_of_the_site_makes_no_new_series(visitor: FlaskClient) -> None:
    def scan(turn: int) -> list[TestResponse]:
        return [
            visitor.open(path.format(turn=turn, number=number), method=method)
            for number, method in enumerate(["GET", "PURGE", "BREW", f"X{turn}", "get", "POST"] * 25)
            for path in ("/wp-login{turn}-{number}.php", "/v1/tariffs/{turn}/{number}")
        ]

    assert {answer.status_code for answer in scan(1)} == {404}
    assert visitor.open("/v1/tariffs", method="MKCOL").status_code == 405
    series(visitor)  # a scrape is a request too
    known = series(visitor)
    assert len(scan(2)) == 300
    visitor.open("/v1/tariffs", method="PROPFIND")
    assert series(visitor) == known
    unmatched = {name for name in known if name.startswith("http_requests_total") and "<unmatched>" in name}
    assert {
        'http_requests_total{method="GET",route="<unmatched>",status="404"}',
        'http_requests_total{method="OTHER",route="<unmatched>",status="404"}',
        'http_requests_total{method="POST",route="<unmatched>",status="404"}',
        'http_requests_total{method="OTHER",route="<unmatched>",status="405"}',
    } <= unmatched
    assert not [name for name in known if "wp-login" in name or "PURGE" in name]


def test_tariffs_served_are_counted_by_option(visitor: FlaskClient, value: Callable[..., float]) -> None:
    def counted() -> dict[str, float]:
        return {option: value("openwatt_tariffs_served_total", option=option) for option in ("BASE", "TEMPO")}

    before = counted()
    for _ in range(2):  # the second is a kept answer: it serves as many
        page: Any = visitor.get("/v1/tariffs?supplier=EDF&option=BASE").json
        assert page["tariffs"]
    given = 2 * len(page["tariffs"])
    assert counted() == {"BASE": before["BASE"] + given, "TEMPO": before["TEMPO"]}


def test_an_alert_of_a_guard_is_counted(filled_url: str) -> None:
    publish_dear_tariff(filled_url)
    app = create_app(Settings(database_url=filled_url), clock=lambda: NOW)
    client = app.test_client()
    told = 'openwatt_guard_alerts_total{guard="trve-diff"} '
    assert told not in client.get("/metrics").text
    page: Any = client.get("/v1/guards/trve-diff?on=2025-09-01&option=BASE&power_kva=6").json
    assert page["alerts"] == 1
    assert told + "1.0" in client.get("/metrics").text
    close_app(app)
