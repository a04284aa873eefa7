"""Prometheus's own tools on the product's rules, and whether every alert is tested in every way."""

import re
import subprocess
from pathlib import Path

import pytest

from ops.monitoring import hurried, render_prometheus
from tests.ops.rule_files import OPS, RULE_FILES, TEST_FILES, alerts, recorded, rules, seconds, unit_tests
from tests.programs import with_every

with_every_promtool = with_every("promtool")
#: A number in a message, and what it goes through.
SHOWN = re.compile(r"value\b[^}]*?\| *humanize(?:Percentage)?\b")


def output_of(promtool: Path, *arguments: str | Path) -> str:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@with_every_promtool
@pytest.mark.parametrize("targets", ["native", "containers"])
@pytest.mark.parametrize("hurry", [1, 20])
def test_prometheus_accepts_its_configuration(
    promtool: Path, tmp_path: Path, targets: str, hurry: int
) -> None:
    said = output_of(promtool, "check", "config", render_prometheus(tmp_path, targets=targets, hurry=hurry))
    assert f"{len(RULE_FILES)} rule files found" in said
    assert "does not exist" not in said  # a file of targets that is not there is only warned of


@with_every_promtool
def test_prometheus_accepts_the_example_of_remote_write_beside_its_configuration(
    promtool: Path, tmp_path: Path
) -> None:
    config = render_prometheus(tmp_path)
    example = (OPS / "prometheus" / "remote_write.example.yml").read_text("utf-8")
    config.write_text(f"{config.read_text('utf-8')}\n{example}", "utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "remote_write_password").touch()
    output_of(promtool, "check", "config", config)


@with_every_promtool
def test_prometheus_accepts_its_rules(promtool: Path) -> None:
    assert output_of(promtool, "check", "rules", *RULE_FILES).count("SUCCESS") == len(RULE_FILES)


@with_every_promtool
@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: file.stem)
def test_the_alerts_do_what_their_unit_tests_say(promtool: Path, file: Path) -> None:
    output_of(promtool, "test", "rules", file)


def test_a_number_in_a_message_is_rounded_before_it_is_written() -> None:
    """What a range gives differs in the fourth digit between versions of Prometheus, and helps nobody."""
    texts = [text for rule in alerts().values() for text in rule["annotations"].values()]
    shown = [match[0] for text in texts for match in SHOWN.finditer(text)]
    assert len(shown) > 20
    assert [each for each in shown if not re.search(r'\| *printf "%\.(0f|2f|2g)" *\|', each)] == []


def ways_of(alert: str) -> set[str]:
    """In which ways the unit tests look at an alert."""
    ways = set()
    for group in unit_tests():
        cases = [
            (seconds(case["eval_time"]), bool(case["exp_alerts"]))
            for case in group["alert_rule_test"]
            if case["alertname"] == alert
        ]
        fired = [at for at, fires in cases if fires]
        silent = [at for at, fires in cases if not fires]
        if fired:
            ways.add("fires")
        if fired and silent and max(silent) > min(fired):
            ways.add("resolves")
        if silent and group["input_series"]:
            ways.add("stays silent")
        if cases and not group["input_series"]:
            ways.add("no data")
        if cases and group["name"].startswith("no traffic"):
            ways.add("no traffic")
    return ways


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_is_tested_in_every_way(alert: str) -> None:
    ways = {"fires", "stays silent", "resolves", "no data", "no traffic"}
    if alert == "Watchdog":  # it fires always: that is what it is for
        ways -= {"stays silent", "resolves"}
    assert ways_of(alert) == ways


def test_every_recorded_series_is_used() -> None:
    names = recorded()
    assert names
    expressions = [str(rule) for rule in rules()]
    for name in names:
        users = [text for text in expressions if name in text and f"'record': '{name}'" not in text]
        assert users, f"{name} is recorded for nobody"


def test_haste_shortens_waits_and_changes_no_expression() -> None:
    for file in RULE_FILES:
        text = file.read_text("utf-8")
        before, after = text.splitlines(), hurried(text, 20).splitlines()
        changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        assert all(old.strip().startswith("for: ") for old, _ in changed), changed
    assert hurried("    for: 1m\n  scrape_interval: 15s\n", 20) == "    for: 3s\n  scrape_interval: 1s\n"
    assert hurried("  group_wait: 0s", 20) == "  group_wait: 0s"
    assert hurried("  expr: rate(x[5m])", 20) == "  expr: rate(x[5m])"
