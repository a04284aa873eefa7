"""What every dashboard shares: its variables, its links, and where the logs are read."""

# ruff: noqa: INP001 - beside the files that it writes, not a package

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

from ops.grafana.source.panels import BLUE, DATASOURCE, NO_CUSTOMERS, TARGETS, Json, placed

#: Newer Grafanas bring a dashboard of this version up to theirs by themselves.
SCHEMA_VERSION: Final = 41
#: The data view that is loaded with the Elastic stack.
DATA_VIEW: Final = "openwatt"
OTHERS: Final = {
    "openwatt-overview": "Overview",
    "openwatt-ingestion": "Ingestion",
    "openwatt-logs": "Logs",
    "openwatt-runtime": "Runtime",
}


def kibana(query: str) -> str:
    """Kibana's Discover on the time shown here, with a question in its own language (KQL)."""
    asked = (
        "_g=(time:(from:'${__from:date:iso}',to:'${__to:date:iso}'))"
        f"&_a=(dataSource:(dataViewId:{DATA_VIEW},type:dataView),query:(language:kuery,query:'{query}'),"
        "sort:!(!('@timestamp',desc)))"
    )
    # Spaces, quotes and brackets would end a link in Markdown; what Grafana puts in keeps its form.
    parts = re.split(r"(\$\{[^}]+\})", asked)
    return "${kibana:raw}/app/discover#/?" + "".join(
        part if part.startswith("${") else quote(part, safe="&=:!,") for part in parts
    )


def query_variable(
    name: str, label: str, query: str, *, all_chosen: bool, chosen: Sequence[str] = ()
) -> Json:
    """A variable whose choices Prometheus tells."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "multi": True,
        "includeAll": all_chosen,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]}
        if all_chosen
        else {"text": list(chosen), "value": list(chosen)},
        "hide": 0,
        "options": [],
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
    }


def text_variable(name: str, label: str, value: str, description: str) -> Json:
    """A variable that the reader writes."""
    return {
        "name": name,
        "label": label,
        "type": "textbox",
        "description": description,
        "query": value,
        "current": {"text": value, "value": value},
        "hide": 0,
        "options": [],
        "skipUrlSync": False,
    }


KIBANA: Final = text_variable(
    "kibana", "Kibana", "http://127.0.0.1:5601", "Adresse de Kibana, pour les liens vers les journaux."
)
REQUEST_ID: Final = text_variable(
    "request_id", "Request ID", "", "X-Request-ID d’une réponse, pour la retrouver dans les journaux."
)
ROUTE: Final = query_variable(
    "route",
    "Route",
    f"label_values(http_requests_total{{{TARGETS},{NO_CUSTOMERS}}}, route)",
    all_chosen=True,
)
SOURCE: Final = query_variable(
    "source",
    "Source",
    f"label_values(openwatt_ingest_last_look_timestamp_seconds{{{TARGETS}}}, source)",
    all_chosen=True,
)


def _targets() -> list[Json]:
    """The data source, the jobs that tell the service's figures, and their instances."""
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "current": {"text": "Prometheus", "value": "prometheus"},
            "hide": 0,
            "includeAll": False,
            "multi": False,
            "options": [],
            "refresh": 1,
            "regex": "",
            "skipUrlSync": False,
        },
        query_variable(
            "job",
            "Job",
            'label_values(up{job=~"openwatt-(api|metrics)"}, job)',
            all_chosen=False,
            chosen=["openwatt-api", "openwatt-metrics"],
        ),
        query_variable("instance", "Instance", 'label_values(up{job=~"$job"}, instance)', all_chosen=True),
    ]


def _annotations() -> list[Json]:
    """Deployments and restarts, as lines across every graph."""

    def drawn(name: str, colour: str, expression: str, title: str) -> Json:
        return {
            "name": name,
            "datasource": DATASOURCE,
            "enable": True,
            "hide": False,
            "iconColor": colour,
            "expr": expression,
            "step": "30s",
            "titleFormat": title,
            "useValueForTime": False,
        }

    build = f"max by (version, revision) (openwatt_build_info{{{TARGETS}}}"
    before = build.replace("(openwatt_build_info", "(last_over_time(openwatt_build_info") + "[5m] offset 1m))"
    return [
        {
            "builtIn": 1,
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": True,
            "hide": True,
            "iconColor": "rgba(0, 211, 255, 1)",
            "name": "Annotations & Alerts",
            "type": "dashboard",
        },
        drawn("Deployments", BLUE, f"{build}) unless {before}", "Version {{version}} ({{revision}})"),
    ]


def dashboard(
    uid: str,
    title: str,
    description: str,
    rows: Iterable[tuple[int, Sequence[Any]]],
    variables: Sequence[Json] = (),
    *,
    span: str = "now-6h",
) -> Json:
    """A dashboard in Grafana's classic model, as its file provisioning reads it."""
    links = [
        {
            "type": "link",
            "title": name,
            "url": f"/d/{other}",
            "icon": "dashboard",
            "tooltip": f"OpenWatt : {name}",
            "includeVars": True,
            "keepTime": True,
            "targetBlank": False,
            "asDropdown": False,
            "tags": [],
        }
        for other, name in OTHERS.items()
        if other != uid
    ]
    logs = {
        "type": "link",
        "title": "Kibana",
        "url": kibana('level:("error" or "critical")'),
        "icon": "external link",
        "tooltip": "Les erreurs dans les journaux, sur la même période",
        "includeVars": False,
        "keepTime": False,
        "targetBlank": True,
        "asDropdown": False,
        "tags": [],
    }
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["openwatt"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": span, "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "links": [*links, logs],
        "templating": {"list": [*_targets(), *variables, KIBANA]},
        "annotations": {"list": _annotations()},
        "panels": placed(rows),
    }
