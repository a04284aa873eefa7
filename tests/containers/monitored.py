"""What is shown of the monitoring stack beside the service: targets, rules, dashboards, doctor, one drill."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from openwatt import __version__
from ops.monitoring import Addresses, Stack
from tests.background import threads
from tests.containers.place import ALERTMANAGER, API, PROMETHEUS, Place, get, must, wait_for
from tests.ops.busy_service import PATHS, RUNS
from tests.ops.grafana import DASHBOARDS, View, loaded, queries
from tests.ops.monitoring import Monitoring, Receiver
from tests.ops.rule_files import alerts, recorded
from tests.ops.test_dashboards_for_real import Reader

RECEIVER = "openwatt-prove-receiver"
#: A webhook, a heartbeat and a Logstash beside the stacks: it prints the path and the body of each message.
_RECEIVES = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith(("/alerts", "/heartbeat")):
            print(self.path, body.decode(), flush=True)
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
#: The product's own intervals: a scrape every 15 s.
VIEW = View(span_s=900, step_s=15, scrape_s=15)
#: The group_interval of tickets in ops/alertmanager/alertmanager.yml: a change of a group is sent that late.
GROUP_INTERVAL_S = 300
#: What only goes wrong on a stack without the internet, Grafana and a Sentry; with real images less does.
EXPECTED_RED = {"settings", "sources", "backup"}
GRAFANA_STAND_IN_RED = {"grafana", "dashboards"}
Shown = Iterator[str]


def prepare(place: Place) -> None:
    """A receiver in the stacks' network gets the notifications, the heartbeat and the shipped log."""
    secrets = place.folder / "ops/alertmanager/secrets"
    for name in ("webhook_url", "heartbeat_url"):
        path = {"webhook_url": "alerts", "heartbeat_url": "heartbeat"}[name]
        (secrets / name).write_text(f"http://{RECEIVER}:8080/{path}\n")
    (place.folder / ".env.production").write_text(
        f"OPENWATT_LOGSTASH_URL=http://{RECEIVER}:8080/logs\nOPENWATT_LIMIT_PAGES=60/minute\n"
    )
    place.engine(
        *("run", "--detach", "--name", RECEIVER, "--network", "openwatt", "--entrypoint", "python"),
        *(f"openwatt:{__version__}", "-c", _RECEIVES),
    )


def received(place: Place, path: str) -> list[dict[str, Any]]:
    """The messages that a path of the receiver got."""
    lines = place.engine("logs", RECEIVER).splitlines()
    return [json.loads(line.split(" ", 1)[1]) for line in lines if line.startswith(f"{path} ")]


def watched() -> Monitoring:
    """A client of the stacks' Prometheus and Alertmanager."""
    addresses = Addresses(
        api=f"127.0.0.1:{API}", prometheus=f"127.0.0.1:{PROMETHEUS}", alertmanager=f"127.0.0.1:{ALERTMANAGER}"
    )
    receiver = Receiver()
    receiver.close()  # alerts go to the container instead
    return Monitoring(Stack(folder=Path(), addresses=addresses, secrets=Path()), receiver)


@contextmanager
def traffic() -> Iterator[None]:
    """Some requests a second for the length of a block, some of them refused."""

    def send(number: int, stopped: threading.Event) -> None:
        turn = 0
        while not stopped.wait(0.3):
            turn += 1
            get(API, PATHS[number].format(day=1 + turn % 28))

    with threads(len(PATHS), send):
        yield


def starts(place: Place) -> Shown:
    """`make monitoring-up`, beside a service that runs."""
    began = time.monotonic()
    said = place.stack("up", "monitoring")
    yield f"ops/stack up monitoring: {time.monotonic() - began:.0f} s"
    must(place.all_healthy("monitoring"), "all is healthy")
    must("http://127.0.0.1:3001" in said, "the addresses are shown")


def watches(place: Place) -> Shown:
    """Every target is up, every rule of the files is loaded and healthy."""
    found = watched()
    wait_for(found.all_up, "every target is up")
    jobs = {job for job, _ in found.targets()}
    must(
        jobs == {"openwatt-api", "openwatt-metrics", "openwatt-probes", "prometheus", "alertmanager"},
        f"{jobs}",
    )
    yield f"{len(found.targets())} targets up, of {len(jobs)} jobs"

    def rules() -> dict[str, str]:
        groups = found.ask("rules")["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    must(set(rules()) == {*alerts(), *recorded()}, "the rules are those of the files")
    wait_for(lambda: set(rules().values()) == {"ok"}, "every rule is healthy")
    yield f"{len(rules())} rules, all healthy"
    wait_for(lambda: received(place, "/heartbeat"), "the heartbeat arrives")
    yield "the heartbeat has arrived at its address"


def is_examined(*, real: bool) -> Callable[[Place], Shown]:
    """`openwatt doctor` in the container: what is red is what this machine cannot have.

    It runs before the outage that the dashboards are to show, which would be most of the last hour.
    """

    def shown(place: Place) -> Shown:
        rate = 'rate(http_requests_total{route="/v1/tariffs",status="200"}[1h]) > 0'
        with traffic():
            wait_for(lambda: watched().query(rate), "the last hour has requests")
            findings = {each["item"]: each for each in place.openwatt("doctor")["findings"]}
        red = {name for name, each in findings.items() if each["status"] == "failed"}
        allowed = EXPECTED_RED | (set() if real else GRAFANA_STAND_IN_RED)
        must(red <= allowed, f"what is red can be nothing else: {[findings[name] for name in red - allowed]}")
        must(
            findings["baseline"]["status"] == "ok",
            f"the last hour is as it should be: {findings['baseline']}",
        )
        must(len([each for each in findings.values() if each["status"] == "ok"]) >= 17, "most is looked at")
        for name in sorted(red):
            yield f"red, as expected here: {name}: {findings[name]['says'][:100]}"
        yield f"{len(findings)} items: " + ", ".join(
            sorted(name for name, each in findings.items() if each["status"] == "ok")
        )

    return shown


def shows(place: Place) -> Shown:
    """No query of a dashboard is empty in the Prometheus that watches the stack."""
    for source, story in RUNS.items():
        for outcome, days_ago in story:
            _run(place, source, outcome, days_ago)
    found = watched()
    with traffic():
        name = "openwatt-postgres-1"
        wait_for(lambda: found.query('http_requests_total{route="/v1/tariffs"}'), "requests are counted")
        place.engine("pause", name)
        try:
            wait_for(
                lambda: get(API, "/v1/tariffs?option=TEMPO&on=2025-09-17")[0] >= 500,
                "an outage is answered 5xx",
            )
        finally:
            place.engine("unpause", name)
        wait_for(place.all_healthy, "all is healthy after the outage")
        _run(place, "edf_tarif_bleu", "published", 0)
        wait_for(lambda: get(API, "/nowhere")[0] == 429, "a client is refused")
        reader = Reader(found, VIEW)
        count = 0
        for path in DASHBOARDS:
            dashboard = loaded(path)
            count += len(list(queries(dashboard)))
            wait_for(
                lambda dashboard=dashboard: not empty(reader, dashboard),  # type: ignore[misc]
                f"every query of {path.stem} has an answer, unlike {_Empty(reader, dashboard)}",
                420,
            )
        yield f"{count} queries of {len(DASHBOARDS)} dashboards, none empty"


def empty(reader: Reader, dashboard: dict[str, object]) -> list[tuple[str, str]]:
    """Panel and query of what has no answer."""
    values = reader.choices(dashboard)[0]
    return [
        (panel["title"], target["expr"])
        for panel, target in queries(dashboard)
        if not reader.shown(target, values)
    ]


class _Empty:
    """Formats what is empty at the time of formatting, which is after a wait."""

    def __init__(self, reader: Reader, dashboard: dict[str, object]) -> None:
        self._find: Callable[[], object] = lambda: empty(reader, dashboard)

    def __format__(self, _: str) -> str:
        return str(self._find())


def _notified(place: Place, name: str, status: str) -> bool:
    """Whether the webhook got an alert in a status."""
    return any(
        (alert["labels"]["alertname"], alert["status"]) == (name, status)
        for message in received(place, "/alerts")
        for alert in message["alerts"]
    )


def _run(place: Place, source: str, outcome: str, days_ago: float) -> None:
    place.sql(
        "insert into runs (source, started_at, finished_at, outcome, detail) values "
        f"('{source}', now() - interval '{days_ago * 86400 + 1} s', now() - interval '{days_ago * 86400} s', "
        f"'{outcome}', '{{\"cadence_days\": 1}}')"
    )


def is_drilled(place: Place) -> Shown:
    """The switch, an error, and a drill from its fault to a webhook and to rest, at the usual pace."""
    code, said = place.try_stack("openwatt", "drill", "error", "--yes")
    must(code != 0 and "ops/stack drills on" in said, f"without the switch it says which: {said}")
    place.stack("drills", "on")
    for step in place.openwatt("drill", "error", "--yes"):
        must(step["status"] != "failed", f"{step}")
        yield f"{step['after_s']:6.1f} s {step['status']}: {step['says'][:90]}"
    with traffic():
        for step in place.openwatt("drill", "disk", "--yes", "--for", "25"):
            must(step["status"] != "failed", f"{step}")
            yield f"{step['after_s']:6.1f} s {step['status']}: {step['says'][:90]}"
    for status, seconds in (("firing", 180), ("resolved", GROUP_INTERVAL_S + 60)):
        began = time.monotonic()
        wait_for(
            partial(_notified, place, "MetricsIncomplete", status), f"the webhook gets {status}", seconds
        )
        yield f"the webhook has MetricsIncomplete {status}, after another {time.monotonic() - began:.0f} s"
    place.stack("drills", "off")
    must(get(API, "/v1/drills/error", method="POST")[0] == 404, "without the switch its routes do not exist")
