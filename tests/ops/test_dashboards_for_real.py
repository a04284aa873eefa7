"""Every query of every dashboard, asked of a real Prometheus that watches the real service at work.

Intervals are shortened by configuration; the queries are those of the files, with what Grafana puts in.
"""

import math
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from openwatt import __version__
from tests.chaos.running import REPOSITORY, new_home, wait_until
from tests.ops.busy_service import RUNS, Busy, busy_service
from tests.ops.grafana import (
    DASHBOARDS,
    Json,
    View,
    asking,
    chosen,
    legend,
    loaded,
    queries,
    variables,
    written,
)
from tests.ops.monitoring import Monitoring, needs_monitoring

pytestmark = needs_monitoring

DOCUMENT = REPOSITORY / "docs" / "tableaux-de-bord.md"
VIEW = View(span_s=60, step_s=1, scrape_s=1)
#: Panels that show that nothing bad has happened.
QUIET = {"Dropped", "Dropped by Reason", "Workers Missing", "Targets Down", "Requests Waiting", "Spooled"}

each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


@dataclass(frozen=True)
class Seen:
    """A series as a panel shows it: its name, its labels, its values."""

    name: str
    labels: dict[str, str]
    values: list[float]


class Reader:
    """Who looks at the dashboards, with the variables as they open, or others."""

    busy: Busy
    """The service that is looked at, where the tests themselves have started it."""

    def __init__(self, watched: Monitoring, view: View = VIEW) -> None:
        self.watched = watched
        self.view = view

    def choices(self, dashboard: Json) -> tuple[dict[str, str], dict[str, list[str]]]:
        """Each variable's default, and what it offers."""

        def values_of(selector: str, label: str) -> list[str]:
            return list(self.watched.ask(f"label/{label}/values", **{"match[]": selector}))

        return chosen(dashboard, values_of, self.view)

    def shown(self, target: Json, values: dict[str, str]) -> list[Seen]:
        """What a query shows; points that are no number are not drawn."""
        expression = self.view.interpolated(target["expr"], values)
        if target["instant"]:
            found: list[tuple[dict[str, str], list[float]]] = [
                (labels, [value]) for labels, value in self.watched.query(expression)
            ]
        else:
            found = [
                (each["metric"], [float(value) for _, value in each["values"]])
                for each in self.watched.query_range(expression, self.view.span_s, self.view.step_s)
            ]
        drawn = ((labels, [value for value in points if math.isfinite(value)]) for labels, points in found)
        return [
            Seen(legend(target["legendFormat"], labels), labels, points) for labels, points in drawn if points
        ]

    def panel(self, uid: str, title: str, **others: str) -> list[Seen]:
        """What a panel shows, all its queries together."""
        dashboard = next(each for each in map(loaded, DASHBOARDS) if each["uid"] == uid)
        values = self.choices(dashboard)[0] | others
        panel = next(each for each in asking(dashboard) if each["title"] == title)
        return [seen for target in panel["targets"] for seen in self.shown(target, values)]

    def tile(self, uid: str, title: str) -> float:
        """The number on a tile."""
        (seen,) = wait_until(lambda: self.panel(uid, title))
        return seen.values[0]


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with new_home() as home, busy_service(home, seconds=6) as busy:
        opened = Reader(busy.watched)
        opened.busy = busy
        yield opened


@each_dashboard
def test_no_panel_is_empty(reader: Reader, path: Any) -> None:
    dashboard = loaded(path)
    values = reader.choices(dashboard)[0]
    asked = list(queries(dashboard))
    assert len(asked) >= 15

    def empty() -> list[tuple[str, str]]:
        return [
            (panel["title"], target["expr"]) for panel, target in asked if not reader.shown(target, values)
        ]

    with suppress(AssertionError):  # a busy machine may miss a scrape, which is a second here
        wait_until(lambda: not empty(), 10)
    assert empty() == []


@each_dashboard
def test_no_two_lines_of_a_panel_have_one_name(reader: Reader, path: Any) -> None:
    dashboard = loaded(path)
    values = reader.choices(dashboard)[0]
    drawn = [
        (panel["title"], [seen.name for target in panel["targets"] for seen in reader.shown(target, values)])
        for panel in asking(dashboard)
        if panel["type"] not in {"stat", "table"}
    ]
    assert drawn
    assert [(title, names) for title, names in drawn if len(set(names)) < len(names)] == []


@each_dashboard
def test_every_variable_offers_a_choice(reader: Reader, path: Any) -> None:
    dashboard = loaded(path)
    choices = reader.choices(dashboard)[1]
    assert {"job", "instance"} <= choices.keys()
    assert [name for name, offered in choices.items() if not offered] == []
    assert set(choices["job"]) == {"openwatt-api", "openwatt-metrics"}
    (job,) = (each for each in variables(dashboard) if each["name"] == "job")
    assert set(job["current"]["value"]) == set(choices["job"])


@pytest.mark.parametrize("title", sorted(QUIET))
def test_where_nothing_bad_happens_a_zero_stands(reader: Reader, title: str) -> None:
    uid = "openwatt-runtime" if title in {"Workers Missing", "Requests Waiting"} else "openwatt-logs"
    wait_until(lambda: {each.values[-1] for each in reader.panel(uid, title)} == {0})


@each_dashboard
def test_a_zero_is_not_made_up_where_nobody_watches(reader: Reader, path: Any) -> None:
    dashboard = loaded(path)
    values = reader.choices(dashboard)[0] | {"job": "nobody"}
    watched = [(panel, target) for panel, target in queries(dashboard) if "$job" in target["expr"]]
    assert len(watched) > 10
    # Firing alerts are shown whoever watches.
    shown = [
        p["title"] for p, target in watched if reader.shown(target, values) and "ALERTS" not in target["expr"]
    ]
    assert shown == []


def test_what_happened_is_what_is_shown(reader: Reader) -> None:
    def most(title: str, uid: str = "openwatt-overview") -> dict[str, float]:
        return {seen.name: max(seen.values) for seen in reader.panel(uid, title)}

    assert most("Status Codes")["503"] > 0
    assert most("Status Codes")["429"] > 0
    assert 0 < most("Error Rate")["5xx"] < 1.05
    assert most("Latency P99")["P99"] > most("Latency P99")["P50"] > 0
    # Prometheus carries a young series on beyond its samples, each in its own way.
    assert most("Requests under 1 s")["< 1 s"] == pytest.approx(1, abs=0.05)
    assert "/health" not in most("Requests per Second")
    assert most("Rate Limit Breaches", "openwatt-runtime")["<unmatched> pages"] > 0
    assert most("Alerts")["Watchdog"] == 2
    assert reader.tile("openwatt-overview", "Firing Alerts") >= 1
    assert 0.5 < reader.tile("openwatt-overview", "Availability (7 d)") <= 1
    (build,) = reader.panel("openwatt-runtime", "Builds")
    assert (build.labels["host"], build.labels["version"]) == ("127.0.0.1", __version__)


def test_the_ingestion_is_told_source_by_source_and_run_by_run(reader: Reader) -> None:
    def of(title: str) -> dict[str, float]:
        return {seen.labels["source"]: seen.values[-1] for seen in reader.panel("openwatt-ingestion", title)}

    runs = {seen.name: sum(seen.values) for seen in reader.panel("openwatt-ingestion", "Runs by Outcome")}
    assert runs == {"published": 1, "unchanged": 0, "refused": 0, "unreachable": 0}
    assert of("Failures in a Row") == {"engie_reference": 3, "total_standard_fixe": 1}
    assert of("Reviews by Source") == {"total_standard_fixe": 1}
    assert of("Age / Cadence") == pytest.approx(
        {"edf_tarif_bleu": 0, "engie_reference": 30, "total_standard_fixe": 8}, abs=0.01
    )
    assert reader.tile("openwatt-ingestion", "Sources Seen") == len(RUNS)
    assert reader.tile("openwatt-ingestion", "Overdue") == 2
    assert reader.tile("openwatt-ingestion", "Broken") == 1
    assert reader.tile("openwatt-ingestion", "Reviews Pending") == 1
    assert 0 < reader.tile("openwatt-ingestion", "Last Backup") < 300
    assert reader.tile("openwatt-ingestion", "Backup Size") > 1000


def test_the_queries_of_the_training_give_something_to_talk_about(reader: Reader) -> None:
    taught = re.findall(r"```promql\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert taught
    assert [query for query in taught if not reader.watched.query(query)] == []


def test_a_chosen_route_is_shown_alone(reader: Reader) -> None:
    (route,) = (
        each
        for each in variables(loaded(next(p for p in DASHBOARDS if p.stem == "openwatt-overview")))
        if each["name"] == "route"
    )
    for value in ("/v1/tariffs", "<unmatched>"):
        rows = reader.panel("openwatt-overview", "By Route", route=written([value], route))
        assert {row.labels["route"] for row in rows} == {value}
    both = written(["/v1/tariffs", "/v1/suppliers"], route)
    rows = reader.panel("openwatt-overview", "By Route", route=both)
    assert {row.labels["route"] for row in rows} == {"/v1/tariffs", "/v1/suppliers"}


def test_a_killed_worker_is_seen_as_a_restart(reader: Reader) -> None:
    os.kill(reader.busy.service.both_workers()[0], signal.SIGKILL)
    wait_until(lambda: reader.tile("openwatt-runtime", "Worker Restarts") >= 0.5)
    wait_until(lambda: reader.tile("openwatt-runtime", "Workers Missing") == 0)
    starts = {seen.name: sum(seen.values) for seen in reader.panel("openwatt-runtime", "Worker Starts")}
    assert sorted(starts.values()) == [0, 1]


def test_log_records_wait_while_the_receiver_is_away(reader: Reader) -> None:
    assert reader.tile("openwatt-logs", "Connected") >= 2
    reader.busy.receiver.close()
    began = time.monotonic()
    wait_until(lambda: reader.tile("openwatt-logs", "Connected") == 0)
    wait_until(lambda: reader.tile("openwatt-logs", "Queued") + reader.tile("openwatt-logs", "Spooled") > 0)
    assert reader.tile("openwatt-logs", "Last Success") < time.monotonic() - began + 30
