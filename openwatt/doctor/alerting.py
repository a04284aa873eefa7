"""The checks of alerting: Prometheus reaches Alertmanager, which notifies somebody of every severity."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from msgspec import Struct

from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import decode_as, poll, safe_url
from openwatt.doctor.ops import seconds_of
from openwatt.doctor.prometheus import BuildInfo, Rule, get_data, loaded_alerts
from openwatt.doctor.results import (
    CheckFailedError,
    CheckSkippedError,
    CheckVerdict,
    join_names,
    ok,
    required,
)

#: The alert that always fires: where it falls silent, the chain of alerting is broken.
WATCHDOG = "Watchdog"
_MATCHER = re.compile(r'([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^,"\s}]*))')


class _Address(Struct):
    url: str


class _Alertmanagers(Struct, rename="camel"):
    active_alertmanagers: list[_Address]


class _Config(Struct):
    original: str


class AlertmanagerStatus(Struct, rename="camel"):
    """The status of an Alertmanager."""

    version_info: BuildInfo
    config: _Config


class _Alert(Struct):
    labels: dict[str, str]


class _Routing(Struct):
    """The routing part of Alertmanager's configuration."""

    route: dict[str, Any]
    receivers: list[dict[str, Any]]


def alertmanager_url(context: CheckContext) -> str:
    """The address of Alertmanager.

    Raises:
        CheckSkippedError: it is not set.
    """
    return required(context.settings.alertmanager_url, "OPENWATT_ALERTMANAGER_URL")


def check_alertmanager(context: CheckContext) -> CheckVerdict:
    """Checks that Prometheus sends to an Alertmanager and that the one of the settings is ready."""
    managers = get_data(context, _Alertmanagers, "alertmanagers").active_alertmanagers
    if not managers:
        raise CheckFailedError(
            "Prometheus knows no Alertmanager", "name it under alerting: in ops/prometheus/prometheus.yml"
        )
    if context.settings.alertmanager_url is None:
        return ok(f"Prometheus sends to {join_names([safe_url(one.url) for one in managers])}")
    status = status_of(context, context.settings.alertmanager_url)
    _routing(status, context.settings.alertmanager_url)
    return ok(f"{safe_url(context.settings.alertmanager_url)}, Alertmanager {status.version_info.version}")


def status_of(context: CheckContext, url: str) -> AlertmanagerStatus:
    """Requests the status of an Alertmanager.

    Raises:
        ProbeError: it does not answer, or is none.
    """
    return context.http.request_as(AlertmanagerStatus, url, "/api/v2/status")


def _routing(status: AlertmanagerStatus, url: str) -> _Routing:
    """Parses Alertmanager's routing from the configuration in its status.

    Raises:
        ProbeError: it is no configuration of an Alertmanager.
    """
    try:
        config = yaml.safe_load(status.config.original)
    except yaml.YAMLError:
        config = None
    return decode_as(config, _Routing, f"{safe_url(url)}/api/v2/status")


def check_notifications(context: CheckContext) -> CheckVerdict:
    """Checks that every severity of the loaded alerts reaches a receiver that notifies somebody."""
    url = alertmanager_url(context)
    config = _routing(status_of(context, url), url)
    integrations = {str(one.get("name")): _integrations(one) for one in config.receivers}
    reached: dict[str, set[str]] = {}
    unnotified: dict[str, str] = {}
    for name, rules in loaded_alerts(context).items():
        for rule in rules:
            labels = {"alertname": name, **rule.labels}
            severity = labels.get("severity", "none")
            receivers = list(receivers_of(config.route, labels))
            found = {
                f"{integration} ({receiver})"
                for receiver in receivers
                for integration in integrations.get(receiver, ())
            }
            reached.setdefault(severity, set()).update(found)
            if not found and name != WATCHDOG:
                unnotified[name] = (
                    f"{name} ({severity}) ends at {join_names(receivers)}, which notifies no one"
                )
    if not reached:
        raise CheckFailedError("Prometheus has no alert that could be notified")
    if unnotified:
        raise CheckFailedError(join_names(list(unnotified.values()), 2))
    notified = "; ".join(
        f"{severity} by {', '.join(sorted(by)) or 'no one: no service watches the Watchdog'}"
        for severity, by in sorted(reached.items())
    )
    return ok(notified)


def _integrations(receiver: Mapping[str, Any]) -> list[str]:
    """The integrations of a receiver: `email`, `slack`, `pagerduty` and the like."""
    return [
        key.removesuffix("_configs")
        for key, integrations in receiver.items()
        if key.endswith("_configs") and integrations
    ]


def receivers_of(route: Mapping[str, Any], labels: Mapping[str, str], inherited: str = "") -> Iterator[str]:
    """Yields the receivers of an alert, by the rules of Alertmanager's routing tree."""
    receiver = str(route.get("receiver") or inherited)
    deeper = False
    for child in route.get("routes") or []:
        if _matches(child, labels):
            deeper = True
            yield from receivers_of(child, labels, receiver)
            if not child.get("continue"):
                return
    if not deeper:
        yield receiver


def _matches(route: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    conditions = [(name, "=", str(value)) for name, value in (route.get("match") or {}).items()]
    conditions += [(name, "=~", str(value)) for name, value in (route.get("match_re") or {}).items()]
    for text in route.get("matchers") or []:
        conditions += [(m[1], m[2], m[3] if m[3] is not None else m[4]) for m in _MATCHER.finditer(text)]
    return all(_holds(labels.get(name, ""), sign, value) for name, sign, value in conditions)


def _holds(found: str, sign: str, value: str) -> bool:
    same = re.fullmatch(value, found) is not None if sign.endswith("~") else found == value
    return same is not sign.startswith("!")


def check_watchdog(context: CheckContext) -> CheckVerdict:
    """Checks that the alert that always fires does so and has arrived in Alertmanager."""
    rules = loaded_alerts(context)
    if WATCHDOG not in rules:
        raise CheckFailedError(f"Prometheus has no alert {WATCHDOG}")
    if not any(rule.state == "firing" for rule in rules[WATCHDOG]):
        raise CheckFailedError(f"{WATCHDOG} does not fire: Prometheus does not evaluate its rules")
    others = _firing(rules)
    besides = f"; firing besides: {join_names(others)}" if others else "; nothing else does"
    url = context.settings.alertmanager_url
    if url is None:
        return ok(f"{WATCHDOG} fires in Prometheus{besides}")
    if poll(lambda: _arrived(context, url), context.timeout_s) is None:
        firing_s = _firing_for_s(context, rules[WATCHDOG])
        # What Prometheus sends before it has found Alertmanager is sent again after this time, and a little.
        flags = get_data(context, dict[str, str], "status/flags")
        resent_s = 1.25 * seconds_of(flags.get("rules.alert.resend-delay", "1m"))
        if firing_s < resent_s:
            raise CheckSkippedError(
                f"{WATCHDOG} fires for {firing_s:.0f} s only and has not arrived yet: "
                f"look again in {resent_s - firing_s:.0f} s"
            )
        raise CheckFailedError(
            f"{WATCHDOG} fires in Prometheus and does not arrive at {safe_url(url)}",
            "let both name the same Alertmanager: alerting: in prometheus.yml, OPENWATT_ALERTMANAGER_URL",
        )
    return ok(f"{WATCHDOG} fires and has arrived in Alertmanager{besides}")


def _arrived(context: CheckContext, url: str) -> bool | None:
    query = {"filter": f'alertname="{WATCHDOG}"', "active": "true"}
    found = context.http.request_as(list[_Alert], url, "/api/v2/alerts", query=query)
    return any(alert.labels.get("alertname") == WATCHDOG for alert in found) or None


def _firing_for_s(context: CheckContext, rules: Sequence[Rule]) -> float:
    """For how long an alert has fired, in seconds."""
    since = [alert.active_at for rule in rules for alert in rule.alerts]
    return (context.now() - min(since)).total_seconds() if since else 0.0


def _firing(rules: Mapping[str, Sequence[Rule]]) -> list[str]:
    return sorted(
        name
        for name, same in rules.items()
        if name != WATCHDOG and any(rule.state == "firing" for rule in same)
    )
