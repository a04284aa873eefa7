"""What can be broken, how, and what the doctor must say of it: each part in turn, the others well."""

import contextlib
import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from openwatt.doctor.checklist import ITEMS
from openwatt.store.backup import newest_backup
from tests.chaos.running import free_port
from tests.doctor.stand_ins import Change, Proxy
from tests.doctor.whole_stack import WholeStack
from tests.redis_server import PASSWORD

#: A part is broken for the length of a block; what the doctor is told otherwise than usual.
Broken = Callable[[WholeStack, Path], AbstractContextManager[dict[str, Any]]]


def told(**variables: str) -> Broken:
    """The doctor is told something else: a part that is not there, or another than the service's."""

    @contextmanager
    def broken(_stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
        yield {"variables": variables}

    return broken


def in_vain(item: str, way: Broken) -> Broken:
    """What is sent is looked for until the patience ends: a short one, and no other item needs any."""

    @contextmanager
    def broken(stack: WholeStack, folder: Path) -> Iterator[dict[str, Any]]:
        others = {"log-file", "elasticsearch", "cloudwatch", "sentry", "watchdog"} - {item}
        with way(stack, folder) as changes:
            yield {
                "timeout_s": 1.5,
                "only": [one.name for one in ITEMS if one.name not in others],
                **changes,
            }

    return broken


def nowhere(scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{free_port()}"


def lying(which: str, change: Change, **how: Any) -> Broken:
    """What a part answers is changed on the way: the server of a setting, or the service (`url`)."""

    @contextmanager
    def broken(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
        address = stack.url if which == "url" else stack.environ[f"OPENWATT_{which}"]
        with contextlib.closing(Proxy(address, change, **how)) as proxy:
            yield {"url": proxy.url} if which == "url" else {"variables": {which: proxy.url}}
            assert proxy.changed or how, "nothing was changed"

    return broken


def replacing(path: str, pattern: bytes, by: bytes, status: int | None = None) -> Change:
    """What comes back from addresses that hold `path` reads otherwise."""

    def change(asked: str, given: int, body: bytes) -> tuple[int, bytes]:
        if path not in asked:
            return given, body
        return given if status is None else status, re.sub(pattern, by, body, flags=re.MULTILINE)

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
def no_metrics_process(_stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    yield {"metrics_url": nowhere() + "/metrics"}


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
    kept, stack.grafana.dashboards = stack.grafana.dashboards, {}
    yield {}
    stack.grafana.dashboards = kept


def changed_dashboard(**changes: Any) -> Broken:
    """Grafana has another dashboard under the uid of a shipped one."""

    @contextmanager
    def broken(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
        kept = stack.grafana.dashboards
        stack.grafana.dashboards = {uid: {**shipped, **changes} for uid, shipped in kept.items()}
        yield {}
        stack.grafana.dashboards = kept

    return broken


@contextmanager
def panel_without_metric(stack: WholeStack, folder: Path) -> Iterator[dict[str, Any]]:
    """A dashboard, shipped and imported, asks for what nobody serves."""
    path, kept = "grafana/dashboards/test.json", stack.grafana.dashboards
    ops = stack.changed_ops(folder, path, lambda text: text.replace("openwatt_build_info", "openwatt_built"))
    changed = json.loads((ops / path).read_text())
    stack.grafana.dashboards = {changed["uid"]: changed}
    yield {"ops": ops}
    stack.grafana.dashboards = kept


@contextmanager
def unwell_grafana(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    stack.grafana.health = "failing"
    yield {}
    stack.grafana.health = "ok"


@contextmanager
def without_datasource(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    kept, stack.grafana.datasources = stack.grafana.datasources, {}
    yield {}
    stack.grafana.datasources = kept


@contextmanager
def another_datasource(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    stack.grafana.datasources["prometheus"]["type"] = "loki"
    yield {}
    stack.grafana.datasources["prometheus"]["type"] = "prometheus"


@contextmanager
def misled_datasource(stack: WholeStack, _folder: Path) -> Iterator[dict[str, Any]]:
    kept, stack.grafana.proxied = stack.grafana.proxied, {"message": "another program"}
    yield {}
    stack.grafana.proxied = kept


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


@dataclass(frozen=True)
class Break:
    """How a part is broken; the item that must fail, words of its finding, what is skipped because of it."""

    broken: Broken
    fails: str
    message: str
    fix: str
    skips: set[str] = field(default_factory=set)


def grafana(broken: Broken, message: str, *, fix: str) -> Break:
    """A fault of Grafana, without which no dashboard can be looked at."""
    return Break(broken, fails="grafana", skips={"dashboards"}, message=message, fix=fix)


def dashboards(broken: Broken, message: str) -> Break:
    """A fault of the dashboards in Grafana, which are brought by its provisioning."""
    return Break(broken, fails="dashboards", message=message, fix="provisioning")


DATABASE = {"schema", "catalogue", "sources", "ready"}
SCRAPED = {"scrape", "baseline", "panels"}
METRICS = {"metrics-process", "shipping", "limits", *SCRAPED}
SERVICE = {"ready", "metrics", "log-file", "elasticsearch", "cloudwatch", *METRICS}
ALERTING = {"notifications", "watchdog"}
PROMETHEUS = {"rules", "alertmanager", *SCRAPED, *ALERTING}
NEWER = "insert into schema_migrations (number, name) values (9999, 'from the future')"
OLD_RUN = (
    "insert into runs (source, started_at, finished_at, outcome) "
    "values ('edf_tarif_bleu', now() - interval '15 days', now() - interval '15 days', 'published')"
)
RUN = OLD_RUN.replace("interval '15 days'", "interval '1 day'")
FAILURE = (
    "insert into runs (source, started_at, finished_at, outcome) "
    "select 'engie_reference', now(), now(), outcome from unnest(array["
    "'published', 'unreachable', 'refused', 'unreadable']) outcome"
)

BREAKS = {
    "a slip in the environment": Break(
        told(ENVIRONMENT="prod"),
        fails="settings",
        message="'prod'",
        fix="OPENWATT_ENVIRONMENT=production",
    ),
    "debug in production": Break(
        told(LOG_LEVEL="DEBUG"),
        fails="settings",
        message="DEBUG",
        fix="OPENWATT_LOG_LEVEL=INFO",
    ),
    "a secret others may read": Break(
        open_secret,
        fails="secrets",
        message="others may read",
        fix="chmod 600 ",
    ),
    "the service elsewhere": Break(
        lying("url", replacing("/health", b"alive", b"dead")),
        fails="service",
        skips=SERVICE,
        message="is not OpenWatt",
        fix="--url",
    ),
    "a proxy without request ids": Break(
        lying("url", lambda _p, s, b: (s, b), drop_headers=frozenset({"x-request-id"})),
        fails="service",
        skips=SERVICE,
        message="X-Request-ID",
        fix="proxy",
    ),
    "another release": Break(
        told(REVISION="fff9999"),
        fails="service",
        skips=SERVICE,
        message="revision abc1234",
        fix="restart the service",
    ),
    "a service without database": Break(
        lying("url", replacing("/health/ready", rb".*", b"{}", 503)),
        fails="ready",
        message="503",
        fix="OPENWATT_DATABASE_URL",
    ),
    "no such database": Break(
        told(DATABASE_URL="postgresql://hunter4:hunter5-secret@127.0.0.1:1/x"),
        fails="database",
        skips=DATABASE,
        message="refused",
        fix="OPENWATT_DATABASE_URL",
    ),
    "a newer schema": Break(
        database_of("filled", NEWER),
        fails="schema",
        skips={"catalogue", "sources"},
        message="9999",
        fix="deploy the newer OpenWatt",
    ),
    "an empty database": Break(
        database_of("migrated", RUN),
        fails="catalogue",
        message="not loaded",
        fix="restart the service",
    ),
    "an old release": Break(
        old_release,
        fails="catalogue",
        message="2026",
        fix="newer release",
    ),
    "a stale source": Break(
        database_of("filled", OLD_RUN),
        fails="sources",
        message="edf_tarif_bleu (read 15 days ago)",
        fix="openwatt ingest",
    ),
    "a broken source": Break(
        database_of("filled", FAILURE),
        fails="sources",
        message="engie_reference (3 failures in a row)",
        fix="openwatt ingest",
    ),
    "an old backup": Break(
        old_backup,
        fails="backup",
        message="27 h old",
        fix="openwatt backup",
    ),
    "a family missing": Break(
        lying("url", replacing("/metrics", rb"^(# \w+ )?openwatt_rate_limiter_degraded.*\n", b"")),
        fails="metrics",
        skips=METRICS,
        message="openwatt_rate_limiter_degraded",
        fix="restart the service",
    ),
    "workers that count apart": Break(
        lying("url", replacing("/metrics", rb"(?m)^(http_requests_total\S+) .*", rb"\1 1.0")),
        fails="metrics",
        skips=METRICS,
        message="each worker tells its own",
        fix="gunicorn.conf.py",
    ),
    "no metrics process": Break(
        no_metrics_process,
        fails="metrics-process",
        message="refuses connections",
        fix="openwatt metrics",
    ),
    "no Prometheus": Break(
        told(PROMETHEUS_URL=nowhere()),
        fails="prometheus",
        skips=PROMETHEUS,
        message="refuses connections",
        fix="make monitoring-up",
    ),
    "a lost target": Break(
        lost_target,
        fails="scrape",
        skips={"baseline", "panels"},
        message="is down",
        fix="ops/prometheus/targets",
    ),
    "an old build seen": Break(
        lying("PROMETHEUS_URL", replacing("openwatt_build_info%7B", b"abc1234", b"fff9999")),
        fails="scrape",
        skips={"baseline", "panels"},
        message="fff9999",
        fix="targets",
    ),
    "a rule that is not loaded": Break(
        ops_file("prometheus/rules/service.yaml", "alert: ServiceDown", "alert: ServiceGone"),
        fails="rules",
        skips={"panels", *ALERTING},
        message="ServiceGone is not loaded",
        fix="rule_files",
    ),
    "a rule that cannot be computed": Break(
        lying(
            "PROMETHEUS_URL",
            replacing(
                "rules?type=alert",
                b'"health":"ok"',
                b'"health":"err","lastError":"many-to-many"',
            ),
        ),
        fails="rules",
        skips={"panels", *ALERTING},
        message="many-to-many",
        fix="rule_files",
    ),
    "no Alertmanager": Break(
        told(ALERTMANAGER_URL=nowhere()),
        fails="alertmanager",
        skips=ALERTING,
        message="refuses connections",
        fix="OPENWATT_ALERTMANAGER_URL",
    ),
    "a Prometheus that alerts nobody": Break(
        lying(
            "PROMETHEUS_URL",
            replacing("/alertmanagers", rb'"activeAlertmanagers":\[.*?\]', b'"activeAlertmanagers":[]'),
        ),
        fails="alertmanager",
        skips=ALERTING,
        message="knows no Alertmanager",
        fix="alerting:",
    ),
    "a receiver that tells nobody": Break(
        lying("ALERTMANAGER_URL", replacing("/status", rb"webhook_configs:", b"was_webhooks:")),
        fails="notifications",
        message="notifies no one",
        fix="ops/alertmanager/secrets",
    ),
    "an Alertmanager that hears nothing": Break(
        in_vain("watchdog", lying("ALERTMANAGER_URL", replacing("/alerts", rb"(?s)\A.*\Z", b"[]"))),
        fails="watchdog",
        message="does not arrive",
        fix="OPENWATT_ALERTMANAGER_URL",
    ),
    "a runbook without a heading": Break(
        ops_file("runbook.md", "## ServiceDown", "## Else"),
        fails="runbook",
        message="no heading for ServiceDown",
        fix="heading",
    ),
    "slow answers": Break(
        lying(
            "PROMETHEUS_URL",
            replacing(
                "query=histogram_quantile%280.99", rb'"value":\[([\d.]+),"[^"]+"', rb'"value":[\1,"1.5"'
            ),
        ),
        fails="baseline",
        message="P99 1500 ms",
        fix="Overview",
    ),
    "a Grafana that is unwell": grafana(unwell_grafana, "503", fix="OPENWATT_GRAFANA_URL"),
    "a password Grafana does not know": grafana(
        told(GRAFANA_URL="http://admin:wrong-password@{grafana}"),
        "refuses the name and password",
        fix="http://name:password@",
    ),
    "a Grafana without its source": grafana(without_datasource, "uid prometheus", fix="provisioning"),
    "a Grafana whose source is of another kind": grafana(
        another_datasource, "of the type loki", fix="provisioning"
    ),
    "a Grafana whose source leads elsewhere": grafana(
        misled_datasource, "finds no Prometheus at http://prometheus:9090", fix="PROMETHEUS_URL"
    ),
    "a dashboard of another name": dashboards(changed_dashboard(title="Mine"), "is “Mine”"),
    "a dashboard of an older release": dashboards(changed_dashboard(panels=[]), "other panels"),
    "a dashboard that is not there": dashboards(forgotten_dashboard, "openwatt-test"),
    "a panel that asks for nothing": Break(
        panel_without_metric,
        fails="panels",
        message="“build” of “Test”",
        fix="metric or label",
    ),
    "a log file of nobody": Break(
        in_vain("log-file", other_log),
        fails="log-file",
        message="is not in",
        fix="OPENWATT_LOG_FILE",
    ),
    "no Elasticsearch": Break(
        told(ELASTICSEARCH_URL=nowhere()),
        fails="elasticsearch",
        message="refuses connections",
        fix="make elk-up",
    ),
    "an index nothing comes into": Break(
        in_vain(
            "elasticsearch",
            lying("ELASTICSEARCH_URL", replacing("_search", rb'"hits": \[.*\]', b'"hits": []')),
        ),
        fails="elasticsearch",
        message="has not come",
        fix="Logstash",
    ),
    "records cut on the way": Break(
        lying("ELASTICSEARCH_URL", replacing("_search", rb'"status": \d+,', b"")),
        fails="elasticsearch",
        message="missing: status",
        fix="cut fields",
    ),
    "records lost": Break(
        lying(
            "url",
            replacing(
                "/metrics",
                rb"^openwatt_log_records_sent_total.*",
                b"openwatt_log_records_sent_total 1.0\n# TYPE openwatt_log_records_dropped_total counter\n"
                b'openwatt_log_records_dropped_total{reason="spool full"} 7.0',
            ),
        ),
        fails="shipping",
        message="7 spool full",
        fix="OPENWATT_LOG_SPOOL_MB",
    ),
    "no group in CloudWatch": Break(
        told(CLOUDWATCH_LOG_GROUP="/aws/else"),
        fails="cloudwatch",
        message="ResourceNotFoundException",
        fix="ops/cloudwatch",
    ),
    "a log nobody rotates": Break(
        logrotate_rule("/var/log/else.log {{\n missingok\n}}\n"),
        fails="rotation",
        message="no rule of",
        fix="ops/logrotate",
    ),
    "a rule logrotate refuses": Break(
        logrotate_rule("{log} {{\n daly\n}}\n"),
        fails="rotation",
        message="daly",
        fix="fix",
    ),
    "a key Sentry does not know": Break(
        keyless,
        fails="sentry",
        message="refuses events",
        fix="DSN",
    ),
    "a token Sentry does not know": Break(
        wrong_token,
        fails="sentry",
        message="401",
        fix="DSN",
    ),
    "no Redis": Break(
        told(REDIS_URL=f"redis://:{PASSWORD}@127.0.0.1:1/0"),
        fails="limits",
        message="Redis does not answer",
        fix="start Redis",
    ),
    "a service that counts for itself": Break(
        lying(
            "url",
            replacing(
                "/metrics", rb"^openwatt_rate_limiter_degraded .*", b"openwatt_rate_limiter_degraded 1.0"
            ),
        ),
        fails="limits",
        message="in its workers' memory",
        fix="OPENWATT_REDIS_URL",
    ),
    "a disk too small for the spool": Break(
        told(LOG_SPOOL_MB="100000", WORKERS="256"),
        fails="disk",
        message="with the log spool",
        fix="OPENWATT_LOG_SPOOL_MB",
    ),
    "a clock that is wrong": Break(
        another_time,
        fails="clock",
        message="behind",
        fix="NTP",
    ),
}
