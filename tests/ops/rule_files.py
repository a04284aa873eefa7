"""The rules of ops/prometheus and their unit tests, read as data."""

import re
from pathlib import Path
from typing import Any

import yaml

OPS = Path(__file__).resolve().parents[2] / "ops"
RULE_FILES = sorted((OPS / "prometheus" / "rules").glob("*.yaml"))
TEST_FILES = sorted((OPS / "prometheus" / "tests").glob("*.yaml"))
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def rules() -> list[dict[str, Any]]:
    """Every rule, recording and alerting."""
    found = [
        rule
        for file in RULE_FILES
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]
    assert len(found) > 40
    return found


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts, by name."""
    found = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    assert len(found) > 20
    return found


def recorded() -> dict[str, str]:
    """The expression of each recorded series, by name."""
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def unit_tests() -> list[dict[str, Any]]:
    """Every group of promtool's unit tests: its series, and what is expected when."""
    found = [group for file in TEST_FILES for group in yaml.safe_load(file.read_text("utf-8"))["tests"]]
    assert len(found) > 20
    return found


def seconds(duration: str) -> int:
    """A duration as Prometheus writes it: 1h30m."""
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([dhms])", duration))
