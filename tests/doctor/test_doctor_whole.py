"""The doctor on a healthy installation, and with each part of it broken in turn."""

import contextlib
import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from openwatt.doctor.checklist import ITEMS
from openwatt.store.backup import newest_backup
from tests.chaos.running import free_port
from tests.doctor.stand_ins import Change, Proxy
from tests.doctor.whole_stack import GRAFANA_PASSWORD, WholeStack
from tests.ops.monitoring import needs_monitoring
from tests.redis_server import PASSWORD, needs_redis

pytestmark = [needs_redis, needs_monitoring]

#: A part is broken for the length of a block; what the doctor is told otherwise than usual.
Broken = Callable[[WholeStack, Path], AbstractContextManager[dict[str, Any]]]


def test_a_healthy_installation_is_well(stack: WholeStack) -> None:
    found = stack.examined()
    assert {finding.item: finding.says for finding in found.values() if finding.status == "failed"} == {}
    # Its address is plain http; all else is looked at.
    assert [finding.item for finding in found.values() if finding.status == "skipped"] == ["tls"]
    assert list(found) == [item.name for item in ITEMS]


def told(**variables: str) -> Broken:
    """The doctor is told something else: a part that is not there, or another than the service's."""

    @contextmanager
    def broken(_stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
        yield {"variables": variables}

    return broken


def nowhere(scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{free_port()}"


def lying(which: str, change: Change, **how: Any) -> Broken:
    """A part answers, and what it answers is changed on the way: a setting's server, or the service (`url`)."""

    @contextmanager
    def broken(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
        address = stack.url if which == "url" else stack.environ[f"OPENWATT_{which}"]
        with contextlib.closing(Proxy(address, change, **how)) as proxy:
            yield {"url": proxy.url} if which == "url" else {"variables": {which: proxy.url}}

    return broken


def replacing(path: str, pattern: bytes, by: bytes, status: int | None = None) -> Change:
    """What comes back from addresses that hold `path` reads otherwise, which it must have done."""

    def change(asked: str, given: int, body: bytes) -> tuple[int, bytes]:
        if path not in asked:
            return given, body
        changed, times = re.subn(pattern, by, body, flags=re.MULTILINE)
        assert times, (asked, body[:300])
        return given if status is None else status, changed

    return change


def ops_file(path: str, before: str, after: str) -> Broken:
    """A shipped file reads otherwise than what is loaded."""

    @contextmanager
    def broken(stack: WholeStack, folder: Path) -> Iterator[dict[str, Any]]:
        yield {"ops": stack.changed_ops(folder, path, lambda text: text.replace(before, after))}

    return broken


def database_of(template: str, *statements: str) -> Broken:
    """The doctor is pointed at another database."""

    @contextmanager
    def broken(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
        server = stack.server
        name = server.create(stack.templates[template])
        with psycopg.connect(server.url(name), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
        yield {"variables": {"DATABASE_URL": server.url(name)}}
        server.drop(name)

    return broken


@contextmanager
def open_secret(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    token = Path(stack.environ["OPENWATT_SENTRY_TOKEN_FILE"])
    token.chmod(0o644)
    yield {}
    token.chmod(0o600)


@contextmanager
def old_backup(stack: WholeStack, folder: Path) -> Iterator[dict[str, Any]]:
    newest = newest_backup(Path(stack.environ["OPENWATT_BACKUP_DIR"]))
    assert newest is not None
    old = newest.taken_at - dt.timedelta(hours=26)
    (folder / f"openwatt-{old:%Y%m%dT%H%M%SZ}.dump").write_bytes(b"PGDMP")
    yield {"variables": {"BACKUP_DIR": str(folder)}}


@contextmanager
def other_log(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    other = Path(stack.environ["OPENWATT_LOG_FILE"]).with_name("other.log")
    yield {"variables": {"LOG_FILE": str(other)}}


def logrotate_rule(text: str) -> Broken:
    @contextmanager
    def broken(stack: WholeStack, folder: Path) -> Iterator[dict[str, Any]]:
        log = Path(stack.environ["OPENWATT_LOG_FILE"]).resolve()
        (folder / "rules").write_text(text.format(log=log))
        (folder / "rules").chmod(0o644)
        yield {"logrotate": folder / "rules"}

    return broken


@contextmanager
def lost_target(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    """Prometheus itself is pointed elsewhere."""
    with stack.target(f"127.0.0.1:{free_port()}"):
        yield {}


@contextmanager
def forgotten_dashboard(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    kept, stack.grafana.uids = stack.grafana.uids, set()
    yield {}
    stack.grafana.uids = kept


@contextmanager
def unwell_grafana(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    stack.grafana.health = "failing"
    yield {}
    stack.grafana.health = "ok"


@contextmanager
def without_datasource(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    stack.grafana.datasources.clear()
    yield {}
    stack.grafana.datasources.add("prometheus")


@contextmanager
def another_time(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    stack.grafana.clock_off_s = -3600
    yield {}
    stack.grafana.clock_off_s = 0


@contextmanager
def old_release(_stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    """Nothing is as old as this moment makes it but the figures of the catalogue."""
    yield {"only": ["catalogue"], "now": lambda: dt.datetime(2028, 1, 1, tzinfo=dt.UTC)}


@contextmanager
def keyless(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    yield {"variables": {"SENTRY_DSN": re.sub(r"//\w+@", "//" + "0" * 32 + "@", stack.bugsink.dsn)}}


@contextmanager
def wrong_token(_stack: WholeStack, folder: Path) -> Iterator[dict[str, Any]]:
    (folder / "token").write_text("f" * 40)
    (folder / "token").chmod(0o600)
    yield {"variables": {"SENTRY_TOKEN_FILE": str(folder / "token")}}


DATABASE = {"schema", "catalogue", "sources", "ready"}
SCRAPED = {"scrape", "baseline", "panels"}
METRICS = {"metrics-process", "shipping", *SCRAPED}
SERVICE = {"ready", "metrics", "log-file", "elasticsearch", "cloudwatch", *METRICS}
ALERTING = {"notifications", "watchdog"}
PROMETHEUS = {"rules", "alertmanager", *SCRAPED, *ALERTING}
NEWER = "insert into schema_migrations (number, name) values (9999, 'from the future')"
OLD_RUN = (
    "insert into runs (source, started_at, finished_at, outcome) "
    "values ('edf_tarif_bleu', now() - interval '15 days', now() - interval '15 days', 'published')"
)
FAILURE = (
    "insert into runs (source, started_at, finished_at, outcome) "
    "select 'engie_reference', now(), now(), outcome from unnest(array["
    "'published', 'unreachable', 'refused', 'unreadable']) outcome"
)

#: What is broken → the item that must fail, what must be skipped because of it, words of finding and remedy.
BREAKS: dict[str, tuple[Broken, str, set[str], str, str]] = {
    "a slip in the environment": (told(ENVIRONMENT="prod"), "settings", set(), "'prod'", "OPENWATT_ENVIRONMENT=production"),
    "debug in production": (told(LOG_LEVEL="DEBUG"), "settings", set(), "DEBUG", "OPENWATT_LOG_LEVEL=INFO"),
    "a secret others may read": (open_secret, "secrets", set(), "others may read", "chmod 600 "),
    "the service elsewhere": (lying("url", replacing("/health", b"alive", b"dead")), "service", SERVICE, "is not OpenWatt", "--url"),
    "a proxy without request ids": (lying("url", lambda _p, s, b: (s, b), drop_headers=frozenset({"x-request-id"})), "service", SERVICE, "X-Request-ID", "proxy"),
    "another release": (told(REVISION="fff9999"), "service", SERVICE, "revision abc1234", "restart the service"),
    "a service without database": (lying("url", replacing("/health/ready", rb".*", b"{}", 503)), "ready", set(), "503", "OPENWATT_DATABASE_URL"),
    "no such database": (told(DATABASE_URL="postgresql://hunter4:hunter5-secret@127.0.0.1:1/x"), "database", DATABASE, "refused", "OPENWATT_DATABASE_URL"),
    "a newer schema": (database_of("filled", NEWER), "schema", {"catalogue", "sources"}, "9999", "deploy the newer OpenWatt"),
    "an empty database": (database_of("migrated"), "catalogue", set(), "not loaded", "restart the service"),
    "an old release": (old_release, "catalogue", set(), "2026", "newer release"),
    "a stale source": (database_of("filled", OLD_RUN), "sources", set(), "edf_tarif_bleu (read 15 days ago)", "openwatt ingest"),
    "a broken source": (database_of("filled", FAILURE), "sources", set(), "engie_reference (3 failures in a row)", "openwatt ingest"),
    "an old backup": (old_backup, "backup", set(), "27 h old", "openwatt backup"),
    "a family missing": (lying("url", replacing("/metrics", rb"^(# \w+ )?openwatt_rate_limiter_degraded.*\n", b"")), "metrics", METRICS, "openwatt_rate_limiter_degraded", "restart the service"),
    "workers that count apart": (lying("url", replacing("/metrics", rb"(?m)^(http_requests_total\S+) .*", rb"\1 1.0")), "metrics", METRICS, "each worker tells its own", "gunicorn.conf.py"),
    "no metrics process": (lambda s, f: told_fields(metrics_url=nowhere() + "/metrics"), "metrics-process", set(), "refuses connections", "openwatt metrics"),
    "no Prometheus": (told(PROMETHEUS_URL=nowhere()), "prometheus", PROMETHEUS, "refuses connections", "make monitoring-up"),
    "a lost target": (lost_target, "scrape", {"baseline", "panels"}, "is down", "ops/prometheus/targets"),
    "an old build seen": (lying("PROMETHEUS_URL", replacing("openwatt_build_info%7B", b"abc1234", b"fff9999")), "scrape", {"baseline", "panels"}, "fff9999", "targets"),
    "a rule that is not loaded": (ops_file("prometheus/rules/service.yaml", "alert: ServiceDown", "alert: ServiceGone"), "rules", {"panels", *ALERTING}, "ServiceGone is not loaded", "rule_files"),
    "a rule that cannot be computed": (lying("PROMETHEUS_URL", replacing("rules?type=alert", b'"health":"ok","lastError":"",', b'"health":"err","lastError":"many-to-many",')), "rules", {"panels", *ALERTING}, "many-to-many", "rule_files"),
    "no Alertmanager": (told(ALERTMANAGER_URL=nowhere()), "alertmanager", ALERTING, "refuses connections", "OPENWATT_ALERTMANAGER_URL"),
    "a Prometheus that alerts nobody": (lying("PROMETHEUS_URL", replacing("/alertmanagers", rb'"activeAlertmanagers":\[.*?\]', b'"activeAlertmanagers":[]')), "alertmanager", ALERTING, "knows no Alertmanager", "alerting:"),
    "a receiver that tells nobody": (lying("ALERTMANAGER_URL", replacing("/status", rb"webhook_configs:", b"was_webhooks:")), "notifications", set(), "tells nobody", "ops/alertmanager/secrets"),
    "an Alertmanager that hears nothing": (lying("ALERTMANAGER_URL", replacing("/alerts", rb"\A.*\Z", b"[]")), "watchdog", set(), "does not arrive", "OPENWATT_ALERTMANAGER_URL"),
    "a runbook without a heading": (ops_file("runbook.md", "## ServiceDown", "## Else"), "runbook", set(), "no heading for ServiceDown", "heading"),
    "slow answers": (lying("PROMETHEUS_URL", replacing("query=histogram_quantile%280.99", rb'"value":\[([\d.]+),"[^"]+"', rb'"value":[\1,"1.5"')), "baseline", set(), "P99 1500 ms", "Overview"),
    "a Grafana that is unwell": (unwell_grafana, "grafana", {"dashboards"}, "503", "OPENWATT_GRAFANA_URL"),
    "a password Grafana does not know": (told(GRAFANA_URL="http://admin:wrong-password@{grafana}"), "grafana", {"dashboards"}, "refuses the name and password", "http://name:password@"),
    "a Grafana without its source": (without_datasource, "grafana", {"dashboards"}, "uid prometheus", "provisioning"),
    "a dashboard that is not there": (forgotten_dashboard, "dashboards", set(), "openwatt-test", "provisioning"),
    "a panel that asks for nothing": (ops_file("grafana/dashboards/test.json", "openwatt_build_info", "openwatt_built"), "panels", set(), "“build” of “Test”", "metric or label"),
    "a log file of nobody": (other_log, "log-file", set(), "is not in", "OPENWATT_LOG_FILE"),
    "no Elasticsearch": (told(ELASTICSEARCH_URL=nowhere()), "elasticsearch", set(), "refuses connections", "make elk-up"),
    "an index nothing comes into": (lying("ELASTICSEARCH_URL", replacing("_search", rb'"hits": \[.*\]', b'"hits": []')), "elasticsearch", set(), "has not come", "Logstash"),
    "records cut on the way": (lying("ELASTICSEARCH_URL", replacing("_search", rb'"status": \d+,', b"")), "elasticsearch", set(), "missing: status", "cut fields"),
    "records lost": (lying("url", replacing("/metrics", rb"^openwatt_log_records_sent_total.*", b'openwatt_log_records_sent_total 1.0\n# TYPE openwatt_log_records_dropped counter\nopenwatt_log_records_dropped_total{reason="spool full"} 7.0')), "shipping", set(), "7 spool full", "OPENWATT_LOG_SPOOL_MB"),
    "no group in CloudWatch": (told(CLOUDWATCH_LOG_GROUP="/aws/else"), "cloudwatch", set(), "ResourceNotFoundException", "ops/cloudwatch"),
    "a log nobody rotates": (logrotate_rule("/var/log/else.log {{\n missingok\n}}\n"), "rotation", set(), "no rule of", "ops/logrotate"),
    "a rule logrotate refuses": (logrotate_rule("{log} {{\n daly\n}}\n"), "rotation", set(), "daly", "mend"),
    "a key Sentry does not know": (keyless, "sentry", set(), "refuses events", "DSN"),
    "a token Sentry does not know": (wrong_token, "sentry", set(), "401", "DSN"),
    "no Redis": (told(REDIS_URL=f"redis://:{PASSWORD}@127.0.0.1:1/0"), "limits", set(), "Redis does not answer", "start Redis"),
    "a service that counts for itself": (lying("url", replacing("/metrics", rb"^openwatt_rate_limiter_degraded .*", b"openwatt_rate_limiter_degraded 1.0")), "limits", set(), "in its workers' memory", "OPENWATT_REDIS_URL"),
    "a disk too small for the spool": (told(LOG_SPOOL_MB="100000", WORKERS="256"), "disk", set(), "with the log spool", "OPENWATT_LOG_SPOOL_MB"),
    "a clock that is wrong": (another_time, "clock", set(), "behind", "NTP"),
}  # fmt: skip


@contextmanager
def told_fields(**fields: Any) -> Iterator[dict[str, Any]]:
    yield fields


@pytest.mark.parametrize("what", BREAKS)
def test_what_is_broken_fails_alone_and_names_its_remedy(stack: WholeStack, tmp_path: Path, what: str) -> None:
    broken, item, because_of_it, says, remedy = BREAKS[what]
    with broken(stack, tmp_path) as changes:
        found = stack.examined(**changes)
    failed = {finding.item: finding.says for finding in found.values() if finding.status == "failed"}
    assert list(failed) == [item], failed
    assert says in found[item].says
    assert remedy in found[item].remedy
    skipped = {finding.item for finding in found.values() if finding.status == "skipped"} - {"tls"}
    assert skipped == because_of_it & found.keys()
    assert {found[name].says for name in skipped} <= {f"because {item} failed"}
    assert_discreet(found.values())


def assert_discreet(findings: Any) -> None:
    shown = json.dumps([[finding.says, finding.remedy] for finding in findings])
    assert shown
    for secret in (PASSWORD, GRAFANA_PASSWORD, "hunter5-secret", "wrong-password", "f" * 40):
        assert secret not in shown


def test_every_item_is_broken_by_a_test() -> None:
    assert {item for _, item, *_ in BREAKS.values()} | {"tls"} == {item.name for item in ITEMS}
