"""CloudWatch: the agent's configuration, queries and rights, held to AWS's own rules; nothing asks AWS."""

import datetime as dt
import json
import logging
import re
from pathlib import Path
from typing import Any, Final

import pytest

from openwatt.telemetry.logs.fields import FIELDS
from openwatt.telemetry.logs.json_formatter import Identity, JsonFormatter
from tests.ops import insights_query

CLOUDWATCH = Path(__file__).resolve().parents[2] / "ops" / "cloudwatch"
#: What the agent's published schema lets a file have, and the days that it lets logs be kept.
FILE_KEYS: Final = {
    "file_path", "log_group_name", "log_group_class", "log_stream_name", "timezone", "timestamp_format",
    "multi_line_start_pattern", "encoding", "auto_removal", "trim_timestamp", "backpressure_mode",
    "blacklist", "publish_multi_logs", "retention_in_days", "filters", "service.name",
    "deployment.environment",
}  # fmt: skip
RETENTIONS: Final = {
    -1, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
    3653,
}  # fmt: skip
#: How the agent finds a line's time: each code of the format as a pattern, the rest escaped.
CODES: Final = {
    "%Y": r"\d{4}", "%m": r"\d{2}", "%d": r"\d{2}", "%H": r"\d{2}", "%M": r"\d{2}", "%S": r"\d{2}",
    "%f": r"\d{1,9}",
}  # fmt: skip


def read(name: str) -> Any:
    return json.loads((CLOUDWATCH / name).read_text())


def collected() -> dict[str, Any]:
    (file,) = read("agent.json")["logs"]["logs_collected"]["files"]["collect_list"]
    found: dict[str, Any] = file
    return found


def queries() -> dict[str, str]:
    return {path.stem: path.read_text() for path in sorted((CLOUDWATCH / "queries").glob("*.cwli"))}


def line(created: float) -> str:
    record = logging.LogRecord(
        "openwatt.test", logging.INFO, "", 0, "seen 2020-01-01T00:00:00.000Z", (), None
    )
    record.created = created
    return JsonFormatter(Identity()).format(record)


def test_the_agents_configuration_has_what_its_schema_allows_and_keeps_logs_for_a_while() -> None:
    agent = read("agent.json")
    assert agent.keys() == {"agent", "logs"}
    assert agent["logs"].keys() <= {
        "logs_collected", "log_stream_name", "force_flush_interval", "credentials", "endpoint_override",
        "metrics_collected", "concurrency", "service.name", "deployment.environment",
    }  # fmt: skip
    file = collected()
    assert file.keys() <= FILE_KEYS
    assert file["timezone"] in {"UTC", "LOCAL"}
    assert file["retention_in_days"] in RETENTIONS - {-1}  # -1 keeps, and costs, for ever
    assert file["log_group_name"] == "/aws/openwatt/api"
    assert file["log_stream_name"] == "{instance_id}"


@pytest.mark.parametrize("created", [1795348799.0625, 1774746000.999, 1761440400.0])
def test_the_agent_reads_the_time_of_a_line_to_the_millisecond(created: float) -> None:
    form = collected()["timestamp_format"]
    pattern = re.sub(r"[.^*?|\[\](){}$]", lambda sign: "\\" + sign[0], form)
    for code, digits in CODES.items():
        pattern = pattern.replace(code, digits)
    found = re.search(f"({pattern})", line(created))
    assert found is not None
    assert "%" not in pattern
    moment = dt.datetime.strptime(found[1], form).replace(tzinfo=dt.UTC)
    assert collected()["timezone"] == "UTC"
    assert moment.timestamp() == pytest.approx(int(created * 1000) / 1000, abs=1e-6)


def test_the_guides_three_queries_and_five_more_can_be_run() -> None:
    assert queries().keys() == {
        "errors", "one-request", "errors-by-path", "slow-requests", "latency-by-route", "requests-by-status",
        "ingestion", "volume",
    }  # fmt: skip
    for name, text in queries().items():
        assert text.startswith("# "), name
        query = insights_query.parse(text)
        assert query.fields, name
        assert query.fields <= FIELDS.keys(), name


def test_levels_are_asked_for_as_they_are_written() -> None:
    levels = {
        word for text in queries().values() for word in re.findall(r'level (?:=|in) \[?("[^\]|\n]+)', text)
    }
    assert len(levels) == 2
    assert {name for found in levels for name in re.findall(r'"(\w+)"', found)} == {"error", "critical"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('stats count(*) as n by path | filter level = "error" | sort n desc', "level is gone after stats"),
        ("fields @timestamp | sort @timestamp", "too early"),
        ("select * from logs", "no command select"),
        ('filter level == "error"', "expected a field or a value"),
        ('filter level = "error', "cannot read"),
        ("stats median(duration_ms) by route", "no function median"),
        ("fields level | limit 0", "a number up to 10000"),
        ('filter level = "error" fields path', "expected |"),
        ("filter", "too early"),
    ],
)
def test_a_query_that_insights_would_not_run_as_meant_is_refused(text: str, fault: str) -> None:
    with pytest.raises(insights_query.InsightsError, match=fault.replace("|", r"\|")):
        insights_query.parse(text)


def test_the_agent_may_write_its_log_group_and_nothing_else() -> None:
    statements = read("iam-agent.json")["Statement"]
    group = collected()["log_group_name"]
    allowed: dict[str, str] = {}
    for statement in statements:
        assert statement["Effect"] == "Allow"
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        allowed |= dict.fromkeys(actions, statement["Resource"])
    assert {name for name, resource in allowed.items() if resource == "*"} == {"logs:DescribeLogGroups"}
    assert {resource for resource in allowed.values() if resource != "*"} == {
        f"arn:aws:logs:*:*:log-group:{group}:*"
    }
    assert allowed.keys() == {
        "logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:CreateLogStream", "logs:DescribeLogStreams",
        "logs:PutLogEvents", "logs:DescribeLogGroups",
    }  # fmt: skip


def test_who_searches_may_only_read() -> None:
    actions = {name for statement in read("iam-reader.json")["Statement"] for name in statement["Action"]}
    assert actions
    for action in actions:
        assert re.match("logs:(Get|Filter|Start|Stop)", action), action
