"""Grafana: it runs, has its source of data and the shipped dashboards, and no panel of theirs is empty."""

import re

from openwatt.doctor.asking import shown
from openwatt.doctor.findings import BrokenError, Verdict, asked_for, counted, named, none_of, ok
from openwatt.doctor.ops import dashboards, recorded_names
from openwatt.doctor.patient import Patient
from openwatt.doctor.prometheus import asked, queried
from openwatt.telemetry.scrape import declared_families

#: The data source that every dashboard names.
DATASOURCE = "prometheus"
_COUNTED = ("_total", "_bucket", "_count", "_sum")
_PROBES = "/metrics|/health.*|/version"


def grafana_url(patient: Patient) -> str:
    """Where Grafana is, with the name and password in it.

    Raises:
        UnaskedError: nobody says.
    """
    return asked_for(patient.settings.grafana_url, "OPENWATT_GRAFANA_URL")


def check_grafana(patient: Patient) -> Verdict:
    """It answers, lets us in, and knows where Prometheus is."""
    url = grafana_url(patient)
    health = patient.asker.ask_json(url, "/api/health")
    if health.get("database") != "ok":
        raise BrokenError(f"{shown(url)} says that its database is {health.get('database')}")
    answer = patient.asker.ask(url, f"/api/datasources/uid/{DATASOURCE}")
    if answer.status_code in {401, 403}:
        raise BrokenError(
            f"{shown(url)} refuses the name and password of OPENWATT_GRAFANA_URL",
            "write them into it as http://name:password@host:3001",
        )
    if answer.status_code != 200:
        raise BrokenError(
            f"{shown(url)} has no data source with the uid {DATASOURCE}",
            "mount ops/grafana/provisioning: it brings the data source",
        )
    return ok(f"{shown(url)}, Grafana {health.get('version', '')}, data source {DATASOURCE}")


def check_dashboards(patient: Patient) -> Verdict:
    """Every shipped dashboard is there, by its uid."""
    shipped = dashboards(patient.ops_folder())
    url = grafana_url(patient)
    missing = []
    for dashboard in shipped:
        answer = patient.asker.ask(url, f"/api/dashboards/uid/{dashboard.uid}")
        if answer.status_code != 200:
            missing.append(f"“{dashboard.title}” (uid {dashboard.uid}) answers {answer.status_code}")
    return none_of(
        missing,
        "mount ops/grafana/provisioning and ops/grafana/dashboards, or import them by hand",
        lambda: f"{counted(len(shipped), 'dashboard')}: {named([one.title for one in shipped])}",
    )


def check_panels(patient: Patient) -> Verdict:
    """Every panel shows something, or waits for an event that has not come yet."""
    ops = patient.ops_folder()
    known = known_names(recorded_names(ops))
    total, waiting, empty = 0, 0, []
    for dashboard in dashboards(ops):
        for panel in dashboard.panels:
            total += 1
            if any(queried(patient, query) for query in panel.queries) or _shown_today(
                patient, panel.queries
            ):
                continue
            if any(_is_quiet(patient, name) for name in _names_in(panel.queries, known)):
                waiting += 1
            else:
                empty.append(f"“{panel.title}” of “{dashboard.title}”")
    waits = counted(waiting, "waits for its first event", "wait for their first event")
    besides = f"; {waits}" if waiting else ""
    return none_of(
        empty,
        "open it in Grafana: its query asks for a metric or label that Prometheus does not have",
        lambda: f"{total - waiting} of {counted(total, 'panel')} show data{besides}",
    )


def _shown_today(patient: Patient, queries: tuple[str, ...]) -> bool:
    """Whether any of them gave something within a day: at night nobody may ask."""
    end = patient.now().timestamp()
    window = {"start": f"{end - 86_400:.0f}", "end": f"{end:.0f}", "step": "600"}
    return any(asked(patient, "query_range", {"query": query, **window})["result"] for query in queries)


def known_names(recorded: set[str]) -> set[str]:
    """What this code serves, the shipped rules record and Prometheus tells of alerts, as series are named."""
    families = declared_families()
    return recorded | {"ALERTS"} | set(families) | {f"{name}{end}" for name in families for end in _COUNTED}


def _names_in(queries: tuple[str, ...], known: set[str]) -> set[str]:
    return {word for query in queries for word in re.findall(r"[a-zA-Z_:][\w:]*", query)} & known


def _is_quiet(patient: Patient, name: str) -> bool:
    """Whether nothing is known under a name yet, or nothing but probes was counted under it for a day."""
    if not queried(patient, f'count({{__name__="{name}"}})'):
        return True
    if not name.endswith(_COUNTED):
        return False
    changes = queried(patient, f'sum(changes({{__name__="{name}",route!~"{_PROBES}"}}[1d]))')
    return not any(value for _, value in changes)
