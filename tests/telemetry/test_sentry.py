"""Error reports as a third party's server received them, and what stays out of them."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from flask import Flask, abort, got_request_exception, request

from openwatt.telemetry import context as contexts
from openwatt.telemetry.logs.json_formatter import Identity
from openwatt.telemetry.logs.setup import LogConfig, configure_logs
from openwatt.telemetry.sentry import ErrorReports, SentryConfig
from tests.bugsink_server import Bugsink

REQUEST_ID = "support-case-4711"


def config(dsn: str, **changes: Any) -> SentryConfig:
    given: dict[str, Any] = {"dsn": dsn, "release": "openwatt@0.1.0+abc1234", "environment": "test"}
    return SentryConfig(**(given | changes))


class Captured(sentry_sdk.transport.Transport):
    """Keeps envelopes instead of sending them."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.events += [item.payload.json for item in envelope.items if item.payload.json is not None]


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Captured]:
    transport = Captured()
    original = sentry_sdk.Client
    monkeypatch.setattr(sentry_sdk, "Client", lambda **options: original(transport=transport, **options))
    yield transport
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture
def logs() -> Iterator[None]:
    root = logging.getLogger()
    before, level, excepthook = list(root.handlers), root.level, threading.excepthook
    configure_logs(LogConfig(identity=Identity()))
    yield
    for handler in list(root.handlers):
        if handler not in before:
            root.removeHandler(handler)
    root.setLevel(level)
    threading.excepthook = excepthook
    logging.captureWarnings(capture=False)


def application(reports: ErrorReports, environment: dict[str, str]) -> Flask:
    """The hooks of the web, in short, around views that fail in every way."""
    app = Flask(__name__)
    got_request_exception.connect(reports.report_exception, app)

    @app.before_request
    def _begin() -> None:
        contexts.begin(
            contexts.RequestContext(
                request_id=contexts.request_id_from(request.headers.get("X-Request-ID")),
                method=request.method,
                path=request.path,
                query_string=request.query_string.decode(),
                route=request.url_rule.rule if request.url_rule else None,
                endpoint=request.endpoint,
                headers=request.headers,
            )
        )

    @app.after_request
    def _report(response: Any) -> Any:
        reports.report_response(response.status_code)
        return response

    @app.teardown_request
    def _end(_error: BaseException | None) -> None:
        context = contexts.current()
        if context is not None:
            contexts.end(context)

    @app.route("/fails", methods=["POST"])
    def fails() -> str:
        # Every secret is made at run time: none stands in the source that a report quotes.
        credentials = {"database": {"password": environment["IN_LOCAL"]}}
        assert request.get_json() is not None
        logging.getLogger("openwatt.test").warning("asking", extra={"api_token": environment["IN_LOG"]})
        url = f"postgresql://openwatt:{environment['IN_DSN']}@db.internal/openwatt"
        raise ConnectionError(f"cannot reach {url} ({len(credentials)} credentials)")

    @app.route("/refuses")
    def refuses() -> str:
        abort(int(request.args["status"]))

    @app.route("/healthy-homes")
    def healthy_homes() -> str:
        raise RuntimeError("a real failure")

    @app.route("/health")
    def health() -> tuple[str, int]:
        if "broken" in request.args:
            raise RuntimeError("the probe itself is broken")
        return "no", 503

    return app


@pytest.fixture(scope="module")
def bugsink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bugsink]:
    server = Bugsink(tmp_path_factory.mktemp("sentry"))
    server.start()
    yield server
    server.stop()


@pytest.mark.usefixtures("logs")
def test_an_error_is_read_back_from_bugsink_with_its_request_and_without_eight_secrets(
    bugsink: Bugsink, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [
        "IN_HEADER",
        "IN_QUERY",
        "IN_BODY",
        "IN_LOCAL",
        "IN_DSN",
        "IN_COOKIE",
        "IN_ENVIRONMENT",
        "IN_LOG",
    ]
    secrets = {
        place: f"hush-{place.lower().replace('_', '')}-{number}7f" for number, place in enumerate(places)
    }
    monkeypatch.setenv("OPENWATT_ADMIN_TOKEN", secrets["IN_ENVIRONMENT"])
    reports = ErrorReports(config(bugsink.dsn))
    client = application(reports, secrets).test_client()
    client.set_cookie("session", secrets["IN_COOKIE"])
    answer = client.post(
        f"/fails?page=2&api_key={secrets['IN_QUERY']}",
        json={"customer": {"token": secrets["IN_BODY"]}},
        headers={
            "X-Request-ID": REQUEST_ID,
            "Authorization": f"Bearer {secrets['IN_HEADER']}",
            "X-Api-Key": secrets["IN_HEADER"],
        },
    )
    assert answer.status_code == 500
    reports.flush()
    events = bugsink.events(1)
    sentry_sdk.get_client().close()
    assert len(events) == 1
    told = str(events[0])
    assert {place for place, secret in secrets.items() if secret in told} == set()
    data = events[0]["data"]
    assert data["tags"]["request_id"] == REQUEST_ID
    assert data["release"] == "openwatt@0.1.0+abc1234"
    assert data["transaction"] == "fails"
    assert data["exception"]["values"][0]["type"] == "ConnectionError"
    assert "db.internal" in data["exception"]["values"][0]["value"]
    assert ["page", "2"] in data["request"]["query_string"]
    assert data["breadcrumbs"]["values"][0]["message"] == "asking"


def test_a_probes_no_and_a_clients_fault_are_not_reported_but_a_broken_probe_is(captured: Captured) -> None:
    reports = ErrorReports(config("http://key@127.0.0.1:9/1", probe_endpoints=frozenset({"health"})))
    client = application(reports, {}).test_client()
    for path in ("/health", "/refuses?status=404", "/refuses?status=429", "/nowhere"):
        client.get(path)
    assert captured.events == []
    client.get("/health?broken=1")
    client.get("/healthy-homes")
    assert [event["transaction"] for event in captured.events] == ["health", "healthy_homes"]


def test_a_5xx_that_no_exception_explains_is_reported_once_a_minute(captured: Captured) -> None:
    reports = ErrorReports(config("http://key@127.0.0.1:9/1"))
    client = application(reports, {}).test_client()
    for _ in range(3):
        client.get("/refuses?status=500", headers={"X-Request-ID": REQUEST_ID})
    client.get("/refuses?status=503")
    assert [event["message"] for event in captured.events] == [
        "500 without an exception",
        "503 without an exception",
    ]
    assert captured.events[0]["tags"]["request_id"] == REQUEST_ID


def test_an_exception_is_ignored_by_its_class_and_not_by_its_words(captured: Captured) -> None:
    reports = ErrorReports(config("http://key@127.0.0.1:9/1", ignored_exceptions=(LookupError,)))
    reports.report_exception(None, KeyError("left out"))
    reports.report_exception(None, ValueError("LookupError"))
    assert [event["exception"]["values"][0]["type"] for event in captured.events] == ["ValueError"]


def test_an_event_that_cannot_be_cleaned_is_sent_without_its_content(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_event: object) -> object:
        raise RecursionError

    monkeypatch.setattr("openwatt.telemetry.sentry.redact", fail)
    reports = ErrorReports(config("http://key@127.0.0.1:9/1"))
    reports.report_exception(None, ValueError("secret words"))
    assert len(captured.events) == reports.unredactable == 1
    assert "secret words" not in str(captured.events)
    assert captured.events[0]["release"] == "openwatt@0.1.0+abc1234"


def test_probes_are_never_traced_and_a_caller_cannot_ask_for_more(captured: Captured) -> None:
    untraced = {"probe_endpoints": frozenset({"health"}), "untraced_paths": frozenset({"/health"})}
    reports = ErrorReports(config("http://key@127.0.0.1:9/1", traces_sample_rate=1.0, **untraced))
    app = application(reports, {})
    app.wsgi_app = reports.traced(app.wsgi_app)  # type: ignore[method-assign]
    client = app.test_client()
    client.get("/health")
    client.get("/nowhere", headers={"sentry-trace": f"{'a' * 32}-{'b' * 16}-0"})
    assert captured.events == []
    client.get("/nowhere")
    assert [event["type"] for event in captured.events] == ["transaction"]


def test_without_tracing_the_application_is_left_as_it_is(captured: Captured, tmp_path: Path) -> None:
    reports = ErrorReports(config("http://key@127.0.0.1:9/1"))
    assert reports.traced(str) is str
    assert captured.events == list(tmp_path.iterdir()) == []


def test_a_job_is_watched_by_check_ins_with_its_own_schedule(captured: Captured) -> None:
    reports = ErrorReports(config("http://key@127.0.0.1:1/1"))
    for good in (True, False):
        reports.end_check_in(reports.begin_check_in("ingest-yeli_verte", every_days=7), good=good)
    reports.flush()
    begun, ended, _, failed = captured.events
    assert [one["status"] for one in captured.events] == ["in_progress", "ok", "in_progress", "error"]
    assert begun["monitor_slug"] == "ingest-yeli_verte"
    assert begun["monitor_config"]["schedule"] == {"type": "interval", "value": 7, "unit": "day"}
    assert begun["check_in_id"] == ended["check_in_id"] != failed["check_in_id"]
    assert ended["duration"] >= 0
    assert begun["release"] == "openwatt@0.1.0+abc1234"
