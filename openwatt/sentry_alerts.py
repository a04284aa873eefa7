"""The alert rules of a file, which are set in Sentry through its API where they differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
import yaml

from openwatt.addresses import AddressError, parse_dsn
from openwatt.domain.errors import OpenWattError

#: Sentry's own numbers: what is counted, per data set, and that "more than" is meant.
_QUERY_TYPES: Final = {"events": 0, "transactions": 1}
_ABOVE: Final = 0
_SCOPES: Final = "alerts:read, alerts:write, org:read, project:read and team:read"


class SentryAlertsError(OpenWattError):
    """Raised when Sentry's alerts cannot be set; the message says why, and what fixes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentryRule:
    """One rule of the file: `receivers` are notified `above` so many (or such a share) in `minutes`."""

    name: str
    dataset: str
    aggregate: str
    event_types: tuple[str, ...]
    minutes: int
    above: float
    receivers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlertFile:
    """The rules, and for each receiver its one detail: a team, a channel, a service."""

    rules: tuple[SentryRule, ...]
    receivers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuleChange:
    """The change to one rule: created, updated or unchanged, with the receivers left out and the reasons."""

    rule: SentryRule
    action: str
    left_out: Mapping[str, str] = field(default_factory=dict)


def read_alert_file(path: Path) -> AlertFile:
    """Reads the rules of a file.

    Raises:
        SentryAlertsError: the file is not as it must be.
    """
    details = {"email": "team", "slack": "channel", "pagerduty": "service"}
    try:
        read = yaml.safe_load(path.read_text("utf-8"))
        receivers = {name: str(options[details[name]]) for name, options in read["receivers"].items()}
        rules = tuple(
            SentryRule(
                name=str(rule["name"]),
                dataset=rule["dataset"],
                aggregate=rule["aggregate"],
                event_types=tuple(rule["event_types"]),
                minutes=int(rule["minutes"]),
                above=float(rule["above"]),
                receivers=tuple(rule["tell"]),
            )
            for rule in read["rules"]
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise SentryAlertsError(f"{path} cannot be used: {error!r}") from error
    for rule in rules:
        if rule.dataset not in _QUERY_TYPES or not set(rule.receivers) <= set(receivers):
            raise SentryAlertsError(f"{path}: {rule.name!r} names a data set or a receiver that is not known")
    return AlertFile(rules, receivers)


class SentryAlerts:
    """A client of Sentry's API for the alert rules of one project."""

    def __init__(self, url: str, token: str, dsn: str) -> None:
        """`url` is where the interface is: https://sentry.io, https://de.sentry.io or one's own server."""
        try:
            self._project_id = parse_dsn(dsn).path.rpartition("/")[2]
        except AddressError as error:
            raise SentryAlertsError(f"OPENWATT_SENTRY_DSN {error}") from None
        self._client = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/0/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def apply(self, wanted: AlertFile, *, dry_run: bool = False) -> Iterator[RuleChange]:
        """Creates or changes each rule that differs; rules of other names are left alone.

        With `dry_run` it only looks: the outcomes say what would be done.

        Raises:
            SentryAlertsError: Sentry refuses, does not answer, or does not have the project.
        """
        organization, project = self._project()
        place = f"organizations/{organization}/alert-rules/"
        existing = {rule["name"]: rule for rule in self._listed(place) if project in rule["projects"]}
        actions, missing = self._actions(organization, wanted.receivers)
        for rule in wanted.rules:
            body = _body(rule, project, [actions[name] for name in rule.receivers if name in actions])
            left_out = {name: missing[name] for name in rule.receivers if name in missing}
            found = existing.get(rule.name)
            if found is not None and _is_as(found, body):
                yield RuleChange(rule, "unchanged", left_out)
                continue
            if not dry_run:
                if found is None:
                    self._request("POST", place, body)
                else:
                    self._request("PUT", f"{place}{found['id']}/", body)
            yield RuleChange(rule, "created" if found is None else "updated", left_out)

    def _project(self) -> tuple[str, str]:
        """The slugs of the organization and of the project that the DSN's number names."""
        for organization in self._listed("organizations/"):
            for project in self._listed(f"organizations/{organization['slug']}/projects/"):
                if str(project["id"]) == self._project_id:
                    return organization["slug"], project["slug"]
        raise SentryAlertsError(
            f"the token sees no project {self._project_id}, which OPENWATT_SENTRY_DSN names: "
            "make it in the organization of that project"
        )

    def _actions(
        self, organization: str, receivers: Mapping[str, str]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """The actions of Sentry by receiver, and the reasons for the receivers that it does not have."""
        actions: dict[str, dict[str, Any]] = {}
        missing: dict[str, str] = {}
        for name, detail in receivers.items():
            target: str | None
            integration: str | None = None
            if name == "email":
                teams = self._listed(f"organizations/{organization}/teams/")
                target = next((str(team["id"]) for team in teams if team["slug"] == detail), None)
                missing[name] = f"no team {detail}"
            else:
                target = None
                missing[name] = f"no integration of {name}"
                place = f"organizations/{organization}/integrations/?providerKey={name}"
                for found in self._listed(place):
                    if found.get("status", "active") != "active":
                        continue
                    target = detail if name == "slack" else _service(found, detail)
                    integration = str(found["id"])
                    missing[name] = f"no service {detail} in its integration"
                    if target is not None:
                        break
            if target is None:
                continue
            del missing[name]
            actions[name] = {
                "type": name,
                "targetType": "team" if name == "email" else "specific",
                "targetIdentifier": target,
                "integrationId": integration,
            }
        return actions, missing

    def _listed(self, place: str) -> Iterator[dict[str, Any]]:
        """All pages of a list: Sentry's Link header says whether another has results."""
        address: str | None = place
        while address:
            answer = self._request("GET", address)
            yield from answer.json()
            following = answer.links.get("next", {})
            address = following.get("url") if following.get("results") == "true" else None

    def _request(self, method: str, place: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        try:
            answer = self._client.request(method, place, json=body)
        except httpx.HTTPError as error:
            raise SentryAlertsError(f"Sentry does not answer at OPENWATT_SENTRY_URL: {error}") from error
        if answer.status_code in {401, 403}:
            raise SentryAlertsError(
                f"Sentry refuses OPENWATT_SENTRY_TOKEN ({answer.status_code}): it needs the scopes {_SCOPES}"
            )
        if answer.status_code == 404:
            raise SentryAlertsError(
                f"there is no {answer.request.url.path} at OPENWATT_SENTRY_URL: Bugsink has no alert rules, "
                "nor have Sentry's plans without metric alerts"
            )
        if not answer.is_success:
            raise SentryAlertsError(f"Sentry answers {answer.status_code}: {answer.text[:500]}")
        return answer


def _service(integration: Mapping[str, Any], name: str) -> str | None:
    """Sentry's number of a service of a PagerDuty integration."""
    services = (integration.get("configData") or {}).get("service_table", [])
    return next((str(each["id"]) for each in services if each.get("service") == name), None)


def _body(rule: SentryRule, project: str, actions: list[dict[str, Any]]) -> dict[str, Any]:
    """Builds a rule in the JSON of Sentry's API."""
    return {
        "name": rule.name,
        "dataset": rule.dataset,
        "queryType": _QUERY_TYPES[rule.dataset],
        "aggregate": rule.aggregate,
        "eventTypes": list(rule.event_types),
        "query": "",
        "timeWindow": rule.minutes,
        "thresholdType": _ABOVE,
        "resolveThreshold": None,
        "environment": None,
        "projects": [project],
        "triggers": [{"label": "critical", "alertThreshold": rule.above, "actions": actions}],
    }


def _is_as(found: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether a rule of Sentry equals ours. Fields that Sentry's list does not have are not compared."""

    def compared(rule: Mapping[str, Any]) -> dict[str, Any]:
        plain = {name: rule[name] for name in body if name != "triggers" and name in rule and name in found}
        plain["eventTypes"] = sorted(plain.get("eventTypes") or [])
        plain["triggers"] = [
            (
                trigger["label"],
                float(trigger["alertThreshold"]),
                sorted(_target(action) for action in trigger["actions"]),
            )
            for trigger in rule["triggers"]
        ]
        return plain

    return compared(found) == compared(body)


def _target(action: Mapping[str, Any]) -> tuple[str, str, str]:
    """The receiver of an action. Sentry replaces a channel's name by its number, and keeps the name."""
    identifier = action.get("inputChannelId") or action["targetIdentifier"]
    return str(action["type"]), str(identifier), str(action.get("integrationId") or "")
