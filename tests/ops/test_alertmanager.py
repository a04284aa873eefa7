"""Who is told of what: Alertmanager's own tool on the rendered configuration."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.monitoring import render_alertmanager
from tests.ops.rule_files import OPS, alerts
from tests.programs import needs_program

pytestmark = needs_program("amtool")

SECRETS = {
    "slack_api_url": "https://hooks.slack.com/services/T0/B0/x",
    "slack_channel": "#openwatt",
    "pagerduty_routing_key": "0123456789",
    "smtp_smarthost": "mail.example.org:587",
    "smtp_from": "openwatt@example.org",
    "smtp_to": "night@example.org",
    "smtp_username": "openwatt",
    "smtp_password": "mailpassword",
    "smtp_require_tls": "true",
    "webhook_url": "http://127.0.0.1:5001/alerts",
    "heartbeat_url": "https://hc-ping.example.org/1",
}


def rendered(folder: Path, *without: str, hurry: int = 1) -> tuple[Path, dict[str, list[str]]]:
    """The configuration with all secrets but some."""
    secrets = folder / "secrets"
    secrets.mkdir()
    for name, value in SECRETS.items():
        if name not in without:
            (secrets / name).write_text(value + "\n")
    left_out = render_alertmanager(folder, secrets=secrets, hurry=hurry)
    return folder / "alertmanager.yml", left_out


def amtool(*arguments: str | Path) -> str:
    done = subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ways(config: Path) -> dict[str, set[str]]:
    """By which ways each receiver is told."""
    read: dict[str, Any] = yaml.safe_load(config.read_text("utf-8"))
    return {
        receiver["name"]: {name.removesuffix("_configs") for name, value in receiver.items() if value}
        - {"name"}
        for receiver in read["receivers"]
    }


@pytest.mark.parametrize(
    "without",
    [
        (),
        tuple(SECRETS),
        ("slack_api_url",),
        ("pagerduty_routing_key",),
        ("smtp_to",),
        ("webhook_url", "heartbeat_url"),
        ("smtp_username", "smtp_password", "smtp_require_tls", "slack_channel"),
    ],
    ids=["all", "none", "no Slack", "no PagerDuty", "no mail", "no webhook", "what is optional"],
)
@pytest.mark.parametrize("hurry", [1, 300])
def test_alertmanager_accepts_its_configuration_with_whatever_secrets_there_are(
    tmp_path: Path, without: tuple[str, ...], hurry: int
) -> None:
    config, _ = rendered(tmp_path, *without, hurry=hurry)
    said = amtool("check-config", config)
    assert "3 receivers" in said
    assert "1 templates" in said
    assert "${" not in config.read_text("utf-8")
    assert config.stat().st_mode & 0o077 == 0  # addresses in it are secrets


def test_with_every_secret_every_way_is_used(tmp_path: Path) -> None:
    config, left_out = rendered(tmp_path)
    assert left_out == {}
    assert ways(config) == {
        "page": {"pagerduty", "slack", "email", "webhook"},
        "ticket": {"slack", "email", "webhook"},
        "heartbeat": {"webhook"},
    }
    text = config.read_text("utf-8")
    assert f"routing_key_file: {tmp_path}/secrets/pagerduty_routing_key" in text
    for secret in ("pagerduty_routing_key", "slack_api_url", "smtp_password"):
        assert SECRETS[secret] not in text  # Alertmanager reads it where it is
    assert "require_tls: true" in text


def test_what_misses_a_secret_is_left_out_and_named(tmp_path: Path) -> None:
    config, left_out = rendered(tmp_path, "smtp_to", "pagerduty_routing_key", "heartbeat_url")
    assert left_out == {
        "page: pagerduty": ["pagerduty_routing_key"],
        "page: email": ["smtp_to"],
        "ticket: email": ["smtp_to"],
        "heartbeat: webhook": ["heartbeat_url"],
    }
    assert ways(config) == {"page": {"slack", "webhook"}, "ticket": {"slack", "webhook"}, "heartbeat": set()}


def test_an_empty_secret_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / "slack_api_url").write_text("\n")
    assert "slack_api_url" in render_alertmanager(tmp_path / "out", secrets=tmp_path)["page: slack"]


def test_every_alert_goes_where_its_severity_says(tmp_path: Path) -> None:
    config, _ = rendered(tmp_path)
    of_severity = {rule["labels"]["severity"]: rule for rule in alerts().values()}
    assert set(of_severity) == {"page", "ticket", "heartbeat"}
    for severity, rule in of_severity.items():
        labels = [f"{name}={value}" for name, value in {"alertname": rule["alert"], **rule["labels"]}.items()]
        said = amtool("config", "routes", "test", f"--config.file={config}", *labels)
        assert said.split() == [severity]


def test_a_severity_that_nobody_thought_of_is_not_lost(tmp_path: Path) -> None:
    config, _ = rendered(tmp_path)
    assert amtool("config", "routes", "test", f"--config.file={config}", "severity=odd").split() == ["ticket"]


def test_the_guides_pages_wake_somebody() -> None:
    for name in ("ServiceDown", "HighErrorRate", "HighLatency"):
        assert alerts()[name]["labels"]["severity"] == "page"


def test_every_secret_is_explained() -> None:
    explained = (OPS / "alertmanager" / "secrets" / "README.md").read_text("utf-8")
    for name in SECRETS:
        assert f"`{name}`" in explained
