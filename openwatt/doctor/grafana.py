"""The checks of Grafana: it runs, has its data source and the shipped dashboards, and no panel is empty."""

import re
from typing import Annotated, Any

from msgspec import Meta, Struct

from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import ProbeError, safe_url
from openwatt.doctor.ops import Dashboard, dashboards, read_dashboard, recorded_names
from openwatt.doctor.prometheus import BuildInfo, Matrix, get_data, query_now
from openwatt.doctor.results import (
    CheckFailedError,
    CheckVerdict,
    join_names,
    none_of,
    ok,
    quantity,
    required,
)
from openwatt.telemetry.metrics.scrape import declared_families

#: The data source that every dashboard names.
DATASOURCE = "prometheus"
_COUNTED = ("_total", "_bucket", "_count", "_sum")
_PROBES = "/metrics|/health.*|/version"


class _DatabaseHealth(Struct):
    database: str
    version: Annotated[str, Meta(min_length=1)]


class _DataSource(Struct):
    uid: str
    type: str
    url: str


class _Proxied(Struct):
    data: BuildInfo


class _Found(Struct):
    dashboard: dict[str, Any]


def grafana_url(context: CheckContext) -> str:
    """The address of Grafana, with the name and password in it.

    Raises:
        CheckSkippedError: it is not set.
    """
    return required(context.settings.grafana_url, "OPENWATT_GRAFANA_URL")


def check_grafana(context: CheckContext) -> CheckVerdict:
    """Checks that Grafana answers, accepts the login, and reaches Prometheus through its data source."""
    url = grafana_url(context)
    health = context.http.request_as(_DatabaseHealth, url, "/api/health")
    if health.database != "ok":
        raise CheckFailedError(f"{safe_url(url)} says that its database is {health.database}")
    try:
        source = context.http.request_as(_DataSource, url, f"/api/datasources/uid/{DATASOURCE}")
    except ProbeError as error:
        if error.status in {401, 403}:
            raise CheckFailedError(
                f"{safe_url(url)} refuses the name and password of OPENWATT_GRAFANA_URL",
                "write them into it as http://name:password@host:3001",
            ) from error
        if error.status != 404:
            raise
        raise CheckFailedError(
            f"{safe_url(url)} has no data source with the uid {DATASOURCE}",
            "mount ops/grafana/provisioning: it brings the data source",
        ) from error
    if (source.uid, source.type) != (DATASOURCE, "prometheus"):
        raise CheckFailedError(
            f"the data source {DATASOURCE} of {safe_url(url)} is {source.uid}, of the type {source.type}",
            "mount ops/grafana/provisioning: it brings the data source",
        )
    prometheus = _reached(context, url, source)
    return ok(
        f"{safe_url(url)}, Grafana {health.version}, data source {DATASOURCE}: "
        f"Prometheus {prometheus.version} at {safe_url(source.url)}"
    )


def _reached(context: CheckContext, url: str, source: _DataSource) -> BuildInfo:
    """Requests the version of Prometheus through Grafana's data source."""
    path = f"/api/datasources/proxy/uid/{DATASOURCE}/api/v1/status/buildinfo"
    try:
        return context.http.request_as(_Proxied, url, path).data
    except ProbeError as error:
        raise CheckFailedError(
            f"Grafana finds no Prometheus at {safe_url(source.url)}, where its data source looks: {error}",
            "let PROMETHEUS_URL of ops/grafana/provisioning be Prometheus's address as Grafana sees it",
        ) from error


def check_dashboards(context: CheckContext) -> CheckVerdict:
    """Checks that Grafana has every shipped dashboard by its uid, with its title and queries."""
    shipped = dashboards(context.ops_folder())
    url = grafana_url(context)
    faults = [fault for dashboard in shipped if (fault := _fault_of(context, url, dashboard))]
    return none_of(
        faults,
        "mount ops/grafana/provisioning and ops/grafana/dashboards, or import them by hand",
        lambda: f"{quantity(len(shipped), 'dashboard')}: {join_names([one.title for one in shipped])}",
    )


def _fault_of(context: CheckContext, url: str, dashboard: Dashboard) -> str | None:
    """What is wrong with a dashboard in Grafana; None when it is the shipped one."""
    name = f"“{dashboard.title}” (uid {dashboard.uid})"
    path = f"/api/dashboards/uid/{dashboard.uid}"
    try:
        found = read_dashboard(context.http.request_as(_Found, url, path).dashboard)
    except ProbeError as error:
        return f"{name} answers {error.status}" if error.status not in {None, 200} else f"{name}: {error}"
    except (AttributeError, KeyError, TypeError):
        return f"{name}: {safe_url(url)}{path} answers with something that is no dashboard"
    if (found.uid, found.title) != (dashboard.uid, dashboard.title):
        return f"{name} is “{found.title}” (uid {found.uid}) there"
    if found.panels != dashboard.panels:
        return f"{name} has other panels there than the shipped one"
    return None


def check_panels(context: CheckContext) -> CheckVerdict:
    """Checks that every panel shows data, or waits for an event that has not come yet."""
    ops = context.ops_folder()
    known = known_names(recorded_names(ops))
    total, waiting, empty = 0, 0, []
    for dashboard in dashboards(ops):
        for panel in dashboard.panels:
            total += 1
            if any(query_now(context, query) for query in panel.queries) or _shown_today(
                context, panel.queries
            ):
                continue
            # What compares with a time before Prometheus watched has nothing to show either.
            before = re.search(r" offset \w+", " ".join(panel.queries))
            at = before[0] if before else ""
            if any(_is_quiet(context, name, at) for name in _names_in(panel.queries, known)):
                waiting += 1
            else:
                empty.append(f"“{panel.title}” of “{dashboard.title}”")
    waits = quantity(waiting, "waits for its first event", "wait for their first event")
    besides = f"; {waits}" if waiting else ""
    return none_of(
        empty,
        "open it in Grafana: its query asks for a metric or label that Prometheus does not have",
        lambda: f"{total - waiting} of {quantity(total, 'panel')} show data{besides}",
    )


def _shown_today(context: CheckContext, queries: tuple[str, ...]) -> bool:
    """Whether one of the queries gave data within a day: at night there may be no requests."""
    end = context.now().timestamp()
    window = {"start": f"{end - 86_400:.0f}", "end": f"{end:.0f}", "step": "600"}
    return any(
        get_data(context, Matrix, "query_range", {"query": query, **window}).result for query in queries
    )


def known_names(recorded: set[str]) -> set[str]:
    """The names of all series: those of this code, of the shipped rules and of Prometheus's alerts."""
    families = declared_families()
    return recorded | {"ALERTS"} | set(families) | {f"{name}{end}" for name in families for end in _COUNTED}


def _names_in(queries: tuple[str, ...], known: set[str]) -> set[str]:
    return {word for query in queries for word in re.findall(r"[a-zA-Z_:][\w:]*", query)} & known


def _is_quiet(context: CheckContext, name: str, at: str) -> bool:
    """Whether nothing was known under a name at a time, or only probes were counted under it for a day."""
    if not query_now(context, f'count({{__name__="{name}"}}{at})'):
        return True
    if not name.endswith(_COUNTED):
        return False
    changes = query_now(context, f'sum(changes({{__name__="{name}",route!~"{_PROBES}"}}[1d]))')
    return not any(value for _, value in changes)
