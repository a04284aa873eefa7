"""Two files, one test: alerts and runbook, rules and metrics, thresholds and guide, targets and ports."""

import re
from pathlib import Path

import promql_parser
import psycopg
import pytest
import yaml
from flask.testing import FlaskClient

from openwatt.cli import main
from openwatt.telemetry.metrics.registry import DURATION_BUCKETS
from tests.ops.rule_files import OPS, alerts, recorded, rules

RUNBOOK = (OPS / "runbook.md").read_text("utf-8")
PARTS = (
    "Ce que cela veut dire",
    "Ce que remarquent les clients",
    "Regarder d'abord",
    "Réparer",
    "Réveiller qui",
    "Ensuite",
)
DASHBOARDS = {"openwatt-overview", "openwatt-ingestion", "openwatt-logs", "openwatt-runtime"}
#: Served where OPENWATT_BACKUP_DIR is set, which the app of these tests has not.
WITH_BACKUPS = {"openwatt_backup_last_success_timestamp_seconds", "openwatt_backup_supported"}
#: Served where workers share files, which the app of these tests does not.
WITH_WORKERS = {"openwatt_metrics_files"}
#: What Prometheus, Alertmanager and the blackbox exporter tell of themselves and of what they ask.
FOREIGN = re.compile(r"up|probe_\w+|prometheus_\w+|alertmanager_\w+")


def sections() -> dict[str, str]:
    """What the runbook says of each alert."""
    found = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
    assert found
    return found


def blocks(language: str) -> list[str]:
    """The runbook's pieces of a language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert found
    return found


def families(client: FlaskClient) -> set[str]:
    """Every series name that the service can tell, from its own exposition."""
    told = re.findall(r"^# TYPE (\w+) (\w+)$", client.get("/metrics").text, re.MULTILINE)
    assert len(told) > 20
    names = {name for name, _ in told}
    for name, kind in told:
        if kind == "histogram":
            names |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    return names


def named(expression: str) -> set[str]:
    """The metrics that an expression asks for."""
    names: set[str] = set()

    def visit(node: promql_parser.Expr) -> bool:
        selector = node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node
        if isinstance(selector, promql_parser.VectorSelector):
            assert selector.name, f"{expression}: a selector without a name"
            names.add(selector.name)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return names


def test_every_alert_has_its_heading_in_the_runbook_and_every_heading_its_alert() -> None:
    assert set(sections()) == set(alerts())


@pytest.mark.parametrize("alert", alerts())
def test_the_runbook_says_of_each_alert_all_that_is_needed(alert: str) -> None:
    text = sections()[alert]
    for part in PARTS:
        said = re.search(rf"^\*\*{part}\.\*\*\s+(\S.{{4}})", text, re.MULTILINE)
        assert said, f"{alert}: nothing under {part!r}"
    assert "```" in text, f"{alert}: no command to look with"
    head = text.splitlines()[1]
    assert alerts()[alert]["labels"]["severity"] in head
    if waits := re.search(r"(?:après|pendant) (\d+) (minute|heure)s?\*$", head):
        assert alerts()[alert]["for"] == waits[1] + waits[2][0]


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_tells_what_why_and_where_to_look(alert: str) -> None:
    rule = alerts()[alert]
    assert rule["labels"]["severity"] in {"page", "ticket", "heartbeat"}
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert all(annotations.values())
    assert annotations["runbook_url"] == "{{ $externalLabels.runbook }}#" + alert.lower()
    place, _, dashboard = annotations["dashboard_url"].rpartition("/")
    assert place == "{{ $externalLabels.grafana }}/d"
    assert dashboard in DASHBOARDS


def test_prometheus_knows_where_runbook_and_dashboards_are() -> None:
    config = yaml.safe_load((OPS / "prometheus" / "prometheus.yml").read_text("utf-8"))
    labels = config["global"]["external_labels"]
    assert labels["runbook"] == "ops/runbook.md"
    assert labels["grafana"].startswith("http")
    (dropped,) = config["alerting"]["alert_relabel_configs"]
    assert set(dropped["regex"].split("|")) == set(labels) - {"environment"}


def test_every_metric_that_a_rule_asks_for_exists(client: FlaskClient) -> None:
    known = families(client) | set(recorded()) | WITH_BACKUPS | WITH_WORKERS
    asked = {name for rule in rules() for name in named(str(rule["expr"]))}
    assert len(asked) > 20
    assert {name for name in asked - known if not FOREIGN.fullmatch(name)} == set()


def test_every_metric_that_the_runbook_asks_for_exists(client: FlaskClient) -> None:
    known = families(client) | set(recorded()) | WITH_BACKUPS | WITH_WORKERS
    asked = {name for block in blocks("promql") for name in named(block)}
    assert {name for name in asked - known if not FOREIGN.fullmatch(name)} == set()


def test_every_statement_of_the_runbook_runs(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        for statement in blocks("sql"):
            connection.execute(statement.encode())


def test_every_command_of_the_runbook_exists() -> None:
    words = {word for block in blocks("console") for word in re.findall(r"\bopenwatt ([a-z][a-z-]+)", block)}
    assert "logs" in words
    assert words - set(main.commands) == set()


def test_every_target_that_the_runbook_names_exists() -> None:
    makefile = (OPS.parent / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"`make ([a-z-]+)", RUNBOOK))
    assert targets
    assert targets - set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) == set()


@pytest.mark.parametrize(
    ("alert", "limit", "lasting"),
    [
        ("HighErrorRate", "openwatt:errors:ratio5m > 0.05", "5m"),
        ("HighLatency", "openwatt:latency_seconds:p99_5m > 2", "5m"),
        ("ServiceDown", 'up{job="openwatt-api"}) == 0', "1m"),
    ],
)
def test_the_guides_alerts_have_the_guides_thresholds(alert: str, limit: str, lasting: str) -> None:
    assert limit in alerts()[alert]["expr"]
    assert alerts()[alert]["for"] == lasting


def test_the_objectives_are_those_of_the_guide() -> None:
    assert "> 14.4 * 0.001" in alerts()["AvailabilityBurnsFast"]["expr"]  # 99.9 %
    assert "> 14.4 * 0.01" in alerts()["ErrorsBurnFast"]["expr"]  # 1 %
    assert "> 14.4 * 0.01" in alerts()["LatencyBurnsFast"]["expr"]  # P99: one in a hundred
    assert 'le="1.0"' in recorded()["openwatt:slow:rate5m"]
    assert {1.0, 2.0} <= set(DURATION_BUCKETS)  # no threshold lies between two edges


def test_the_guides_ports_and_names_are_kept() -> None:
    config = yaml.safe_load((OPS / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert config["global"]["scrape_interval"] == "15s"
    assert "openwatt-api" in {job["job_name"] for job in config["scrape_configs"]}
    ports = {}
    for file in (OPS / "prometheus" / "targets" / "native").glob("*.yaml"):
        for group in yaml.safe_load(file.read_text("utf-8")):
            ports[file.stem] = re.findall(r":(\d+)", group["targets"][0])
    assert ports == {
        "api": ["8000"],
        "metrics": ["9101"],
        "prometheus": ["9090"],
        "alertmanager": ["9093"],
        "probes": ["8000"],
    }


def test_both_folders_of_targets_say_the_same_of_different_places() -> None:
    def shape(folder: Path) -> dict[str, object]:
        found = {}
        for file in folder.glob("*.yaml"):
            text = re.sub(r"[\w.]+:(\d+)", r"PLACE:\1", file.read_text("utf-8"))
            found[file.name] = yaml.safe_load(text)
        return found

    native = shape(OPS / "prometheus" / "targets" / "native")
    assert native
    assert native == shape(OPS / "prometheus" / "targets" / "containers")
