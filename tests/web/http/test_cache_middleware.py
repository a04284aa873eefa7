"""Answers given before Flask are those that Flask gives: limited, logged and counted like them.

Flask answers a question twice: a response is cached when it is asked for again.
"""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, got_request_exception
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.settings import Settings
from openwatt.telemetry.logs.json_formatter import Identity, JsonFormatter
from openwatt.web.http.app_state import state_of
from openwatt.web.http.response_cache import CachedResponse
from tests.conftest import NOW, close_app

PATH = "/v1/tariffs?option=TEMPO"
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Lines(logging.Handler):
    """The canonical record of each request."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[dict[str, Any]] = []
        self._json = JsonFormatter(Identity())

    def emit(self, record: logging.LogRecord) -> None:
        line = json.loads(self._json.format(record))
        if line["logger"] == "openwatt.access":
            self.requests.append(line)


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def app(filled_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An app that asks for the data's version at the first request only."""
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 3600.0)
    settings = Settings(database_url=filled_url, workers=1, limit_api="6/day")
    app = create_app(settings, clock=lambda: NOW)
    yield app
    close_app(app)


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def by_flask(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The status of each answer that is Flask's."""
    seen: list[str] = []
    answer = app.full_dispatch_request

    def watched(*args: Any) -> Any:
        response = answer(*args)
        seen.append(response.status)
        return response

    monkeypatch.setattr(app, "full_dispatch_request", watched)
    return seen


@pytest.fixture
def value(app: Flask) -> Callable[..., float]:
    registry = state_of(app).metrics.registry
    return lambda name, **labels: registry.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Accept-Encoding": "gzip"}, 200),
        ({"Accept": "text/csv"}, 200),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"of-another-answer"'}, 200),
    ],
)
def test_the_third_answer_is_the_first_without_flask(
    visitor: FlaskClient, by_flask: list[str], lines: Lines, headers: dict[str, str], status: int
) -> None:
    first, _, second = (visitor.get(PATH, headers=headers) for _ in range(3))
    assert len(by_flask) == 2
    assert first.status_code == second.status_code == status
    assert first.status == second.status
    assert first.data == second.data
    assert "X-Request-ID" not in second.headers, "a shared cache would give it to other clients"
    assert sorted(first.headers) == sorted(second.headers)
    assert len(dict(second.headers)) == len(second.headers)
    assert len({line["request_id"] for line in lines.requests}) == 3
    varying = {"request_id", "event_id", "@timestamp", "duration_ms", "cpu_ms", "db_ms", "db_queries"}
    told = [{name: line[name] for name in line.keys() - varying} for line in lines.requests]
    assert told[0] == told[2]
    assert lines.requests[2]["db_queries"] == 0


def test_a_caller_s_ids_are_logged(visitor: FlaskClient, by_flask: list[str], lines: Lines) -> None:
    ids = {"X-Request-ID": "a-caller.s_ID-1", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    for _ in range(3):
        assert visitor.get(PATH, headers=ids).status_code == 200
        assert lines.requests[-1]["request_id"] == "a-caller.s_ID-1"
        assert lines.requests[-1]["trace_id"] == TRACE
    assert len(by_flask) == 2


def test_every_answer_is_counted_once(
    visitor: FlaskClient, by_flask: list[str], value: Callable[..., float]
) -> None:
    tariffs = len(json.loads(visitor.get(PATH).data)["tariffs"])
    assert tariffs > 1
    for _ in range(2):
        visitor.get(PATH)
    assert len(by_flask) == 2
    labels = {"method": "GET", "route": "/v1/tariffs", "status": "200"}
    assert value("http_requests_total", **labels) == 3
    assert value("http_request_duration_seconds_count", **labels) == 3
    assert value("openwatt_tariffs_served_total", option="TEMPO") == 3 * tariffs
    assert value("http_requests_in_progress") == 0


def test_a_limit_holds_for_kept_answers_too(
    visitor: FlaskClient, by_flask: list[str], lines: Lines, value: Callable[..., float]
) -> None:
    answers = [visitor.get(PATH) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429] * 2
    assert len(by_flask) == 2
    refused = answers[-1]
    assert refused.content_type == "application/problem+json"
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["X-RateLimit-Limit"] == answers[0].headers["X-RateLimit-Limit"] == "6"
    assert refused.headers["X-Content-Type-Options"] == "nosniff"
    assert [line["status"] for line in lines.requests] == [200] * 6 + [429] * 2
    assert lines.requests[-1]["request_id"] == refused.headers["X-Request-ID"]
    assert value("openwatt_rate_limit_breaches_total", route="/v1/tariffs", limit="api") == 2


def test_other_methods_and_questions_are_flask_s(visitor: FlaskClient, by_flask: list[str]) -> None:
    for _ in range(3):
        visitor.get(PATH)
    assert len(by_flask) == 2
    assert visitor.head(PATH).data == b""
    assert visitor.post(PATH).status_code == 405
    assert visitor.get(f"{PATH}&limit=1").status_code == 200
    assert len(by_flask) == 5


def test_the_version_of_the_data_is_asked_for_by_flask(
    visitor: FlaskClient, by_flask: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 0.0)  # it is old as soon as it is known
    for asked in (1, 2, 3):
        assert visitor.get(PATH).status_code == 200
        assert len(by_flask) == asked


def test_a_failure_while_a_cached_response_is_given_keeps_the_request_id(
    app: Flask, visitor: FlaskClient, by_flask: list[str], lines: Lines, value: Callable[..., float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for _ in range(2):
        assert visitor.get(PATH).status_code == 200
    reported: list[BaseException] = []

    def report(_sender: object, exception: BaseException, **_extra: object) -> None:
        reported.append(exception)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(CachedResponse, "count", fail)
    with got_request_exception.connected_to(report, app):
        answer = visitor.get(PATH, headers={"X-Request-ID": "a-caller.s_ID-1"})
    assert len(by_flask) == 2, "the response was there before Flask"
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert (answer.json or {})["title"] == "Internal Server Error"
    assert answer.headers["X-Request-ID"] == "a-caller.s_ID-1"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    record = lines.requests[-1]
    assert (record["status"], record["request_id"]) == (500, "a-caller.s_ID-1")
    assert (record["route"], record["level"]) == ("/v1/tariffs", "error")
    assert [type(exception) for exception in reported] == [ZeroDivisionError]
    assert value("http_requests_total", method="GET", route="/v1/tariffs", status="500") == 1
    assert value("http_requests_in_progress") == 0
