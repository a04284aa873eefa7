import logging
import threading

import pytest

from openwatt.telemetry import context as contexts
from openwatt.telemetry.logs import request_record as access

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize("given", ["f47ac10b-58cc-4372-a567-0e02b2c3d479", "case_4711", "a" * 128])
def test_a_callers_request_id_is_kept_when_it_is_safe_to_repeat(given: str) -> None:
    assert contexts.request_id_from(given) == given


@pytest.mark.parametrize(
    "given", [None, "", "short", "a" * 129, "two words", "a\nb-c-d-e-f", "café-12345", "x" * 8 + "\n"]
)
def test_any_other_request_id_is_replaced_by_a_uuid(given: str | None) -> None:
    made = contexts.request_id_from(given)
    assert made != given
    assert len(made) == 36
    assert made != contexts.request_id_from(given)


def test_a_traceparent_gives_its_trace_and_parent() -> None:
    assert contexts.parse_traceparent(f"00-{TRACE}-{PARENT}-01") == (TRACE, PARENT)
    assert contexts.parse_traceparent(f"01-{TRACE}-{PARENT}-01-later-fields") == (TRACE, PARENT)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}",
        f" 00-{TRACE}-{PARENT}-01",
    ],
)
def test_an_invalid_traceparent_is_no_traceparent(header: str | None) -> None:
    assert contexts.parse_traceparent(header) is None


def test_database_time_is_charged_to_the_request_of_the_thread() -> None:
    charged: dict[str, contexts.RequestContext] = {}

    def answer(name: str, queries: int) -> None:
        context = contexts.begin(contexts.RequestContext(request_id=name))
        for _ in range(queries):
            contexts.record_query(0.002)
        charged[name] = context
        contexts.end(context)
        contexts.record_query(1.0)  # outside of a request: nobody's

    threads = [threading.Thread(target=answer, args=(f"request-{number}", number)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: context.db_queries for name, context in charged.items()} == {
        "request-1": 1, "request-2": 2, "request-3": 3, "request-4": 4,
    }  # fmt: skip
    assert charged["request-4"].db_ms == pytest.approx(8)
    assert contexts.current() is None


def test_a_request_ended_twice_does_not_end_another() -> None:
    outer = contexts.begin(contexts.RequestContext(request_id="outer-1"))
    inner = contexts.begin(contexts.RequestContext(request_id="inner-1"))
    contexts.end(inner)
    contexts.end(inner)
    assert contexts.current() is outer
    contexts.end(outer)
    assert contexts.current() is None


@pytest.mark.parametrize(
    ("status", "quiet", "level"),
    [
        (200, False, "INFO"), (404, False, "INFO"), (429, False, "INFO"), (500, False, "ERROR"),
        (200, True, "DEBUG"), (503, True, "WARNING"),
    ],
)  # fmt: skip
def test_the_canonical_record_takes_its_level_from_the_status(
    caplog: pytest.LogCaptureFixture, status: int, level: str, *, quiet: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    context = contexts.RequestContext(request_id="request-1", method="GET", path="/v1/tariffs", db_queries=2)
    seconds = access.log_request(context, status, 19_000, quiet=quiet)
    record = caplog.records[0]
    assert (record.levelname, record.getMessage(), record.name) == (level, "request", "openwatt.access")
    fields = vars(record)
    assert {name: fields[name] for name in ("method", "path", "status", "response_bytes", "db_queries")} == {
        "method": "GET", "path": "/v1/tariffs", "status": status, "response_bytes": 19_000, "db_queries": 2,
    }  # fmt: skip
    assert 0 <= seconds < 60
    assert fields["duration_ms"] == pytest.approx(seconds * 1000, abs=0.001)
