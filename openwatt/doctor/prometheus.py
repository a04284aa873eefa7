"""The checks of Prometheus: it answers, scrapes this service, and has every shipped rule."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, cast

from msgspec import Meta, Struct

from openwatt import __version__
from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import decode_as, safe_url
from openwatt.doctor.ops import alert_rules, headings, recorded_names, seconds_of
from openwatt.doctor.results import (
    CheckFailedError,
    CheckSkippedError,
    CheckVerdict,
    join_names,
    none_of,
    ok,
    quantity,
    required,
)

#: The job that scrapes the service, by the name that the operators' guide gives it.
JOB = "openwatt-api"
#: Where alerts find what to do, unless they say otherwise.
RUNBOOK = "runbook.md"
#: How many scrapes in a row may fail before the numbers are old.
_SCRAPES_MISSED = 3
#: How late a hurried Prometheus may be besides.
_LATE_S = 5.0
#: The objectives of the operators' guide: P99 below 1 s, errors below 1 %.
P99_OBJECTIVE_S, ERRORS_OBJECTIVE = 1.0, 0.01


T = TypeVar("T")


class _ApiResponse(Struct):
    """The envelope of every response of Prometheus's API."""

    status: Literal["success"]
    data: Any


class BuildInfo(Struct):
    """The build of a Prometheus."""

    version: Annotated[str, Meta(min_length=1)]


class _Target(Struct, rename="camel"):
    labels: dict[str, str]
    health: str
    last_error: str
    scrape_url: str
    last_scrape: dt.datetime
    scrape_interval: str


class _Targets(Struct, rename="camel"):
    active_targets: list[_Target]


class Firing(Struct, rename="camel"):
    """One active alert of a rule."""

    active_at: dt.datetime


class Rule(Struct, rename="camel"):
    """One loaded rule; the fields of alerting rules are empty for the others."""

    name: str
    health: str
    last_error: str = ""
    labels: dict[str, str] = {}
    duration: float = 0.0
    state: str = ""
    alerts: list[Firing] = []


class _Group(Struct):
    rules: list[Rule]


class _Groups(Struct):
    groups: list[_Group]


class _Series(Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Vector(Struct, tag_field="resultType", tag="vector"):
    result: list[_Series]


class _Scalar(Struct, tag_field="resultType", tag="scalar"):
    result: tuple[float, str]


_RESULT = cast("type[_Vector | _Scalar]", _Vector | _Scalar)


class Matrix(Struct, tag_field="resultType", tag="matrix"):
    """The result of a range query."""

    result: list[dict[str, Any]]


def prometheus_url(context: CheckContext) -> str:
    """The address of Prometheus.

    Raises:
        CheckSkippedError: it is not set.
    """
    return required(context.settings.prometheus_url, "OPENWATT_PROMETHEUS_URL")


def get_data(
    context: CheckContext, shape: type[T], path: str, query: Mapping[str, str | int] | None = None
) -> T:
    """Requests a path of Prometheus's API and converts the `data` of its response.

    Raises:
        ProbeError: it refuses, does not answer, or is no Prometheus.
    """
    url = prometheus_url(context)
    answer = context.http.request_as(_ApiResponse, url, f"/api/v1/{path}", query=query)
    return decode_as(answer.data, shape, f"{safe_url(url)}/api/v1/{path}")


def query_now(context: CheckContext, expression: str) -> list[tuple[dict[str, str], float]]:
    """Evaluates an expression now and returns the labels and value of every series."""
    found = get_data(context, _RESULT, "query", {"query": expression})
    if isinstance(found, _Scalar):
        return [({}, float(found.result[1]))]
    return [(series.metric, float(series.value[1])) for series in found.result]


def check_prometheus(context: CheckContext) -> CheckVerdict:
    """Checks that Prometheus is ready."""
    answer = context.http.request(prometheus_url(context), "/-/ready")
    if answer.status_code != 200:
        raise CheckFailedError(
            f"{safe_url(prometheus_url(context))} is not ready: it answers {answer.status_code}"
        )
    build = get_data(context, BuildInfo, "status/buildinfo")
    return ok(f"{safe_url(prometheus_url(context))}, Prometheus {build.version}")


def check_scrape(context: CheckContext) -> CheckVerdict:
    """Checks that Prometheus's target is up, was scraped recently, and is this service."""
    targets = [
        target
        for target in get_data(context, _Targets, "targets", {"state": "active"}).active_targets
        if target.labels.get("job") == JOB
    ]
    if not targets:
        raise CheckFailedError(
            f"Prometheus has no target of the job {JOB}",
            "start it with ops/prometheus/prometheus.yml, or name your own job so",
        )
    for target in targets:
        if target.health != "up":
            raise CheckFailedError(f"{target.scrape_url} is {target.health}: {target.last_error}")
        age_s = (context.now() - target.last_scrape).total_seconds()
        if age_s > seconds_of(target.scrape_interval) * _SCRAPES_MISSED + _LATE_S:
            raise CheckFailedError(f"{target.scrape_url} was last scraped {age_s:.0f} s ago")
    builds = {
        (labels.get("version"), labels.get("revision"))
        for labels, value in query_now(context, f'openwatt_build_info{{job="{JOB}"}}')
        if value
    }
    if (__version__, context.settings.revision) not in builds:
        seen = ", ".join(f"{version} ({revision})" for version, revision in sorted(builds, key=str)) or "none"
        raise CheckFailedError(
            f"no build it sees is {__version__} ({context.settings.revision}): {seen}",
            "let its job scrape this service: see the targets in ops/prometheus",
        )
    return ok(f"{quantity(len(targets), 'target')} up, build {__version__} ({context.settings.revision})")


def loaded_alerts(context: CheckContext) -> dict[str, list[Rule]]:
    """Requests the alerting rules of Prometheus, by name."""
    found: dict[str, list[Rule]] = {}
    for rule in _loaded(context, "alert"):
        found.setdefault(rule.name, []).append(rule)
    return found


def _loaded(context: CheckContext, kind: str) -> list[Rule]:
    groups = get_data(context, _Groups, "rules", {"type": kind}).groups
    return [rule for group in groups for rule in group.rules]


def check_rules(context: CheckContext) -> CheckVerdict:
    """Checks that every shipped rule is loaded as it is written, and that every loaded one evaluates."""
    ops = context.ops_folder()
    loaded = loaded_alerts(context)
    faults = []
    written = alert_rules(ops)
    for rule in written:
        same = [one for one in loaded.get(rule.name, []) if rule.labels.items() <= one.labels.items()]
        if not same:
            faults.append(f"{rule.name} is not loaded")
        elif all(abs(one.duration - rule.for_s) > 1e-6 for one in same):
            faults.append(f"{rule.name} waits {same[0].duration:g} s instead of {rule.for_s:g}")
    recording = {rule.name for rule in _loaded(context, "record")}
    recorded = recorded_names(ops)
    faults += [f"{name} is not recorded" for name in sorted(recorded - recording)]
    faults += [
        f"{name} cannot be computed: {rule.last_error}"
        for name, rules in sorted(loaded.items())
        for rule in rules
        if rule.health == "err"
    ]
    return none_of(
        faults,
        "name ops/prometheus/rules in Prometheus's rule_files and reload it",
        lambda: (
            f"{quantity(len(written), 'alert')} and {len(recorded)} recorded series, all loaded and healthy"
        ),
    )


def check_runbook(context: CheckContext) -> CheckVerdict:
    """Checks that every shipped alert links to an existing heading of the runbook."""
    ops = context.ops_folder()
    faults = []
    pages: dict[str, set[str]] = {}
    rules = alert_rules(ops)
    for rule in rules:
        page, _, anchor = rule.annotations.get("runbook_url", "").partition("#")
        name = RUNBOOK if "{{" in page else page.rpartition("/")[2]
        anchor = anchor.replace("{{ $labels.alertname }}", rule.name).lower()
        if not anchor:
            faults.append(f"{rule.name} names no heading")
            continue
        if name not in pages:
            found = [path for path in (ops / name, ops.parent / "docs" / name) if path.is_file()]
            pages[name] = headings(found[0]) if found else set()
            if not found:
                faults.append(f"{name} is not there")
        if pages[name] and anchor not in pages[name]:
            faults.append(f"{name} has no heading for {rule.name}")
    return none_of(
        faults,
        "write what to do under a heading of the alert's name, and name it in runbook_url",
        lambda: f"{quantity(len(rules), 'alert')}, each with its heading in {join_names(sorted(pages))}",
    )


def check_baseline(context: CheckContext) -> CheckVerdict:
    """Compares latency and errors of the last hour with the objectives."""
    job = f'job="{JOB}"'
    rate = _number(context, f"sum(rate(http_requests_total{{{job}}}[1h]))")
    if not rate:
        raise CheckSkippedError("Prometheus has seen no request within the last hour")
    quantiles = [
        _number(
            context,
            f"histogram_quantile({q}, sum by (le) (rate(http_request_duration_seconds_bucket{{{job}}}[1h])))",
        )
        for q in (0.5, 0.99)
    ]
    errors = _number(context, f'sum(rate(http_requests_total{{{job},status=~"5.."}}[1h]))') / rate
    message = (
        f"within 1 h: {rate:.3g} requests/s, P50 {quantiles[0] * 1000:.0f} ms, "
        f"P99 {quantiles[1] * 1000:.0f} ms, errors {errors:.2%}"
    )
    if quantiles[1] >= P99_OBJECTIVE_S or errors >= ERRORS_OBJECTIVE:
        raise CheckFailedError(
            f"{message}; the objectives are P99 < {P99_OBJECTIVE_S:g} s, errors < {ERRORS_OBJECTIVE:.0%}"
        )
    return ok(message)


def _number(context: CheckContext, expression: str) -> float:
    """Evaluates an expression of one value; 0 when it gives nothing or NaN."""
    values = [value for _, value in query_now(context, expression) if value == value]  # noqa: PLR0124 - NaN is not itself
    return values[0] if values else 0.0
