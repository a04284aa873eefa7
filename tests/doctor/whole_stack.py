"""A healthy installation for the doctor: everything that runs here is real, the rest is modelled."""

import datetime as dt
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml

from openwatt.doctor.checklist import ITEMS
from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import HttpProbe
from openwatt.doctor.prometheus import JOB
from openwatt.doctor.results import CheckResult
from openwatt.doctor.runner import run_checks, select_items
from openwatt.settings import read_settings
from tests.bugsink_server import Bugsink
from tests.chaos.running import Home, Service, new_home, wait_until
from tests.conftest import Server
from tests.doctor.stand_ins import AWS, Elasticsearch, Grafana
from tests.ops.monitoring import Monitoring, monitoring
from tests.redis_server import Redis

GRAFANA_PASSWORD = "hunter3-is-not-shown"  # noqa: S105 - what must not be seen anywhere
#: What was sent is there within a second on a quiet machine; waiting longer makes broken cases slow.
TIMEOUT_S = 6.0
DASHBOARD = {
    "uid": "openwatt-test",
    "title": "Test",
    "templating": {"list": [{"name": "job", "current": {"value": "$__all"}, "allValue": ".+"}]},
    "panels": [
        {
            "title": "requests",
            "targets": [{"expr": 'sum(rate(http_requests_total{job=~"$job"}[$__rate_interval]))'}],
        },
        {
            "title": "a row",
            "type": "row",
            "panels": [{"title": "build", "targets": [{"expr": "openwatt_build_info"}]}],
        },
        {
            "title": "breaches",
            "targets": [{"expr": "sum(rate(openwatt_rate_limit_breaches_total[${__interval}]))"}],
        },
        {
            # Empty until Prometheus has watched for an interval, which the fixture does not wait for.
            "title": "arrivals",
            "targets": [{"expr": "sum(http_requests_total - http_requests_total offset $__interval)"}],
        },
        {"title": "what to do", "type": "text"},
    ],
}


@dataclass(kw_only=True)
class WholeStack:
    """The running parts, and what the doctor is told of them."""

    folder: Path
    server: Server
    templates: Mapping[str, str]
    home: Home
    service: Service
    database_url: str
    environ: Mapping[str, str]
    ops: Path
    logrotate: Path
    monitoring: Monitoring
    redis: Redis
    bugsink: Bugsink
    grafana: Grafana
    elasticsearch: Elasticsearch

    @property
    def url(self) -> str:
        """Where the service is."""
        return f"http://127.0.0.1:{self.service.port}"

    def arguments(self) -> list[str]:
        """The doctor's options for this installation."""
        metrics = f"http://{self.monitoring.stack.addresses.metrics}/metrics"
        return [
            *("--url", self.url, "--metrics-url", metrics, "--ops", str(self.ops)),
            *("--logrotate", str(self.logrotate), "--patience", f"{TIMEOUT_S}"),
        ]

    @contextmanager
    def context(self, variables: Mapping[str, str] = {}, **changes: Any) -> Iterator[CheckContext]:
        """What the doctor examines; `variables` without their prefix, `changes` of everything else."""
        grafana = self.grafana.url.removeprefix("http://")
        told = {f"OPENWATT_{name}": value.replace("{grafana}", grafana) for name, value in variables.items()}
        environ = {**self.environ, **told}
        with HttpProbe() as http:
            usual = {
                "settings": read_settings(environ),
                "environ": environ,
                "http": http,
                "url": self.url,
                "metrics_url": f"http://{self.monitoring.stack.addresses.metrics}/metrics",
                "ops": self.ops,
                "logrotate": self.logrotate,
                "timeout_s": TIMEOUT_S,
            }
            yield CheckContext(**{**usual, **changes})

    def examined(
        self, variables: Mapping[str, str] = {}, *, only: Sequence[str] = (), **changes: Any
    ) -> dict[str, CheckResult]:
        """What the doctor finds, by item."""
        with self.context(variables, **changes) as context:
            return {finding.item: finding for finding in run_checks(context, select_items(ITEMS, only))}

    @contextmanager
    def target(self, address: str) -> Iterator[None]:
        """Prometheus asks another address for the service, until it has noticed that it is back."""
        file = self.monitoring.stack.folder / "prometheus" / "targets" / "api.yaml"
        usual = file.read_text()

        def scrape_metrics(health: str) -> Callable[[], bool]:
            return lambda: [h for (job, _), h in self.monitoring.targets().items() if job == JOB] == [health]

        file.write_text(json.dumps([{"targets": [address]}]))
        wait_until(scrape_metrics("down"))
        try:
            yield
        finally:
            file.write_text(usual)
            wait_until(scrape_metrics("up"))

    def changed_ops(self, folder: Path, path: str, change: Callable[[str], str]) -> Path:
        """A copy of the folder ops in which one file reads otherwise."""
        copied = folder / "ops"
        shutil.copytree(self.ops, copied)
        before = (copied / path).read_text()
        after = change(before)
        assert after != before
        (copied / path).write_text(after)
        return copied


@contextmanager
def whole_stack(server: Server, templates: Mapping[str, str], folder: Path) -> Iterator[WholeStack]:
    """Starts everything and waits until all of it is well; ends everything."""
    with ExitStack() as stack:
        home = stack.enter_context(new_home())
        redis = Redis(folder)
        stack.callback(redis.stop)
        bugsink = Bugsink(folder)
        stack.callback(bugsink.stop)
        bugsink.start()
        elasticsearch = stack.enter_context(closing(Elasticsearch()))
        name = server.create(templates["filled"])
        stack.callback(server.drop, name)
        _add_run(server.url(name))
        log = folder / "log" / "api.log"
        environ = {
            "OPENWATT_DATA_DIR": str(home.data),
            "OPENWATT_DATABASE_URL": server.url(name),
            "OPENWATT_REDIS_URL": redis.url,
            "OPENWATT_LOG_FILE": str(log),
            "OPENWATT_LOGSTASH_URL": elasticsearch.logstash.url,
            "OPENWATT_SENTRY_DSN": bugsink.dsn,
            "OPENWATT_ENVIRONMENT": "production",
            "OPENWATT_REVISION": "abc1234",
            "OPENWATT_WORKERS": "2",
            "OPENWATT_BACKUP_DIR": str(_backups(folder)),
        }
        service = home.service(**environ).ready()
        stack.callback(service.end)
        running = stack.enter_context(monitoring(service))
        ops = _ops(folder, running)
        grafana = stack.enter_context(closing(Grafana(ops / "grafana" / "dashboards", GRAFANA_PASSWORD)))
        told = {
            **environ,
            "OPENWATT_BIND": f"127.0.0.1:{service.port}",
            "OPENWATT_PROMETHEUS_URL": running.prometheus_url,
            "OPENWATT_ALERTMANAGER_URL": running.alertmanager_url,
            "OPENWATT_GRAFANA_URL": grafana.url.replace("://", f"://admin:{GRAFANA_PASSWORD}@"),
            "OPENWATT_ELASTICSEARCH_URL": elasticsearch.url,
            "OPENWATT_CLOUDWATCH_LOG_GROUP": "/aws/openwatt/api",
            "OPENWATT_SENTRY_URL": bugsink.url,
            "OPENWATT_SENTRY_TOKEN_FILE": str(_secret(folder, bugsink.token)),
        }
        stack.enter_context(_programs(folder, log))
        made = WholeStack(
            folder=folder,
            server=server,
            templates=templates,
            home=home,
            service=service,
            database_url=server.url(name),
            environ=told,
            ops=ops,
            logrotate=_logrotate(folder, log),
            monitoring=running,
            redis=redis,
            bugsink=bugsink,
            grafana=grafana,
            elasticsearch=elasticsearch,
        )
        _until_prometheus_knows(made)
        yield made


def _add_run(url: str) -> None:
    """One source that was read a moment ago."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "insert into runs (source, started_at, finished_at, outcome) "
            "values ('rte_tempo', now(), now(), 'unchanged')"
        )


def _backups(folder: Path) -> Path:
    backups = folder / "backups"
    backups.mkdir()
    taken_at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    (backups / f"openwatt-{taken_at:%Y%m%dT%H%M%SZ}.dump").write_bytes(b"PGDMP" + bytes(1000))
    return backups


def _secret(folder: Path, token: str) -> Path:
    path = folder / "sentry_token"
    path.write_text(token)
    path.chmod(0o600)
    return path


def _ops(folder: Path, running: Monitoring) -> Path:
    """The folder ops as Prometheus has it: with hurried rules, a dashboard, and a runbook for every alert."""
    ops = folder / "ops"
    rendered = running.stack.folder / "prometheus" / "rules"
    shutil.copytree(rendered, ops / "prometheus" / "rules")
    (ops / "grafana" / "dashboards").mkdir(parents=True)
    (ops / "grafana" / "dashboards" / "test.json").write_text(json.dumps(DASHBOARD))
    headings = [
        f"## {rule['alert']}"
        for path in sorted((ops / "prometheus" / "rules").glob("*.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    (ops / "runbook.md").write_text("\n\n".join(["# Runbook", *headings]))
    return ops


@contextmanager
def _programs(folder: Path, log: Path) -> Iterator[None]:
    """A PATH on which the AWS command line is our model, and no clock of this machine's is asked."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "aws").write_text(AWS.format(python=sys.executable, log=str(log)))
    (programs / "timedatectl").write_text("#!/bin/sh\necho yes\n")
    (programs / "chronyc").write_text("#!/bin/sh\nexit 1\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{programs}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _logrotate(folder: Path, log: Path) -> Path:
    rules = folder / "logrotate.conf"
    rules.write_text(f"{log.parent.resolve()}/*.log {{\n  daily\n  rotate 14\n  missingok\n}}\n")
    rules.chmod(0o644)
    (log.parent / "other.log").touch()
    return rules


def _until_prometheus_knows(stack: WholeStack) -> None:
    """Every target up, the Watchdog arrived, and a rate of requests: two scrapes at least."""

    def known() -> bool:
        assert stack.service.answers()
        found.clear()
        found.update(stack.examined(only=["watchdog", "panels", "baseline", "notifications"]))
        return all(finding.status == "ok" for finding in found.values())

    found: dict[str, CheckResult] = {}
    try:
        wait_until(known)
    except AssertionError as error:
        raise AssertionError([finding for finding in found.values() if finding.status != "ok"]) from error
