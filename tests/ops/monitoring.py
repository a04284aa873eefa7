"""Real Prometheus, Alertmanager and blackbox exporter on a real service, with the product's files hurried."""

import http.server
import json
import shutil
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ops.monitoring import PROGRAMS, Addresses, Stack
from tests.chaos.running import PATIENCE_S, Service, free_port, wait_until
from tests.programs import needs_program

#: How many times shorter every interval and `for` of the files is made: 15 s become 1 s, 1 m becomes 3 s.
HURRY = 20

needs_monitoring = needs_program(
    *(program.called[0] for program in PROGRAMS if program.package and program.binary() is None)
)


class Receiver:
    """A program on the loopback interface that gets what Alertmanager sends."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        """Every message, as Alertmanager (or it for Slack) writes it, with the `path` it was sent to."""
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.messages.append({"path": self.path, **json.loads(body)})
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def told(self, alert: str, status: str = "firing") -> list[dict[str, Any]]:
        """What arrived about an alert in a status, each alert by itself: labels, annotations, times."""
        return [
            each
            for message in list(self.messages)
            for each in message.get("alerts", [])
            if each["labels"]["alertname"] == alert and each["status"] == status
        ]

    def close(self) -> None:
        """Ends the program."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Monitoring:
    """What can be asked of the running programs."""

    def __init__(self, stack: Stack, receiver: Receiver) -> None:
        self.stack = stack
        self.receiver = receiver
        self.prometheus_url = f"http://{stack.addresses.prometheus}"
        self.alertmanager_url = f"http://{stack.addresses.alertmanager}"

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of Prometheus's interface; an assertion fails where it refuses."""
        url = f"{self.prometheus_url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310  loopback
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series that an expression gives now."""
        found = self.ask("query", query=expression)
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(each["metric"], float(each["value"][1])) for each in found["result"]]

    def query_range(self, expression: str, seconds: float = 60, step: float = 1) -> list[dict[str, Any]]:
        """The series of an expression over the last seconds: what a panel draws."""
        now = time.time()
        found = self.ask(
            "query_range", query=expression, start=str(now - seconds), end=str(now), step=str(step)
        )
        return list(found["result"])

    def value(self, expression: str) -> float | None:
        """The value of an expression that gives one series; None while it gives none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def targets(self) -> dict[tuple[str, str], str]:
        """Job and instance of every target, and its health: `up`, `down` or `unknown`."""
        return {
            (each["labels"]["job"], each["labels"]["instance"]): each["health"]
            for each in self.ask("targets", state="active")["activeTargets"]
        }

    def all_up(self) -> bool:
        """Whether every target was scraped with success."""
        return set(self.targets().values()) == {"up"}

    def firing(self) -> set[str]:
        """Names of the alerts that fire in Prometheus."""
        return {
            each["labels"]["alertname"] for each in self.ask("alerts")["alerts"] if each["state"] == "firing"
        }

    def suppressed(self) -> set[str]:
        """Names of the alerts that Alertmanager has and tells nobody, for another inhibits them."""
        url = f"{self.alertmanager_url}/api/v2/alerts?active=false&inhibited=true&silenced=false"
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310  loopback
            return {each["labels"]["alertname"] for each in json.load(answer)}

    def wait_for(self, alert: str, status: str = "firing", seconds: float = PATIENCE_S) -> dict[str, Any]:
        """The first message about an alert in a status, as soon as it has arrived."""
        return wait_until(lambda: self.receiver.told(alert, status), seconds)[0]


@contextmanager
def monitoring(
    service: Service, *, hurry: int = HURRY, secrets: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Monitoring]:
    """Prometheus, Alertmanager, blackbox exporter and `openwatt metrics` on a service, all targets up.

    Every receiver of the product's configuration that is a webhook sends to `receiver`: pages,
    tickets and the heartbeat; so does each further secret, whose value is a path. They end with the
    block, by their pids.
    """
    receiver = Receiver()
    folder = service.home.folder / "monitoring"
    kept = folder / "secrets"
    kept.mkdir(parents=True)
    for name, path in {"webhook_url": "/alerts", "heartbeat_url": "/heartbeat", **secrets}.items():
        (kept / name).write_text(receiver.url + path)
    stack = Stack(
        folder=folder,
        addresses=Addresses(
            api=f"127.0.0.1:{service.port}",
            **{program.name: f"127.0.0.1:{free_port()}" for program in PROGRAMS},
        ),
        secrets=kept,
        hurry=hurry,
        notify_hurry=hurry * 15,
        environment=service.home.environment(OPENWATT_BIND=f"127.0.0.1:{service.port}"),
    )
    try:
        stack.up()
        running = Monitoring(stack, receiver)
        wait_until(running.all_up)
        yield running
    finally:
        stack.down()
        receiver.close()
        _forget(folder)


def _forget(folder: Path) -> None:
    """Removes the data, which a test's home would keep until its end."""
    shutil.rmtree(folder)
