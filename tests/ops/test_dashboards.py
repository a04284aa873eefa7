"""The dashboards' files: their form, their rules, and everything that they name."""

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.registry import Collector

from openwatt.telemetry.logs.fields import EXTRA_FIELDS, FIXED_FIELDS
from openwatt.telemetry.metrics.collectors import (
    BackupCollector,
    DiskCollector,
    IngestCollector,
    IngestState,
    PriceCollector,
)
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.telemetry.metrics.worker_files import files_family
from ops.grafana.source.build import built
from ops.grafana.source.frame import DATA_VIEW
from tests.ops.dashboard_rules import RULES, exceptions, excepts, faults, selectors
from tests.ops.grafana import DASHBOARDS, FOLDER, Json, escaped, loaded, panels, queries, query_of, variables
from tests.ops.rule_files import alerts

OPS = FOLDER.parent
ALL_UIDS = ["openwatt-ingestion", "openwatt-logs", "openwatt-overview", "openwatt-runtime"]
#: What others tell: Prometheus of its targets and itself, the blackbox exporter of its probes.
OF_OTHERS = {
    "ALERTS",
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "probe_success",
    "probe_duration_seconds",
    "prometheus_notifications_sent_total",
    "prometheus_notifications_dropped_total",
    "prometheus_rule_evaluation_failures_total",
}
#: What newer Grafanas know and the SDK of 10.1 does not; it leaves them out.
NEWER = re.compile(
    r"/templating/list/\d+/definition|/annotations/list/\d+/(builtIn|step|titleFormat|useValueForTime)"
)

each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def dashboards() -> list[Json]:
    return [loaded(path) for path in DASHBOARDS]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that holds no others, by its path."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    if not entries:
        yield path, value
    for key, each in entries:
        yield from leaves(each, f"{path}/{key}")


def test_the_dashboards_that_links_name_are_there() -> None:
    assert [path.stem for path in DASHBOARDS] == ALL_UIDS
    assert [dashboard["uid"] for dashboard in dashboards()] == ALL_UIDS


def test_the_files_are_those_that_their_source_writes() -> None:
    written = dict(built())
    assert sorted(written) == DASHBOARDS
    for path, text in written.items():
        assert path.read_text("utf-8") == text, "run: python -m ops.grafana.source.build"


@each_dashboard
def test_grafanas_own_model_knows_every_field(path: Path) -> None:
    dashboard = loaded(path)
    known = dict(leaves(json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(dashboard)))))
    given = [(place, value) for place, value in leaves(dashboard) if not NEWER.fullmatch(place)]
    assert len(given) > 500
    for place, value in given:
        # The SDK leaves out what is empty.
        assert known.get(place) == value or value in ("", [], {}, None), place


def test_a_misspelt_field_is_found() -> None:
    spoiled = {**loaded(DASHBOARDS[0]), "descripton": "…"}
    assert "descripton" not in json.loads(JSONEncoder().encode(Dashboard.from_json(spoiled)))


@each_dashboard
def test_a_dashboard_keeps_to_the_rules(path: Path) -> None:
    dashboard, allowed = loaded(path), exceptions()
    assert len(RULES) == 23
    left = [
        fault for fault in faults(dashboard) if not any(excepts(each, dashboard, fault) for each in allowed)
    ]
    assert left == []


def test_every_exception_is_needed() -> None:
    found = [(dashboard, fault) for dashboard in dashboards() for fault in faults(dashboard)]
    assert exceptions()
    for exception in exceptions():
        assert any(excepts(exception, dashboard, fault) for dashboard, fault in found), exception


def _first(dashboard: Json, kind: str) -> Json:
    return next(panel for panel in panels(dashboard) if panel["type"] == kind)


def _variable(dashboard: Json, name: str) -> Json:
    return next(variable for variable in variables(dashboard) if variable["name"] == name)


def _ask(dashboard: Json, expression: str, legend: str = "all") -> None:
    _first(dashboard, "timeseries")["targets"][0] |= {"expr": expression, "legendFormat": legend}


SPOILED: list[tuple[str, Callable[[Json], Any]]] = [
    ("template-datasource-rule", lambda d: _variable(d, "datasource").update(name="source_of_data")),
    ("template-datasource-rule", lambda d: d["templating"]["list"].remove(_variable(d, "datasource"))),
    ("template-job-rule", lambda d: _variable(d, "job").update(multi=False)),
    ("template-job-rule", lambda d: _variable(d, "job")["datasource"].update(uid="prometheus")),
    ("template-instance-rule", lambda d: d["templating"]["list"].remove(_variable(d, "instance"))),
    ("template-label-promql-rule", lambda d: _variable(d, "job").update(query="label_values(up{, job)")),
    ("template-label-promql-rule", lambda d: _variable(d, "job").update(query="labels(up, job)")),
    ("template-on-time-change-reload-rule", lambda d: _variable(d, "job").update(refresh=1)),
    ("uneditable-dashboard", lambda d: d.pop("editable")),
    ("panel-datasource-rule", lambda d: _first(d, "stat")["datasource"].update(uid="prometheus")),
    ("panel-datasource-rule", lambda d: _first(d, "stat")["targets"][0].pop("datasource")),
    ("panel-title-description-rule", lambda d: _first(d, "stat").update(description="")),
    ("panel-title-description-rule", lambda d: _first(d, "row").update(title="")),
    ("panel-units-rule", lambda d: _first(d, "timeseries")["fieldConfig"]["defaults"].pop("unit")),
    ("panel-units-rule", lambda d: _first(d, "stat")["fieldConfig"]["defaults"].update(unit="seconds")),
    ("panel-no-targets-rule", lambda d: _first(d, "stat").update(targets=[])),
    ("target-promql-rule", lambda d: _ask(d, "sum(rate(up[$__rate_interval])")),
    ("target-rate-interval-rule", lambda d: _ask(d, "sum(rate(http_requests_total[5m]))")),
    ("target-job-rule", lambda d: _ask(d, 'sum(up{instance=~"$instance"})')),
    ("target-job-rule", lambda d: _ask(d, 'sum(up{job="$job",instance=~"$instance"})')),
    ("target-instance-rule", lambda d: _ask(d, 'sum(up{job=~"$job"})')),
    ("target-counter-agg-rule", lambda d: _ask(d, "sum(http_requests_total)")),
    ("target-counter-agg-rule", lambda d: _ask(d, "max(max_over_time(http_requests_total[1h]))")),
    ("dashboard-identity", lambda d: d.update(uid="")),
    ("dashboard-identity", lambda d: d.update(id=7)),
    ("dashboard-identity", lambda d: d.update(schemaVersion=16)),
    ("panel-kind", lambda d: _first(d, "stat").update(type="graph")),
    ("panel-ids", lambda d: _first(d, "stat").update(id=_first(d, "timeseries")["id"])),
    ("panel-ids", lambda d: _first(d, "table")["targets"].append(_first(d, "table")["targets"][0])),
    ("panel-places", lambda d: _first(d, "stat")["gridPos"].update(h=5)),
    ("panel-places", lambda d: _first(d, "stat")["gridPos"].update(w=1)),
    ("panel-places", lambda d: _first(d, "timeseries")["gridPos"].update(x=20)),
    ("panel-thresholds", lambda d: _first(d, "stat")["fieldConfig"]["defaults"].pop("thresholds")),
    (
        "panel-thresholds",
        lambda d: _first(d, "stat")["fieldConfig"]["defaults"]["thresholds"]["steps"].reverse(),
    ),
    ("tile-of-this-instant", lambda d: _first(d, "stat")["targets"][0].update(instant=False)),
    ("target-legend", lambda d: _ask(d, "sum by (route) (up)", "{{status}}")),
    ("target-legend", lambda d: _ask(d, "max by (a) (up) / on (a) max by (a) (up)", "share")),
    ("target-legend", lambda d: _ask(d, "sum(up)", "__auto")),
    ("variables-used", lambda d: _ask(d, 'sum(up{job=~"$jobs"})')),
    (
        "variables-used",
        lambda d: d["templating"]["list"].append({"name": "x", "query": "", "type": "textbox"}),
    ),
]


@pytest.mark.parametrize(
    ("name", "spoil"), SPOILED, ids=[f"{number}-{name}" for number, (name, _) in enumerate(SPOILED)]
)
def test_each_rule_finds_what_is_wrong(name: str, spoil: Callable[[Json], Any]) -> None:
    dashboard = next(each for each in dashboards() if each["uid"] == "openwatt-runtime")
    before = faults(dashboard, name)
    spoiled = copy.deepcopy(dashboard)
    spoil(spoiled)
    assert {fault.rule for fault in faults(spoiled, name) if fault not in before} == {name}


def test_no_rule_is_left_untried() -> None:
    assert {name for name, _ in SPOILED} == set(RULES)


# What the dashboards name is there.


class Scrape(Collector):
    """Every family that a scrape of the service gives."""

    def collect(self) -> Iterator[Any]:
        state = IngestState("edf", 1.0, {"published": 1}, 1.0, 0, 86400.0, 0)
        yield from Metrics().registry.collect()
        yield from IngestCollector(lambda: [state]).collect()
        yield from BackupCollector(lambda: (1.0, 1), lambda: True).collect()
        yield from DiskCollector({"data": OPS}).collect()
        yield from PriceCollector(list).collect()
        yield files_family(Counter())


def names_of(family: Any) -> set[str]:
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
    return {family.name + ending for ending in endings}


def recorded() -> set[str]:
    """What the rules record."""
    files = sorted((OPS / "prometheus" / "rules").glob("*.yaml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text("utf-8"))["groups"]]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def expressions(dashboard: Json) -> list[str]:
    """Every PromQL: of panels, of annotations, of variables."""
    asked = [target["expr"] for _, target in queries(dashboard)]
    asked += [each["expr"] for each in dashboard["annotations"]["list"] if "expr" in each]
    asked += [
        query_of(variable)[len("label_values(") : query_of(variable).rindex(",")]
        for variable in variables(dashboard)
        if variable["type"] == "query"
    ]
    return asked


@each_dashboard
def test_every_metric_exists(path: Path) -> None:
    known = set().union(*map(names_of, Scrape().collect())) | recorded() | OF_OTHERS
    used = {selector.name for each in expressions(loaded(path)) for selector in selectors(each)}
    assert len(used) > 5
    assert used - known == set()


def test_every_metric_of_the_service_is_shown_somewhere() -> None:
    used = {
        selector.name for each in dashboards() for text in expressions(each) for selector in selectors(text)
    }
    rules = "".join(file.read_text("utf-8") for file in sorted((OPS / "prometheus" / "rules").glob("*.yaml")))
    families = list(Scrape().collect())
    assert len(families) > 30
    hidden = {f.name for f in families if not names_of(f) & used and f.name not in rules}
    assert hidden == set()


def addresses(dashboard: Json) -> list[str]:
    """Every address that a reader can be led to."""
    told = json.dumps(dashboard, ensure_ascii=False)
    return re.findall(r'"url": "([^"]+)"', told) + re.findall(r"\]\(([^\s)]+)\)", told)


@each_dashboard
def test_every_link_leads_somewhere(path: Path) -> None:
    found = addresses(loaded(path))
    assert len(found) >= 4
    for address in found:
        inside = re.match(r"/d/([\w-]+)", address)
        if inside:
            assert inside[1] in ALL_UIDS, address
        else:
            assert address.startswith("${kibana:raw}/app/discover#/?"), address
            assert not set(address) & set(' "()'), "a sign that ends a link"
            assert f"dataViewId:{DATA_VIEW}," in unquote(address)
            question = re.search(r"query:'(.*?)'\)", re.sub(r"\$\{[^}]+\}", "", unquote(address)))
            assert question, address
            asked = re.findall(r"(\w+)(?: >= |:)", question[1])
            assert asked
            assert set(asked) <= {*FIXED_FIELDS, *EXTRA_FIELDS}, asked


def test_alerts_lead_to_dashboards_that_exist() -> None:
    files = sorted((OPS / "prometheus" / "rules").glob("*.yaml"))
    named = {uid for file in files for uid in re.findall(r"/d/([\w-]+)", file.read_text("utf-8"))}
    assert named
    assert named <= set(ALL_UIDS)


def test_kibana_has_the_data_view_that_links_name() -> None:
    objects = OPS / "elastic" / "kibana.ndjson"
    if not objects.exists():
        pytest.skip("ops/elastic/kibana.ndjson is not there")
    told = [json.loads(line) for line in objects.read_text("utf-8").splitlines()]
    assert DATA_VIEW in {each["id"] for each in told if each.get("type") == "index-pattern"}


def test_the_provisioned_source_is_the_one_that_the_dashboards_choose() -> None:
    told = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "prometheus.yaml").read_text("utf-8"))
    source = next(each for each in told["datasources"] if each["type"] == "prometheus")
    assert source["url"] == "${PROMETHEUS_URL}"
    chosen = {_variable(dashboard, "datasource")["current"]["value"] for dashboard in dashboards()}
    assert chosen == {source["uid"]} == {"prometheus"}
    scraped = yaml.safe_load((OPS / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert source["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]


def test_the_provider_reads_files_that_nobody_changes_in_the_browser() -> None:
    told = yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "openwatt.yaml").read_text("utf-8"))
    (provider,) = told["providers"]
    assert provider["type"] == "file"
    assert not provider["allowUiUpdates"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"


def test_the_overview_has_the_three_panels_of_the_guide() -> None:
    overview = loaded(FOLDER / "dashboards" / "openwatt-overview.json")
    assert overview["title"] == "OpenWatt API – Overview"
    titles = [panel["title"] for panel in panels(overview)]
    assert {"Requests per Second", "Latency P99", "Error Rate"} <= set(titles)


def test_a_route_is_written_into_a_query_so_that_it_means_itself() -> None:
    pattern = escaped("/v1/tariffs/<int:id>.json").replace("\\\\", "\\")
    assert re.fullmatch(pattern, "/v1/tariffs/<int:id>.json")
    assert not re.fullmatch(pattern, "/v1/tariffs/<int:id>xjson")


# What is written about them.

each_document = pytest.mark.parametrize(
    "document",
    [OPS.parent / "docs" / name for name in ("tableaux-de-bord.md", "dashboards.md")],
    ids=lambda path: path.stem,
)


@each_document
def test_the_document_names_panels_and_dashboards_that_exist(document: Path) -> None:
    told = document.read_text("utf-8")
    titles = {panel["title"] for each in dashboards() for panel in panels(each)}
    titles |= {each["title"] for each in dashboards()}
    named = set(re.findall(r"`([A-Z][^`/]*)`", told)) - {"X-Request-ID"} - alerts().keys()
    named = {name for name in named if "=" not in name}
    assert len(named) > 25
    assert named <= titles, named - titles
    assert set(re.findall(r"/d/([\w-]+)", told)) == set(ALL_UIDS)
    for each in dashboards():
        assert each["title"] in told


@each_document
def test_the_queries_of_the_training_are_promql_of_metrics_that_exist(document: Path) -> None:
    taught = re.findall(r"```promql\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
    assert len(taught) == 6
    known = set().union(*map(names_of, Scrape().collect())) | recorded()
    assert {selector.name for text in taught for selector in selectors(text)} <= known
