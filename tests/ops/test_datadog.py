"""Datadog: agent, log pipeline and monitors held to the forms of its API; nothing here asks it."""

import json
import logging
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from openwatt.telemetry import context as contexts
from openwatt.telemetry.logs import request_record as access
from openwatt.telemetry.logs.fields import FIELDS
from openwatt.telemetry.logs.json_formatter import Identity, JsonFormatter

DATADOG = Path(__file__).resolve().parents[2] / "ops" / "datadog"
#: What the agent knows for a file and for a rule.
FILE_KEYS: Final = {
    "type", "path", "service", "source", "sourcecategory", "tags", "encoding", "start_position",
    "exclude_paths",
    "log_processing_rules",
}  # fmt: skip
RULES: Final = {"exclude_at_match", "include_at_match", "mask_sequences", "multi_line"}
_ROLLUPS: Final = "avg|cardinality|count|max|min|pc75|pc90|pc95|pc98|pc99|sum"


def read(name: str) -> Any:
    text = (DATADOG / name).read_text()
    return yaml.safe_load(text) if name.endswith(".yaml") else json.loads(text)


def monitors() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((DATADOG / "monitors").glob("*.json"))}


def searches() -> list[str]:
    """Every log search in a monitor."""
    found = [
        variable["search"]["query"]
        for monitor in monitors().values()
        for variable in monitor["options"].get("variables", [])
    ]
    return found + [
        text for monitor in monitors().values() for text in re.findall(r'logs\("([^"]+)"\)', monitor["query"])
    ]


def request_line(path: str, status: int, *, quiet: bool) -> str:
    """The line that a request writes, by the product's own code."""
    kept: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = kept.append  # type: ignore[method-assign, assignment]
    logger = logging.getLogger("openwatt.access")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        context = contexts.RequestContext(
            request_id="support-4711", trace_id=None, method="GET", path=path, route=path, client="192.0.2.1"
        )
        access.log_request(context, status, 2, quiet=quiet)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    return JsonFormatter(Identity()).format(kept[0])


def test_the_agent_reads_the_log_under_the_services_own_name() -> None:
    (file,) = read("openwatt.d/conf.yaml")["logs"]
    assert file.keys() <= FILE_KEYS
    assert (file["type"], file["path"]) == ("file", "/var/log/openwatt/api.log")
    # The field `service` of a record wins over the agent's: were they two, a search would miss one.
    assert file["service"] == Identity().service
    assert read("pipeline.json")["filter"]["query"] == f"source:{file['source']}"
    for rule in file["log_processing_rules"]:
        assert rule.keys() == {"type", "name", "pattern"}
        assert rule["type"] in RULES
        re.compile(rule["pattern"])


@pytest.mark.parametrize(
    ("path", "status", "quiet", "dropped"),
    [
        ("/health", 200, True, True),
        ("/health/ready", 200, True, True),
        ("/metrics", 200, True, True),
        ("/health/ready", 503, True, False),  # a probe that says no is news
        ("/v1/tariffs", 200, False, False),
        ("/v1/healthy-homes", 200, False, False),
        ("/health", 200, False, False),
    ],
)
def test_only_probes_that_went_well_are_left_out(
    path: str, status: int, *, quiet: bool, dropped: bool
) -> None:
    (rule,) = read("openwatt.d/conf.yaml")["logs"][0]["log_processing_rules"]
    assert (re.search(rule["pattern"], request_line(path, status, quiet=quiet)) is not None) is dropped


def test_the_pipeline_takes_the_severity_from_level_and_not_from_the_status_of_http() -> None:
    processors = read("pipeline.json")["processors"]
    sources = {processor["type"]: processor["sources"] for processor in processors}
    assert sources == {
        "date-remapper": ["@timestamp"],
        "status-remapper": ["level"],
        "message-remapper": ["event"],
        "attribute-remapper": ["exc_info"],
    }
    assert {name for names in sources.values() for name in names} <= FIELDS.keys()


def test_the_guides_two_thresholds_and_silence_are_watched() -> None:
    found = monitors()
    assert found.keys() == {"errors", "latency", "no-data"}
    assert found["errors"]["options"]["thresholds"]["critical"] == 5
    assert found["latency"]["options"]["thresholds"]["critical"] == 2000
    assert found["no-data"]["options"]["notify_no_data"] is True
    for monitor in found.values():
        assert monitor.keys() == {"name", "type", "query", "message", "tags", "priority", "options"}
        assert monitor["type"] in {"log alert", "service check"}
        if monitor["type"] == "log alert":  # Datadog refuses a monitor whose two figures differ
            assert monitor["query"].endswith(f" > {monitor['options']['thresholds']['critical']}")


def test_a_monitors_query_has_the_form_of_its_kind() -> None:
    found = monitors()
    formula = re.fullmatch(r'formula\("([^"]+)"\)\.last\("5m"\) > 5', found["errors"]["query"])
    assert formula is not None
    variables = found["errors"]["options"]["variables"]
    assert set(re.findall("[a-z]+", formula[1])) == {variable["name"] for variable in variables}
    for variable in variables:
        assert variable["data_source"] == "logs"
        assert variable["compute"] == {"aggregation": "count"}
    rollup = rf'logs\("[^"]+"\)\.index\("\*"\)\.rollup\("({_ROLLUPS})", "@(\w+)"\)\.last\("5m"\) > 2000'
    latency = re.fullmatch(rollup, found["latency"]["query"])
    assert latency is not None
    assert (latency[1], FIELDS[latency[2]]) == ("pc99", "double")
    check = re.fullmatch(
        r'"http\.can_connect"\.over\("instance:(\w+)"\)\.by\("host"\)\.last\(4\)\.count_by_status\(\)',
        found["no-data"]["query"],
    )
    assert check is not None
    (instance,) = read("http_check.d/conf.yaml")["instances"]
    assert (instance["name"], instance["url"]) == (check[1], "http://127.0.0.1:8000/health")


def test_every_search_asks_for_fields_that_records_have() -> None:
    assert len(searches()) == 3
    for text in searches():
        names = re.findall(r"@(\w+):", text)
        assert names
        assert set(names) <= FIELDS.keys()
        assert "service:openwatt" in text
