"""Every kind of log line through logstash.conf into the index template; both are models, no Logstash runs."""

import json
import logging
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from openwatt.telemetry import context as contexts
from openwatt.telemetry.logs.fields import EXTRA_FIELDS, FIELDS
from openwatt.telemetry.logs.json_formatter import Identity, JsonFormatter
from tests.ops.elastic_index import Index, RefusedError, Stack, Template
from tests.ops.logstash_grammar import LogstashConfigError
from tests.ops.logstash_pipeline import Pipeline

ROOT = Path(__file__).resolve().parents[2]
ELASTIC = ROOT / "ops" / "elastic"
MAIN = (ROOT / "logstash.conf").read_text()
DEAD_LETTERS = yaml.safe_load((ELASTIC / "pipelines.yml").read_text())[1]["config.string"]
FORMATTER = JsonFormatter(Identity(environment="test", version="0.1.0+abc1234"))
RECORD = (
    b'{"@timestamp":"2026-11-22T23:59:59.999Z","level":"info","event":"request",'
    b'"request_id":"support-4711","status":200,"event_id":"5f-1"}\n'
)


@pytest.fixture
def stack() -> Stack:
    return Stack(MAIN, DEAD_LETTERS, ELASTIC)


def line(message: str = "ingest finished", *args: object, exc_info: Any = None, **extra: object) -> bytes:
    record = logging.LogRecord("openwatt.test", logging.INFO, "", 0, message, args, exc_info)
    record.__dict__.update(extra)
    return FORMATTER.format(record).encode() + b"\n"


def only(stack: Stack) -> tuple[str, str, dict[str, Any]]:
    """Index, id and document, when there is exactly one."""
    ((index, kept),) = stack.index.documents.items()
    ((document_id, source),) = kept.items()
    assert "dead-letters" not in index, source["dead_letter"]
    return index, document_id, source


def test_a_record_goes_to_the_index_of_its_own_day_under_its_own_id(stack: Stack) -> None:
    stack.receive(RECORD)
    index, document_id, source = only(stack)
    assert (index, document_id) == ("openwatt-2026.11.22", "5f-1")
    assert source == json.loads(RECORD)  # nothing of Logstash's is added


@pytest.mark.parametrize("way", ["tcp", "http alone", "http with others"])
def test_a_record_arrives_the_same_whichever_way_it_came(stack: Stack, way: str) -> None:
    if way == "tcp":
        stack.receive(RECORD)
    else:
        stack.post(b"[" + b",".join([RECORD] * (1 if way == "http alone" else 3)) + b"]")
    assert only(stack)[2] == json.loads(RECORD)


def test_a_duplicate_overwrites_itself(stack: Stack) -> None:
    stack.receive(RECORD + line() + RECORD)
    stack.receive(RECORD)
    assert sum(len(kept) for kept in stack.index.documents.values()) == 2


def test_lines_that_are_no_json_are_all_kept_and_found_by_their_tag(stack: Stack) -> None:
    torn = [
        b"Traceback (most recent call last):",
        b'{"event":"cut',
        b"[1,2]",
        b"\xff\xfe",
        b"[1,2]",
        b'{"a":NaN}',
    ]
    stack.receive(b"\n\n".join([*torn, RECORD.strip()]))
    found = stack.index.found("openwatt-*", {"term": {"tags": "_jsonparsefailure"}})
    assert sorted(source["event"] for _, _, source in found) == sorted(
        raw.decode("utf-8", "replace") for raw in torn
    )
    assert {(source["level"], source["logger"]) for _, _, source in found} == {("warning", "logstash")}
    assert len(stack.index.all()) == 7


def test_strangers_records_without_an_id_do_not_overwrite_each_other(stack: Stack) -> None:
    stack.receive(
        b'{"event":"x"}\n{"event":"x"}\n{"event":"x","event_id":{"a":1}}\n{"event":"x","event_id":""}\n'
    )
    assert len(stack.index.all()) == 4


def test_a_record_that_elasticsearch_refuses_is_a_dead_letter_that_is_found(stack: Stack) -> None:
    stranger = b'{"@timestamp":"2026-11-22T10:00:00Z","event":{"kind":"x"},"request_id":"support-4711"}'
    stack.receive(stranger)
    ((index, _, source),) = stack.index.found("openwatt-*", {"term": {"request_id": "support-4711"}})
    assert index == "openwatt-dead-letters-2026.11.22"
    assert source["event"] == {"kind": "x"}
    assert "an object where a text is" in source["dead_letter"]["reason"]
    assert not stack.index.dead


def test_a_time_that_cannot_be_read_costs_no_record(stack: Stack) -> None:
    stack.receive(b'{"@timestamp":"yesterday","event":"x"}\n{"event":"x"}\n')
    told = [
        source
        for _, _, source in stack.index.found("openwatt-*", {"term": {"tags": "_timestampparsefailure"}})
    ]
    assert [source["_@timestamp"] for source in told] == ["yesterday"]
    assert len(stack.index.all()) == 2


def test_a_senders_password_never_becomes_a_field(stack: Stack) -> None:
    stack.post(b"[" + RECORD + b"]")
    assert "secret" not in json.dumps(stack.index.all())


@pytest.mark.parametrize(
    ("change", "harm"),
    [
        # each of these stood in a first version, or in the guide
        (('codec => json { ecs_compatibility => "disabled" }', "codec => json"), "_jsonparsefailure"),
        (("additional_codecs => {} #", "#"), "_jsonparsefailure"),
        (("filter {", 'filter { date { match => ["@timestamp", "ISO8601"] }'), "_dateparsefailure"),
        (('request_headers_target_field => "[@metadata][headers]"', ""), '"authorization"'),
    ],
)
def test_the_traps_that_our_configuration_steps_around_are_real(change: tuple[str, str], harm: str) -> None:
    changed = MAIN.replace(*change)
    assert changed != MAIN
    stack = Stack(changed, DEAD_LETTERS, ELASTIC)
    stack.post(b"[" + RECORD + b"]")
    assert harm in json.dumps(stack.index.all())


def test_without_ids_of_their_own_unformat_lines_would_overwrite_each_other() -> None:
    stack = Stack(MAIN.replace('method => "UUID"', 'method => "UUID" source => "x"'), DEAD_LETTERS, ELASTIC)
    stack.receive(b"a\nb\n")
    assert len(stack.index.all()) == 2
    naive = Stack(MAIN.replace("%{[@metadata][id]}", "%{event_id}"), DEAD_LETTERS, ELASTIC)
    naive.receive(b"a\nb\n")
    assert len(naive.index.all()) == 1


def test_a_variable_without_value_and_default_stops_the_start() -> None:
    with pytest.raises(LogstashConfigError, match="INDEX"):
        Pipeline(MAIN.replace("openwatt-%{+YYYY", "${INDEX}-%{+YYYY")).tcp(RECORD)
    (action,) = Pipeline(MAIN.replace("openwatt-%{+", "${INDEX}-%{+"), {"INDEX": "other"}).tcp(RECORD)
    assert action.index == "other-2026.11.22"


def test_a_field_of_every_kind_is_searchable_and_none_is_left_out(stack: Stack) -> None:
    samples: dict[str, object] = {
        "keyword": "a value", "text": "some words", "integer": 200, "long": 1 << 40, "double": 0.194,
        "ip": "2001:db8::1",
    }  # fmt: skip
    extras: dict[str, Any] = {name: samples[kind] for name, kind in EXTRA_FIELDS.items()}
    stack.receive(line(**extras, further={"a": 1}))
    _, document_id, source = only(stack)
    assert {*source} == {*FIELDS} - {"request_id", "trace_id", "exc_info"}
    assert stack.index.ignored[document_id] == set()


def test_an_exception_with_its_causes_is_kept_whole(stack: Stack) -> None:
    try:
        try:
            int("x")
        except ValueError as error:
            raise ConnectionError("postgresql://me:hush@db/openwatt") from error
    except ConnectionError:
        stack.receive(line("failed %s", "badly", exc_info=sys.exc_info()))
    _, _, source = only(stack)
    assert "direct cause" in source["exc_info"]
    assert "hush" not in source["exc_info"]


_texts = st.text(st.characters(), max_size=30) | st.sampled_from(
    [
        "\0",
        "\ud800",
        "é" * 40_000,
        "x" * 40_000,
        "",
        "...",
        ":",
        "1.2.3.4.5",
        "999.1.1.1",
        "fe80::1%eth0",
        "NaN",
        "1e999",
    ]
)
_numbers = (
    st.integers()
    | st.floats()
    | st.decimals()
    | st.sampled_from([2**31, 2**63, 2**64, -(2**70), 10**400, Decimal("1E+400"), Decimal("-0"), 1e308])
)
_leaves = st.none() | st.booleans() | _numbers | _texts | st.binary(max_size=10)
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
#: logging itself refuses exc_info and stack_info as extras.
_names = st.sampled_from(sorted({*FIELDS} - {"exc_info", "stack_info"})) | st.from_regex(
    r"[a-z][a-z.\[\]@ ]{0,8}", fullmatch=True
)


def deep(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"leaf": 1}
    for _ in range(levels):
        inner = {"k" * 3000: inner}
    return inner


@settings(max_examples=200, deadline=None)
@given(_texts, st.dictionaries(_names, _values, max_size=5))
def test_no_extra_can_cost_a_record_or_leave_a_field_out(message: str, extra: dict[str, Any]) -> None:
    stack = Stack(MAIN, DEAD_LETTERS, ELASTIC)
    stack.receive(line(message, **extra))
    index, document_id, source = only(stack)
    assert index.startswith("openwatt-2")
    assert source["event_id"] == document_id
    assert "tags" not in source
    assert "could not be formatted" not in str(source.get("error"))
    too_long = {name for name, value in source.items() if len(json.dumps(value)) > 1000}
    assert stack.index.ignored[document_id] <= too_long


@pytest.mark.parametrize("levels", [1, 18, 19, 20, 40])
def test_an_extra_of_any_depth_is_kept(stack: Stack, levels: int) -> None:
    stack.receive(line(deep=deep(levels)))
    assert only(stack)[2]["extra"]["deep"]


def test_records_of_requests_and_of_others_share_one_shape(stack: Stack) -> None:
    context = contexts.RequestContext(
        request_id="support-4711", trace_id="0af7651916cd43dd8448eb211c80319c", method="GET",
        path="/v1/tariffs", route="/v1/tariffs", client="192.0.2.7",
    )  # fmt: skip
    contexts.begin(context)
    try:
        stack.receive(line("request", status=200) + line("the database does not answer", reason="away"))
    finally:
        contexts.end(context)
    found = stack.index.found("openwatt", {"term": {"request_id": "support-4711"}})  # by the alias
    assert [source["event"] for _, _, source in found] == ["request", "the database does not answer"]


def _broken_templates() -> Iterator[Any]:
    text = (ELASTIC / "index-template.json").read_text()
    yield pytest.param(text.replace('"dynamic": false', '"dynamic": true'), {"zip": 1}, id="dynamic")
    yield pytest.param(text.replace('"dynamic": false', '"dynamic": "strict"'), {"zip": 1}, id="strict")
    lenient = '"index.mapping.ignore_malformed": true'
    yield pytest.param(
        text.replace(lenient, lenient.replace("true", "false")), {"status": "odd"}, id="malformed"
    )
    short = text.replace('"ignore_above": 1024', '"ignore_above": 40000')
    yield pytest.param(short, {"path": "x" * 33_000}, id="immense keyword")
    yield pytest.param(short, {"extra": {"a": "x" * 33_000}}, id="immense leaf")
    yield pytest.param(text, {"extra": {"a\0": "x"}}, id="zero in a key")
    yield pytest.param(text, {"extra": "x"}, id="flattened text")
    yield pytest.param(text, {"offer": {"a": 1}}, id="keyword object")
    yield pytest.param(text, {"": 1}, id="empty name")


@pytest.mark.parametrize(("template", "document"), list(_broken_templates()))
def test_the_model_refuses_what_elasticsearch_refuses(template: str, document: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        Template.read(json.loads(template)).indexed(document)


@pytest.mark.parametrize(
    ("document", "left_out"),
    [
        ({"status": 200, "duration_ms": 1, "client": "192.0.2.1"}, set()),
        ({"status": "200", "db_queries": 3.0}, set()),  # numbers are coerced
        ({"status": 2**31}, {"status"}),
        ({"response_bytes": 2**63}, {"response_bytes"}),
        ({"duration_ms": float("inf")}, {"duration_ms"}),
        ({"db_queries": True}, {"db_queries"}),
        ({"client": "1.2.3.4.5"}, {"client"}),
        ({"client": "fe80::1%eth0"}, {"client"}),
        ({"@timestamp": "22/11/2026"}, {"@timestamp"}),
        ({"@timestamp": "2026-13-01"}, {"@timestamp"}),
        ({"path": "x" * 1025}, {"path"}),
        ({"offer": ["a", "b", None]}, set()),
        ({"unknown": {"a": 1}}, set()),
    ],
)
def test_the_model_leaves_out_what_elasticsearch_leaves_out(
    document: dict[str, Any], left_out: set[str]
) -> None:
    assert Index.of(ELASTIC).templates["index-template"].indexed(document) == left_out
