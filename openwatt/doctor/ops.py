"""The reader of the shipped operations files, whose rules and dashboards must be loaded elsewhere."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from openwatt.doctor.results import CheckFailedError

_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """One alerting rule of a file: its labels, and how long its expression must hold."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    for_s: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of a dashboard with its Prometheus queries."""

    title: str
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard: its fixed uid, and the queries of its panels."""

    uid: str
    title: str
    panels: tuple[Panel, ...]


def find_ops(working_directory: Path) -> Path | None:
    """Finds the folder `ops` in the working directory, or beside the package."""
    for beside in (working_directory, Path(__file__).resolve().parents[2]):
        if (beside / "ops" / "prometheus").is_dir():
            return beside / "ops"
    return None


def seconds_of(duration: str) -> float:
    """Converts a duration of Prometheus, such as `1h30m`, to seconds; an empty one is 0."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))


def _rules(ops: Path) -> Iterator[dict[str, Any]]:
    """Yields every rule of `prometheus/rules`, as it is written."""
    folder = ops / "prometheus" / "rules"
    files = sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])
    if not files:
        raise CheckFailedError(f"no rules are in {folder}", "deploy the folder ops of this release")
    for path in files:
        for group in (_yaml(path) or {}).get("groups") or []:
            yield from group.get("rules") or []


def alert_rules(ops: Path) -> list[AlertRule]:
    """Reads every alerting rule that must be loaded.

    Raises:
        CheckFailedError: the files are not there or cannot be read.
    """
    return [
        AlertRule(
            name=rule["alert"],
            labels=rule.get("labels") or {},
            annotations=rule.get("annotations") or {},
            for_s=seconds_of(str(rule.get("for", ""))),
        )
        for rule in _rules(ops)
        if "alert" in rule
    ]


def recorded_names(ops: Path) -> set[str]:
    """Reads the names of all recording rules."""
    return {rule["record"] for rule in _rules(ops) if "record" in rule}


def dashboards(ops: Path) -> list[Dashboard]:
    """Reads every dashboard that must be in Grafana.

    Raises:
        CheckFailedError: there is none, or one cannot be read.
    """
    folder = ops / "grafana" / "dashboards"
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_dashboard(json.loads(path.read_text("utf-8"))))
        except (ValueError, KeyError) as error:
            raise CheckFailedError(
                f"{path} is no dashboard: {error}", "deploy the folder ops again"
            ) from error
    if not found:
        raise CheckFailedError(f"no dashboard is in {folder}", "deploy the folder ops of this release")
    return found


def read_dashboard(document: dict[str, Any]) -> Dashboard:
    """Reads a dashboard from its JSON, as files and Grafana's API have it.

    Raises:
        KeyError: it has no uid or title.
    """
    return Dashboard(str(document["uid"]), str(document["title"]), tuple(_panels(document)))


def _panels(dashboard: dict[str, Any]) -> Iterator[Panel]:
    """Yields the panels with Prometheus queries, those in collapsed rows too, variables filled in."""
    variables = {
        str(one["name"]): _current_value(one) for one in (dashboard.get("templating") or {}).get("list") or []
    }
    for outer in dashboard.get("panels") or []:
        for panel in (outer, *(outer.get("panels") or [])):
            queries = [
                _fill_in(str(target["expr"]), variables)
                for target in panel.get("targets") or []
                if target.get("expr")
            ]
            if queries:
                yield Panel(str(panel.get("title", "")), tuple(queries))


def _current_value(variable: dict[str, Any]) -> str:
    """The value of a variable when the dashboard opens; "All" matches everything."""
    value = (variable.get("current") or {}).get("value")
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else "|".join(value)
    if value in {None, "", "$__all"}:
        return str(variable.get("allValue") or ".*")
    return str(value)


def _fill_in(query: str, variables: Mapping[str, str]) -> str:
    """Fills in the variables of a query as Grafana would for the last hour."""
    known = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h"} | dict(variables)
    return re.sub(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))", lambda m: known.get(m[1] or m[2], m[0]), query)


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CheckFailedError(f"{path} cannot be read: {error}", "deploy the folder ops again") from error


def headings(page: Path) -> set[str]:
    """Reads the anchors of a Markdown page's headings, as Git hosts make them."""
    lines = [
        line.lstrip("#").strip() for line in page.read_text("utf-8").splitlines() if line.startswith("#")
    ]
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}
