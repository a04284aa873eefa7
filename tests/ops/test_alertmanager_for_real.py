"""A real Alertmanager with the product's configuration: every way is used, and what is inhibited is not."""

import datetime as dt
import json
import socketserver
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from email import message_from_string
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.monitoring import PROGRAMS, render_alertmanager
from tests.chaos.running import free_port, wait_until
from tests.ops.monitoring import Receiver, needs_monitoring

pytestmark = needs_monitoring


class MailServer:
    """A server that takes mail: as much of SMTP as a sender needs."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        mails = self.mails

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 ready\r\n")
                while line := self.rfile.readline().strip().upper():
                    if line.startswith(b"DATA"):
                        self.wfile.write(b"354 go on\r\n")
                        text = b""
                        while (part := self.rfile.readline()) != b".\r\n":
                            text += part
                        mails.append(message_from_string(text.decode()))
                    self.wfile.write(b"221 bye\r\n" if line == b"QUIT" else b"250 ok\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Alertmanager:
    """The program, its receivers on this machine, and alerts given to it as Prometheus gives them."""

    def __init__(self, folder: Path) -> None:
        self.receiver, self.mail = Receiver(), MailServer()
        secrets = folder / "secrets"
        secrets.mkdir()
        for name, value in {
            "webhook_url": f"{self.receiver.url}/webhook",
            "heartbeat_url": f"{self.receiver.url}/heartbeat",
            "slack_api_url": f"{self.receiver.url}/slack",
            "pagerduty_routing_key": "0123456789",
            "smtp_smarthost": self.mail.address,
            "smtp_from": "openwatt@example.org",
            "smtp_to": "night@example.org",
            "smtp_require_tls": "false",
        }.items():
            (secrets / name).write_text(value)
        assert render_alertmanager(folder, secrets=secrets, hurry=300) == {}
        config = folder / "alertmanager.yml"
        read = yaml.safe_load(config.read_text("utf-8"))
        read["global"]["pagerduty_url"] = f"{self.receiver.url}/pagerduty"  # in place of PagerDuty's own
        config.write_text(yaml.safe_dump(read), "utf-8")
        (program,) = (each for each in PROGRAMS if each.name == "alertmanager")
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                str(program.binary()),
                f"--config.file={config}",
                f"--storage.path={folder}/data",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--cluster.listen-address=",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def ask(self, path: str, body: Any = None) -> Any:
        """An answer of its interface."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})  # noqa: S310  loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  the same
            content = answer.read()
        return json.loads(content) if content else None

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self.ask("/api/v2/status"))
        except OSError:
            return False

    def give(self, *alerts: dict[str, str]) -> None:
        """Alerts that begin now, by their labels."""
        now = dt.datetime.now(dt.UTC)
        self.ask(
            "/api/v2/alerts",
            [
                {
                    "labels": {"environment": "production", **labels},
                    "annotations": {
                        "summary": f"résumé de {labels['alertname']}",
                        "description": "ce qui se passe",
                        "runbook_url": f"ops/runbook.md#{labels['alertname'].lower()}",
                        "dashboard_url": "http://127.0.0.1:3001/d/openwatt-overview",
                    },
                    "startsAt": now.isoformat(),
                    "endsAt": (now + dt.timedelta(minutes=5)).isoformat(),
                }
                for labels in alerts
            ],
        )

    def told(self, path: str) -> list[dict[str, Any]]:
        """What arrived at a path of the receiver."""
        return [message for message in list(self.receiver.messages) if message["path"] == path]

    def names(self) -> set[tuple[str, str]]:
        """Name and environment of every alert that the webhook was told of."""
        return {
            (each["labels"]["alertname"], each["labels"]["environment"])
            for message in self.told("/webhook")
            for each in message["alerts"]
        }

    def close(self) -> None:
        """Ends it and its receivers."""
        self._process.terminate()
        self._process.wait(20)
        self._log.close()
        self.receiver.close()
        self.mail.close()


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    running = Alertmanager(tmp_path)
    wait_until(running.ready)
    yield running
    running.close()


def test_a_page_goes_every_way_and_says_what_to_do(alertmanager: Alertmanager) -> None:
    alertmanager.give({"alertname": "HighLatency", "severity": "page"})
    wait_until(lambda: alertmanager.told("/webhook") and alertmanager.mail.mails)
    (slack,) = wait_until(lambda: alertmanager.told("/slack"))[0]["attachments"]
    pager = wait_until(lambda: alertmanager.told("/pagerduty"))[0]
    mail = alertmanager.mail.mails[0]
    title = "[ALERTE 1] HighLatency (production) : résumé de HighLatency"
    assert slack["title"] == title
    assert pager["payload"]["summary"] == title
    assert (pager["routing_key"], pager["event_action"]) == ("0123456789", "trigger")
    assert pager["payload"]["severity"] == "critical"
    assert str(make_header(decode_header(mail["Subject"]))) == title
    assert (mail["From"], mail["To"]) == ("openwatt@example.org", "night@example.org")
    parts = [part for part in mail.walk() if part.get_content_type() == "text/plain"]
    written = bytes(parts[0].get_payload(decode=True)).decode()
    for text in (slack["text"], pager["payload"]["custom_details"]["alerts"], written):
        assert "ce qui se passe" in text
        assert "Que faire : ops/runbook.md#highlatency" in text
        assert "Tableau de bord : http://127.0.0.1:3001/d/openwatt-overview" in text


def test_a_ticket_wakes_nobody_and_the_heartbeat_goes_only_to_its_own_address(
    alertmanager: Alertmanager,
) -> None:
    alertmanager.give(
        {"alertname": "BackupStale", "severity": "ticket"}, {"alertname": "Watchdog", "severity": "heartbeat"}
    )
    wait_until(lambda: alertmanager.told("/webhook") and alertmanager.told("/slack"))
    wait_until(lambda: alertmanager.told("/heartbeat") and alertmanager.mail.mails)
    assert alertmanager.told("/pagerduty") == []
    assert alertmanager.names() == {("BackupStale", "production")}


def test_what_follows_from_another_alert_is_not_told(alertmanager: Alertmanager) -> None:
    causes = [
        {"alertname": "ServiceDown", "severity": "page"},
        {"alertname": "ServiceNotReady", "severity": "page", "environment": "staging"},
        {
            "alertname": "AvailabilityBurnsFast",
            "severity": "page",
            "objective": "availability",
            "environment": "test",
        },
    ]
    follow = [
        {"alertname": "HighErrorRate", "severity": "page"},
        {"alertname": "IngestionStale", "severity": "ticket", "source": "edf"},
        {"alertname": "HighErrorRate", "severity": "page", "environment": "staging"},
        {
            "alertname": "ErrorBudgetLow",
            "severity": "ticket",
            "objective": "availability",
            "environment": "test",
        },
    ]
    free = [
        {"alertname": "HighLatency", "severity": "page", "environment": "staging"},
        {"alertname": "IngestionStale", "severity": "ticket", "source": "edf", "environment": "test"},
        {
            "alertname": "LatencyBurnsSlowly",
            "severity": "ticket",
            "objective": "latency",
            "environment": "test",
        },
    ]
    alertmanager.give(*causes, *follow, *free)
    told = {(each["alertname"], each.get("environment", "production")) for each in causes + free}
    wait_until(lambda: alertmanager.names() >= told)
    silent = alertmanager.ask("/api/v2/alerts?active=false&inhibited=true&silenced=false")
    held = {(each["labels"]["alertname"], each["labels"]["environment"]) for each in silent}
    assert held == {(each["alertname"], each.get("environment", "production")) for each in follow}
    assert alertmanager.names() == told
