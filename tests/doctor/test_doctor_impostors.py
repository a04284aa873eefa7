"""Servers that are not what they are taken for: every item that asks one sees red, whoever answers 200."""

import os
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from openwatt.doctor.checklist import ITEMS
from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import HttpProbe
from openwatt.doctor.results import CheckResult
from openwatt.doctor.runner import Item, run_checks
from openwatt.settings import Settings
from tests.chaos.running import REPOSITORY
from tests.doctor.stand_ins import StandIn
from tests.doctor.whole_stack import WholeStack
from tests.ops.monitoring import needs_monitoring
from tests.redis_server import needs_redis

#: What a server answers to whatever it is get_data, always with 200.
ANSWERS = {
    "an empty object": b"{}",
    "another program's JSON": b'{"status": "success", "database": "ok", "version": "2.1", "id": "1", "data": '
    b'{"version": 2, "groups": [{"name": "a"}], "resultType": "list", "result": "none"}, "results": {"a": 1}'
    b', "hits": {"total": 0}, "config": {"original": "name: a"}, "versionInfo": {"version": "1"}, '
    b'"dashboard": {"title": "Another"}, "uid": "prometheus", "type": "loki", "url": "http://127.0.0.1:1", '
    b'"data_version": "1", "events": [{"message": "no JSON"}]}',
    "a list": b'[{"labels": {}}]',
    "HTML": b'<!doctype html>\n<title>Welcome to nginx!</title>\n<h1>It works: "alive"</h1>\n',
    "nothing": b"",
}
#: Items that ask no other program, so that none can lie to them.
OF_THIS_MACHINE = {"settings", "secrets", "backup", "runbook", "rotation", "disk"}
#: It takes the time of whatever server answers, and leaves to the others who that is.
OF_ANY_SERVER = {"clock"}


class Impostor(StandIn):
    """Gives one answer to every question, and repeats the id of a request as OpenWatt does."""

    def __init__(self) -> None:
        self.body = b"{}"
        self.connected = self.answered = 0
        super().__init__()
        accept = self._server.get_request

        def counting() -> Any:
            self.connected += 1
            return accept()

        self._server.get_request = counting  # type: ignore[method-assign]

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        del path, body
        self.answered += 1
        kind = "text/html" if self.body.startswith(b"<") else "application/json"
        made = {name: value for name, value in headers.items() if name.lower() == "x-request-id"}
        return 200, {"Content-Type": kind, **made}, self.body


@pytest.fixture
def impostor() -> Iterator[Impostor]:
    made = Impostor()
    yield made
    made.close()


def settings_of(impostor: Impostor, folder: Path) -> Settings:
    """Every server that a setting can name is the impostor."""
    address = impostor.url.removeprefix("http://")
    log = folder / "api.log"
    log.write_bytes(impostor.body)
    return Settings(
        environment="production",
        database_url=f"postgresql://openwatt@{address}/openwatt",
        redis_url=f"redis://{address}/0",
        prometheus_url=impostor.url,
        alertmanager_url=impostor.url,
        grafana_url=impostor.url,
        elasticsearch_url=impostor.url,
        logstash_url=f"tcp://{address}",
        sentry_dsn=f"http://key@{address}/1",
        sentry_url=impostor.url,
        sentry_token="token",  # noqa: S106 - of nobody
        cloudwatch_log_group="/aws/openwatt/api",
        log_file=log,
        backup_dir=folder,
    )


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_an_item_that_asks_a_server_believes_nobody_who_merely_answers(
    item: Item, impostor: Impostor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    aws = tmp_path / "aws"
    aws.write_text(f'#!/bin/sh\n: > "{ran}"\ncat "{tmp_path}/answer"\n')
    aws.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    scheme = "https" if item.name == "tls" else "http"
    asked: set[str] = set()
    found: dict[str, CheckResult] = {}
    with HttpProbe() as http:
        for name, body in ANSWERS.items():
            impostor.body = body
            impostor.connected = impostor.answered = 0
            (tmp_path / "answer").write_bytes(body)
            context = CheckContext(
                settings=settings_of(impostor, tmp_path),
                environ={},
                http=http,
                url=impostor.url.replace("http", scheme),
                metrics_url=f"{impostor.url}/metrics",
                ops=REPOSITORY / "ops",
                timeout_s=0.3,
            )
            (found[name],) = run_checks(context, [replace(item, needs=())])
            if impostor.connected or impostor.answered or ran.exists():
                asked.add(name)
            if not (impostor.answered or ran.exists()) or item.name in OF_ANY_SERVER:
                break  # who speaks another protocol than HTTP gets none of the answers
    if item.name in OF_THIS_MACHINE:
        assert asked == set()
    elif item.name not in OF_ANY_SERVER:
        assert asked == found.keys()
        for name, finding in found.items():
            assert finding.status == "failed", (name, finding)
            assert finding.remedy, (name, finding)
            assert not finding.message.startswith("the check itself broke"), (name, finding)


class NotingAsker(HttpProbe):
    """Notes which items ask a server: each is looked at in a thread of its name."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.items: set[str] = set()

    def request(self, url: str, path: str = "", **how: Any) -> Any:
        if url.startswith(self.url):
            name = threading.current_thread().name
            self.items.add(name.removeprefix("doctor-").removesuffix("-check"))
        return super().request(url, path, **how)


#: What names a server → the items that must be among those that ask it.
SERVERS = {
    "url": {"service", "ready", "metrics", "metrics-process", "shipping", "limits"},
    "metrics_url": {"metrics-process"},
    "PROMETHEUS_URL": {"prometheus", "scrape", "rules", "alertmanager", "watchdog", "baseline", "panels"},
    "ALERTMANAGER_URL": {"alertmanager", "notifications", "watchdog"},
    "GRAFANA_URL": {"grafana", "dashboards"},
    "ELASTICSEARCH_URL": {"elasticsearch"},
    "SENTRY_DSN": {"sentry"},
    "SENTRY_URL": {"sentry"},
}
#: The first answer in the short form.
EACH_ANSWER = [
    pytest.param(name, marks=[pytest.mark.slow] if number else []) for number, name in enumerate(ANSWERS)
]


def test_every_server_that_a_setting_names_is_one_that_may_be_another() -> None:
    named = {each.name for each in fields(Settings) if each.name.endswith(("_url", "_dsn"))}
    not_http = {"database_url", "redis_url", "logstash_url"}
    assert named - not_http == {name.lower() for name in SERVERS} - {"url", "metrics_url"}


@needs_redis
@needs_monitoring
@pytest.mark.parametrize(
    "name", ["an empty object", *(pytest.param(n, marks=pytest.mark.slow) for n in list(ANSWERS)[1:])]
)
@pytest.mark.parametrize("which", SERVERS)
def test_where_one_server_is_another_whatever_asks_it_fails_though_all_others_are_well(
    stack: WholeStack, impostor: Impostor, which: str, name: str
) -> None:
    impostor.body = ANSWERS[name]
    url = impostor.url.replace("//", "//key@") + "/1" if which == "SENTRY_DSN" else impostor.url
    changes = {which: url} if which in {"url", "metrics_url"} else {}
    with (
        NotingAsker(impostor.url) as http,
        stack.context({} if changes else {which: url}, **changes, http=http, timeout_s=0.5) as context,
    ):
        items = [replace(item, needs=()) for item in ITEMS]
        found = {finding.item: finding for finding in run_checks(context, items)}
    assert SERVERS[which] <= http.items
    believed = {item for item in http.items - OF_ANY_SERVER if found[item].status != "failed"}
    assert believed == set()
    assert all(found[item].remedy for item in http.items - OF_ANY_SERVER)
