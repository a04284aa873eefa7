"""What the doctor reads and judges by itself: shipped files, routes, certificates, DSNs."""

import http.server
import itertools
import json
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from openwatt.doctor import alerting, context, grafana, logs, machine, ops, prometheus, service
from openwatt.doctor.checklist import ITEMS
from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import HttpProbe
from openwatt.doctor.reports import Dsn, ReportApi
from openwatt.doctor.results import CheckFailedError, CheckSkippedError
from openwatt.domain.freshness import BROKEN_AFTER
from openwatt.settings import Settings
from tests.chaos.running import REPOSITORY
from tests.doctor.stand_ins import StandIn, in_json
from tests.doctor.whole_stack import DASHBOARD
from tests.programs import needs_program, require_program

OPS = REPOSITORY / "ops"
RULES = "".join(path.read_text() for path in sorted((OPS / "prometheus" / "rules").glob("*.yaml")))


# What two files must agree on.


def test_names_are_those_that_prometheus_is_configured_with() -> None:
    jobs = yaml.safe_load((OPS / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert prometheus.JOB in [job["job_name"] for job in jobs]
    assert f"alert: {alerting.WATCHDOG}\n" in RULES
    (targets,) = yaml.safe_load((OPS / "prometheus" / "targets" / "native" / "metrics.yaml").read_text())
    assert f"http://{targets['targets'][0]}/metrics" == context.METRICS_URL


def test_thresholds_are_those_of_the_alerts() -> None:
    hours = machine.OLDEST_BACKUP.total_seconds() / 3600
    assert f"time() - max(openwatt_backup_last_success_timestamp_seconds) > {hours:g} * 3600" in RULES
    assert f"openwatt_ingest_failures_in_a_row) >= {BROKEN_AFTER}" in RULES
    assert f'le="{prometheus.P99_OBJECTIVE_S:.1f}"' in RULES


def test_records_are_looked_for_where_logstash_puts_them() -> None:
    (index,) = re.findall(r'index => "(openwatt-[^"]*)"', (REPOSITORY / "logstash.conf").read_text())
    assert index.startswith(logs.INDICES.removesuffix("*"))


def test_remedies_name_files_that_ship() -> None:
    sources = [path.read_text() for path in (REPOSITORY / "openwatt" / "doctor").glob("*.py")]
    named = {path for text in sources for path in re.findall(r"\bops/[a-z_./-]*[a-z]", text)}
    assert {"ops/prometheus/rules", "ops/alertmanager/secrets", "ops/logrotate/openwatt"} <= named
    assert [path for path in sorted(named) if not (REPOSITORY / path).exists()] == []


def test_dashboards_ask_the_source_that_is_looked_for_and_every_panel_is_read() -> None:
    sources = "".join(p.read_text() for p in (OPS / "grafana" / "provisioning" / "datasources").iterdir())
    assert re.search(rf"^ +uid: {grafana.DATASOURCE}( |$)", sources, re.MULTILINE)
    shipped = ops.dashboards(OPS)
    assert len(shipped) > 2
    queries = [query for dashboard in shipped for panel in dashboard.panels for query in panel.queries]
    assert len(queries) > 40
    assert [query for query in queries if re.search(r"\$[a-z_{]", query)] == []


def test_every_shipped_rule_is_read() -> None:
    rules = ops.alert_rules(OPS)
    assert len(rules) == RULES.count("- alert: ") > 10
    assert {"HighErrorRate", "HighLatency", "ServiceDown"} <= {rule.name for rule in rules}
    assert next(rule for rule in rules if rule.name == "HighErrorRate").for_s == 300
    assert all(rule.labels.get("severity") and rule.annotations.get("runbook_url") for rule in rules)
    assert len(ops.recorded_names(OPS)) == len(set(ops.recorded_names(OPS))) > 3


# What is read of files.


def test_a_folder_of_rules_that_is_empty_or_broken_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckFailedError, match="no rules are in"):
        ops.alert_rules(tmp_path)
    (tmp_path / "prometheus" / "rules").mkdir(parents=True)
    (tmp_path / "prometheus" / "rules" / "a.yaml").write_text("groups: [")
    with pytest.raises(CheckFailedError, match=r"a\.yaml cannot be read"):
        ops.alert_rules(tmp_path)


def test_ops_is_found_here_or_beside_the_code(tmp_path: Path) -> None:
    assert ops.find_ops(tmp_path) == OPS
    (tmp_path / "ops" / "prometheus").mkdir(parents=True)
    assert ops.find_ops(tmp_path) == tmp_path / "ops"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), ("15s", 15), ("1m", 60), ("1h30m", 5400), ("500ms", 0.5), ("30d", 2_592_000)],
)
def test_a_duration_is_read_as_prometheus_does(text: str, seconds: float) -> None:
    assert ops.seconds_of(text) == seconds


def test_queries_of_panels_are_asked_as_grafana_would(tmp_path: Path) -> None:
    folder = tmp_path / "grafana" / "dashboards"
    folder.mkdir(parents=True)
    told = DASHBOARD | {
        "templating": {
            "list": [
                {"name": "job", "current": {"value": ["$__all"]}, "allValue": "a|b"},
                {"name": "route", "current": {"value": ["/x", "/y"]}},
                {"name": "instance", "current": {}},
            ]
        },
        "panels": [
            {
                "title": "one",
                "targets": [{"expr": "$job ${job:regex} $route ${instance} $__rate_interval $other"}],
            }
        ],
    }
    (folder / "a.json").write_text(json.dumps(told))
    (dashboard,) = ops.dashboards(tmp_path)
    assert dashboard.panels == (ops.Panel("one", ("a|b a|b /x|/y .* 5m $other",)),)
    (folder / "b.json").write_text("{}")
    with pytest.raises(CheckFailedError, match=r"b\.json is no dashboard"):
        ops.dashboards(tmp_path)


def test_headings_have_the_anchors_of_git_hosts(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Le guide\ntext\n## HighErrorRate\n### Coûts & choix (2026)\n")
    assert ops.headings(page) == {"le-guide", "higherrorrate", "coûts--choix-2026"}


# Routes, held against Alertmanager's own judgement.

ROUTES: dict[str, Any] = {
    "receiver": "default",
    "routes": [
        {"matchers": ['severity="page"', "team!~web|app"], "receiver": "page", "continue": True},
        {"match": {"severity": "page"}, "receiver": "second", "routes": [{"matchers": ["team=web"]}]},
        {"match_re": {"alertname": "Dog|Cat"}, "receiver": "pets"},
        {"matchers": ['{severity="ticket",team!="web"}'], "receiver": "ticket"},
    ],
}


@needs_program("amtool")
def test_routes_are_followed_as_alertmanager_follows_them(tmp_path: Path) -> None:
    names = ("default", "page", "second", "pets", "ticket")
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump({"route": ROUTES, "receivers": [{"name": name} for name in names]}))
    seen = set()
    for severity, team, alert in itertools.product(
        ("page", "ticket", "x"), ("web", "app", "db", ""), ("Dog", "Doge")
    ):
        labels = {"severity": severity, "team": team, "alertname": alert}
        ours = list(alerting.receivers_of(ROUTES, labels))
        told = subprocess.run(
            ["amtool", "config", "routes", "test", f"--config.file={config}",
             *(f"{name}={value}" for name, value in labels.items())],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert ours == told.stdout.strip().split(","), labels
        seen.update(ours)
    assert seen == set(names)


# Certificates.


@pytest.fixture
def certified(tmp_path: Path) -> Iterator[Any]:
    """A server whose certificate ends in so many days; its authority is trusted only where that is said."""
    require_program("openssl")
    servers: list[http.server.HTTPServer] = []

    def serve(days: int, name: str = "127.0.0.1") -> str:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", str(days),
             "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-subj", "/CN=test",
             "-addext", f"subjectAltName=IP:{name}"],
            capture_output=True, check=True,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def context_of(http: HttpProbe, **changes: Any) -> CheckContext:
    usual: dict[str, Any] = {"settings": Settings(), "environ": {}, "http": http, "timeout_s": 1}
    return CheckContext(**(usual | changes))


@pytest.mark.parametrize(
    ("days", "name", "trusted", "status"),
    [
        (90, "127.0.0.1", "trusted", "ok"),
        (13, "127.0.0.1", "trusted", "ends on"),
        (90, "127.0.0.1", "", "not trusted: self-signed certificate"),
        (90, "127.0.0.2", "trusted", "not trusted: IP address mismatch"),
    ],
)
def test_a_certificate_must_be_trusted_and_last(
    certified: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    name: str,
    trusted: str,
    status: str,
) -> None:
    url = certified(days, name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with HttpProbe() as http:
        looked = context_of(http, url=url)
        if status == "ok":
            assert f"in {days - 1} days" in service.check_tls(looked).message
        else:
            with pytest.raises(CheckFailedError, match=status):
                service.check_tls(looked)


# Sentry's own interface, in a model of it (Bugsink's is asked for real).


class Sentry(StandIn):
    """Sentry as far as it is asked: no Bugsink paths, projects, an event that comes with the second look."""

    looks = 0

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        del body
        if headers.get("Authorization") != "Bearer right":
            return in_json(401 if path.startswith("/api/0/") else 404, {"detail": "no"})
        if path == "/api/0/projects/":
            return in_json(200, [{"id": "456", "slug": "openwatt", "organization": {"slug": "org"}}])
        if path == "/api/0/projects/org/openwatt/events/abc/":
            self.looks += 1
            return in_json(200, {"eventID": "abc"}) if self.looks > 1 else in_json(404, {"detail": "no"})
        return in_json(404, {})


def test_an_event_is_read_back_from_sentrys_interface() -> None:
    sentry = Sentry()
    dsn = Dsn.read("https://key@o123.ingest.sentry.io/456")
    assert (dsn.base, dsn.key, dsn.project) == ("https://o123.ingest.sentry.io", "key", "456")
    try:
        with HttpProbe() as http:
            api = ReportApi(http, sentry.url, "right", dsn)
            assert api.find_event("abc") is None
            assert api.find_event("abc") == {"eventID": "abc"}
            with pytest.raises(CheckFailedError, match="401"):
                ReportApi(http, sentry.url, "wrong", dsn).find_event("abc")
            with pytest.raises(CheckFailedError, match="sees no project"):
                replace(api, dsn=Dsn.read("https://key@h/7")).find_event("abc")
    finally:
        sentry.close()


@pytest.mark.parametrize(
    "text", ["https://o123.ingest.sentry.io/456", "https://key@sentry.io", "https://key@h/"]
)
def test_what_is_no_dsn_is_said(text: str) -> None:
    with pytest.raises(CheckFailedError, match="is no DSN"):
        Dsn.read(text)


# What is not looked at, and why.


def test_a_service_that_logs_no_requests_is_not_searched_for_one() -> None:
    with HttpProbe() as http:
        looked = context_of(http, settings=Settings(log_level="WARNING", log_file=Path("x")))
        with pytest.raises(CheckSkippedError, match="OPENWATT_LOG_LEVEL is WARNING"):
            logs.check_log_file(looked)


def test_without_the_aws_command_cloudwatch_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with HttpProbe() as http:
        looked = context_of(http, settings=Settings(cloudwatch_log_group="/aws/x"))
        with pytest.raises(CheckSkippedError, match="AWS command line is not installed"):
            logs.check_cloudwatch(looked)


@pytest.mark.parametrize(
    ("environment", "error"), [("development", CheckSkippedError), ("production", CheckFailedError)]
)
def test_a_small_log_without_a_rule_matters_in_production_alone(
    tmp_path: Path, environment: str, error: type[Exception]
) -> None:
    log = tmp_path / "api.log"
    log.write_text("{}\n")
    with HttpProbe() as http:
        looked = context_of(
            http, settings=Settings(log_file=log, environment=environment), logrotate=tmp_path / "none.conf"
        )
        with pytest.raises(error, match=r"is not there|is not installed"):
            logs.check_rotation(looked)


def test_the_time_of_this_machine_must_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "timedatectl"
    program.write_text("#!/bin/sh\necho no\n")
    program.chmod(0o755)
    (tmp_path / "chronyc").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "chronyc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with HttpProbe() as http:
        looked = context_of(
            http, settings=Settings(database_url="postgresql://127.0.0.1:1/x"), url="http://127.0.0.1:1"
        )
        with pytest.raises(CheckFailedError, match="no NTP server"):
            machine.check_clock(looked)


def test_known_names_cover_what_is_counted_and_recorded() -> None:
    known = grafana.known_names({"openwatt:errors:rate5m"})
    assert "ALERTS" in known, "in a Prometheus that has just started no rule was computed yet"
    assert {"http_requests_total", "http_request_duration_seconds_bucket", "openwatt:errors:rate5m"} <= known


@pytest.mark.parametrize("name", ["controle.md", "doctor.md"])
def test_the_page_explains_every_item_with_its_lines_of_the_guide(name: str) -> None:
    page = (REPOSITORY / "docs" / name).read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| (.*)\|$", page, re.MULTILINE)
    told = [(item, lines.strip()) for item, lines in rows]
    assert told == [(item.name, " · ".join(item.guide)) for item in ITEMS]
