"""Sentry's alert rules set over HTTP, on a model of the endpoints that Sentry documents, not on Sentry."""

import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from openwatt.cli import main
from openwatt.sentry_alerts import SentryAlertsError, read_alert_file
from tests.ops.rule_files import OPS

FILE = OPS / "sentry" / "alerts.yaml"
TOKEN = "sntrys_" + "0" * 40
ERRORS, RATE = "OpenWatt: more than 10 errors in 1 minute", "OpenWatt: error rate over 5 %"
#: What "Create a Metric Alert Rule for an Organization" calls required, and the kinds of action it knows.
REQUIRED = {"name", "aggregate", "timeWindow", "projects", "query", "thresholdType", "triggers"}
TARGETS = {"email": {"user", "team"}, "slack": {"specific"}, "pagerduty": {"specific"}}


class SentryModel:
    """Organizations, projects, teams, integrations and metric alert rules; a page of a list holds one."""

    def __init__(self) -> None:
        self.rules: list[dict[str, Any]] = []
        self.integrations = [
            {"id": "8", "status": "active", "provider": {"key": "slack"}},
            {
                "id": "9",
                "status": "active",
                "provider": {"key": "pagerduty"},
                "configData": {"service_table": [{"id": 77, "service": "openwatt", "integration_key": "k"}]},
            },
        ]
        self.asked: list[tuple[str, str]] = []
        self.failing: dict[str, int] = {}
        """Status to answer with, by a piece of the path."""
        model = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(size)) if size else None
                url = urlsplit(self.path)
                if self.headers["Authorization"] != f"Bearer {TOKEN}":
                    status, told = 401, {"detail": "Invalid token"}
                else:
                    status, told = model.answer(self.command, url.path, url.query, body)
                self.send_response(status)
                if isinstance(told, list):
                    page = int((re.findall(r"cursor=(\d+)", url.query) or ["0"])[0])
                    more = "true" if page + 1 < len(told) else "false"
                    rest = "&".join(p for p in url.query.split("&") if p and not p.startswith("cursor"))
                    following = f"{model.url}{url.path}?{rest}&cursor={page + 1}"
                    self.send_header("Link", f'<{following}>; rel="next"; results="{more}"; cursor="x"')
                    told = told[page : page + 1]
                content = json.dumps(told).encode()
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = _answer  # noqa: N815  the library's names

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def answer(self, method: str, path: str, query: str, body: Any) -> tuple[int, Any]:
        """The status and content of an answer."""
        self.asked.append((method, path))
        for piece, status in self.failing.items():
            if piece in path:
                return status, {"detail": "as the test wants it"}
        provider = dict(part.split("=") for part in query.split("&") if part).get("providerKey")
        lists = {
            "/api/0/organizations/": [{"slug": "others"}, {"slug": "ours"}],
            "/api/0/organizations/others/projects/": [{"id": "1", "slug": "openwatt"}],
            "/api/0/organizations/ours/projects/": [{"id": "2", "slug": "web"}, {"id": "456", "slug": "api"}],
            "/api/0/organizations/ours/teams/": [
                {"id": "41", "slug": "night"},
                {"id": "42", "slug": "openwatt"},
            ],
            "/api/0/organizations/ours/integrations/": [
                each for each in self.integrations if each["provider"] == {"key": provider}
            ],
            "/api/0/organizations/ours/alert-rules/": self.rules,
        }
        rule = re.fullmatch(r"/api/0/organizations/ours/alert-rules/(\d+)/", path)
        if method == "GET" and path in lists:
            return 200, lists[path]
        if method == "POST" and path == "/api/0/organizations/ours/alert-rules/":
            faults = self._faults(body)
            if faults:
                return 400, faults
            self.rules.append(self._kept(str(len(self.rules) + 1), body))
            return 201, self.rules[-1]
        if method == "PUT" and rule:
            self.rules = [
                self._kept(each["id"], body) if each["id"] == rule[1] else each for each in self.rules
            ]
            return 200, body
        return 404, {"detail": "The requested resource does not exist"}

    @staticmethod
    def _faults(body: dict[str, Any]) -> dict[str, str]:
        faults = dict.fromkeys(REQUIRED - set(body), "This field is required.")
        for trigger in body.get("triggers", []):
            for action in trigger["actions"]:
                if action["targetType"] not in TARGETS[action["type"]]:
                    faults["actions"] = "Invalid target type"
        return faults

    @staticmethod
    def _kept(number: str, body: dict[str, Any]) -> dict[str, Any]:
        """As Sentry tells a rule: ids, a channel's number in place of its name, no event types in lists."""
        kept: dict[str, Any] = json.loads(json.dumps(body)) | {
            "id": number,
            "dateCreated": "2026-11-22T00:00:00Z",
        }
        del kept["eventTypes"]
        for trigger in kept["triggers"]:
            trigger |= {"id": "7", "alertThreshold": float(trigger["alertThreshold"])}
            for action in trigger["actions"]:
                action["inputChannelId"] = None
                if action["type"] == "slack":
                    action |= {"inputChannelId": action["targetIdentifier"], "targetIdentifier": "C0304"}
        return kept

    def written(self) -> list[str]:
        """The methods of the requests that change something."""
        return [method for method, _ in self.asked if method != "GET"]

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def sentry() -> Iterator[SentryModel]:
    model = SentryModel()
    yield model
    model.close()


Apply = Callable[..., Result]


@pytest.fixture
def apply(sentry: SentryModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Apply:
    """`openwatt sentry-alerts` on the model."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **settings: str) -> Result:
        environment = {
            "OPENWATT_SENTRY_URL": sentry.url,
            "OPENWATT_SENTRY_TOKEN": TOKEN,
            "OPENWATT_SENTRY_DSN": "https://key@o1.ingest.sentry.io/456",
            "OPENWATT_SENTRY_TRACES_SAMPLE_RATE": "0.1",
            **settings,
        }
        return CliRunner().invoke(main, ["sentry-alerts", "--file", str(FILE), *arguments], env=environment)

    return run


def test_the_two_rules_of_the_guide_are_created_in_the_project_of_the_dsn(
    apply: Apply, sentry: SentryModel
) -> None:
    done = apply()
    assert (done.exit_code, done.stdout) == (0, f"{ERRORS}: created\n{RATE}: created\n"), done.output
    errors, rate = sentry.rules
    assert errors["projects"] == rate["projects"] == ["api"]
    asked = {name: errors[name] for name in ("aggregate", "dataset", "queryType", "timeWindow")}
    assert asked == {"aggregate": "count()", "dataset": "events", "queryType": 0, "timeWindow": 1}
    (trigger,) = errors["triggers"]
    assert (trigger["alertThreshold"], errors["thresholdType"]) == (10, 0)  # 0: above
    told = [
        (action["type"], action["targetIdentifier"], action["integrationId"]) for action in trigger["actions"]
    ]
    assert told == [("email", "42", None), ("slack", "C0304", "8")]
    asked = {name: rate[name] for name in ("aggregate", "dataset", "queryType")}
    assert asked == {"aggregate": "failure_rate()", "dataset": "transactions", "queryType": 1}
    (trigger,) = rate["triggers"]
    assert trigger["alertThreshold"] == 0.05
    assert [(action["type"], action["targetIdentifier"]) for action in trigger["actions"]] == [
        ("pagerduty", "77")
    ]


def test_a_second_time_nothing_is_changed(apply: Apply, sentry: SentryModel) -> None:
    apply()
    sentry.asked.clear()
    assert apply().stdout == f"{ERRORS}: unchanged\n{RATE}: unchanged\n"
    assert sentry.asked
    assert sentry.written() == []


def test_what_somebody_changed_by_hand_is_set_right_and_other_rules_are_left_alone(
    apply: Apply, sentry: SentryModel
) -> None:
    apply()
    sentry.rules[0]["triggers"][0]["alertThreshold"] = 500.0
    sentry.rules.append(sentry.rules[1] | {"id": "99", "name": "somebody's own"})
    sentry.rules.append(sentry.rules[1] | {"id": "98", "projects": ["web"], "timeWindow": 60})
    sentry.asked.clear()
    assert apply().stdout == f"{ERRORS}: updated\n{RATE}: unchanged\n"
    assert sentry.written() == ["PUT"]
    assert sentry.rules[0]["triggers"][0]["alertThreshold"] == 10
    assert [rule["id"] for rule in sentry.rules] == ["1", "2", "99", "98"]


def test_a_dry_run_changes_nothing(apply: Apply, sentry: SentryModel) -> None:
    assert f"{ERRORS}: would be created\n" in apply("--dry-run").stdout
    assert sentry.written() == []
    assert sentry.rules == []


def test_a_receiver_that_sentry_does_not_have_is_left_out_and_named(
    apply: Apply, sentry: SentryModel
) -> None:
    sentry.integrations[0]["status"] = "disabled"
    sentry.integrations[1]["configData"] = {"service_table": [{"id": 5, "service": "another"}]}
    said = apply().stdout
    assert "slack is left out: no integration of slack" in said
    assert "pagerduty is left out: no service openwatt in its integration" in said
    assert [action["type"] for rule in sentry.rules for action in rule["triggers"][0]["actions"]] == ["email"]


def test_a_rule_that_can_never_fire_is_told(apply: Apply) -> None:
    assert (
        "it never fires while OPENWATT_SENTRY_TRACES_SAMPLE_RATE is 0"
        in apply(OPENWATT_SENTRY_TRACES_SAMPLE_RATE="0").stdout
    )


@pytest.mark.parametrize(
    ("failing", "settings", "sentence"),
    [
        ({}, {"OPENWATT_SENTRY_TOKEN": "wrong"}, "refuses OPENWATT_SENTRY_TOKEN (401): it needs the scopes"),
        ({"alert-rules": 403}, {}, "Sentry refuses OPENWATT_SENTRY_TOKEN (403)"),
        ({"alert-rules": 404}, {}, "Bugsink has no alert rules, nor have Sentry's plans"),
        ({"teams": 502}, {}, "Sentry answers 502"),
        ({}, {"OPENWATT_SENTRY_DSN": "https://key@o1.ingest.sentry.io/457"}, "the token sees no project 457"),
        (
            {},
            {"OPENWATT_SENTRY_DSN": "https://key@o1.ingest.sentry.io/"},
            "the number of the project at its end",
        ),
        ({}, {"OPENWATT_SENTRY_URL": "http://127.0.0.1:1"}, "Sentry does not answer at OPENWATT_SENTRY_URL"),
        ({}, {"OPENWATT_SENTRY_TOKEN": ""}, "set OPENWATT_SENTRY_URL (https://sentry.io)"),
    ],
)
def test_what_hinders_is_a_sentence_that_names_the_remedy(
    apply: Apply, sentry: SentryModel, failing: dict[str, int], settings: dict[str, str], sentence: str
) -> None:
    sentry.failing = failing
    done = apply(**settings)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert sentry.written() == []


def test_the_shipped_rules_are_those_of_the_guide() -> None:
    errors, rate = read_alert_file(FILE).rules
    assert (errors.above, errors.minutes, errors.receivers) == (10, 1, ("email", "slack"))
    assert (rate.above, rate.receivers) == (0.05, ("pagerduty",))


@pytest.mark.parametrize(
    "text", ["rules: []", "receivers: {}\nrules: [{name: x}]", "[", "receivers: {email: 3}\nrules: []"]
)
def test_a_file_that_is_not_as_it_must_be_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    with pytest.raises(SentryAlertsError, match="cannot be used"):
        read_alert_file(path)


def test_a_rule_for_an_unknown_receiver_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(FILE.read_text("utf-8").replace("tell: [pagerduty]", "tell: [pigeon]"))
    with pytest.raises(SentryAlertsError, match="a receiver that is not known"):
        read_alert_file(path)
