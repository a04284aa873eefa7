"""The check of error reports: a test event is sent to Sentry and read back through its API."""

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from openwatt import __version__
from openwatt.addresses import AddressError, parse_address, parse_dsn
from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import HttpProbe, ProbeError, poll, safe_url
from openwatt.doctor.results import CheckFailedError, CheckVerdict, ok, required
from openwatt.observability import release_of

#: Every trial is the same issue, so that none adds to the list of those.
_TITLE = "openwatt doctor: a trial, nothing is wrong"
#: How many of the issues last seen are looked through: a trial is among the newest.
_ISSUES = 10


T = TypeVar("T")


class _Taken(Struct):
    """The response to an event: its id."""

    id: str


class _Results(Struct, Generic[T]):
    """A page of Bugsink's API."""

    results: list[T]


class _BugsinkProject(Struct):
    id: int | str
    dsn: str


class _Issue(Struct):
    id: str


class _Event(Struct):
    id: str
    event_id: str


class _Content(Struct):
    data: dict[str, Any]


class _Organization(Struct):
    slug: str


class _Project(Struct):
    id: str
    slug: str
    organization: _Organization


@dataclass(frozen=True, slots=True)
class Dsn:
    """The parts of a DSN: `https://key@host/path/project`."""

    base: str
    key: str
    project: str

    @classmethod
    def read(cls, text: str) -> "Dsn":
        """Parses a DSN.

        Raises:
            CheckFailedError: it is not one.
        """
        try:
            address = parse_dsn(text)
        except AddressError as error:
            message, _, remedy = str(error).partition("; ")
            raise CheckFailedError(f"OPENWATT_SENTRY_DSN is no DSN: it {message}", remedy) from None
        base, _, project = address.base.rpartition("/")
        return cls(base, str(address.user), project)


def send_event(context: CheckContext, dsn: Dsn) -> str:
    """Sends a test event, as Sentry's own libraries send errors, and returns its id.

    Raises:
        CheckFailedError: the server does not take it.
    """
    event_id = uuid.uuid4().hex
    event = {
        "event_id": event_id,
        "timestamp": context.now().isoformat(),
        "platform": "python",
        "level": "info",
        "logger": "openwatt.doctor",
        "message": _TITLE,
        "fingerprint": ["openwatt doctor"],
        "release": release_of(context.settings),
        "environment": context.settings.environment,
    }
    header = {"event_id": event_id, "sent_at": dt.datetime.now(dt.UTC).isoformat()}
    lines = (header, {"type": "event"}, event)
    answer = context.http.request(
        f"{dsn.base}/api/{dsn.project}/envelope/",
        content=b"\n".join(json.dumps(line).encode() for line in lines),
        headers={
            "Content-Type": "application/x-sentry-envelope",
            "X-Sentry-Auth": f"Sentry sentry_version=7, sentry_client=openwatt-doctor/{__version__}, "
            f"sentry_key={dsn.key}",
        },
    )
    if answer.status_code != 200:
        why = {
            401: "the key of the DSN is wrong",
            403: "the key of the DSN is wrong or disabled",
            404: "there is no such project",
            429: "the quota of the project is used up",
        }.get(answer.status_code, "it is not what a DSN names")
        raise CheckFailedError(f"{safe_url(dsn.base)} refuses events with {answer.status_code}: {why}")
    if not _is_taken(answer.content, event_id):
        raise CheckFailedError(
            f"{safe_url(dsn.base)} answers an event as another program would: "
            "it does not repeat the event's id"
        )
    return event_id


def _is_taken(content: bytes, event_id: str) -> bool:
    try:
        return msgspec.json.decode(content, type=_Taken).id.replace("-", "") == event_id
    except msgspec.DecodeError:
        return False


@dataclass(frozen=True, slots=True)
class ReportApi:
    """A client of the API of Bugsink or Sentry, for the events of the project of a DSN.

    Its methods raise ProbeError when the server does not answer, or refuses the token.
    """

    http: HttpProbe
    url: str
    token: str
    dsn: Dsn

    def find_event(self, event_id: str) -> dict[str, Any] | None:
        """Finds an event by its id; None while it is not there."""
        if self._is_sentry():
            try:
                return self._get(dict[str, Any], f"{self._sentry_project()}/events/{event_id}/")
            except ProbeError as error:
                if error.status == 404:
                    return None  # not yet
                raise
        for event in self._newest_in_bugsink():
            if event.event_id.replace("-", "") == event_id:
                return self._content(event)
        return None

    def find_report(self, request_id: str) -> dict[str, Any] | None:
        """Finds the newest event of a request by its tag `request_id`; None while there is none."""
        if self._is_sentry():
            reports = self._get(list[dict[str, Any]], f"{self._sentry_project()}/events/", full="true")
            tag = {"key": "request_id", "value": request_id}
            return next((report for report in reports if tag in report.get("tags", [])), None)
        for event in self._newest_in_bugsink():
            found = self._content(event)
            if (found.get("tags") or {}).get("request_id") == request_id:
                return found
        return None

    def _get(self, shape: type[T], path: str, **query: str) -> T:
        return self.http.request_as(shape, self.url, path, query=query, token=self.token)

    def _is_sentry(self) -> bool:
        """Whether this is Sentry, which does not have the paths of Bugsink's API."""
        answer = self.http.request(self.url, "/api/canonical/0/projects/", token=self.token)
        return answer.status_code == 404

    def _sentry_project(self) -> str:
        ours = [one for one in self._get(list[_Project], "/api/0/projects/") if one.id == self.dsn.project]
        if not ours:
            raise CheckFailedError(
                "the token of OPENWATT_SENTRY_TOKEN sees no project of OPENWATT_SENTRY_DSN",
                "give it the scopes project:read and event:read in the organisation of the project",
            )
        return f"/api/0/projects/{ours[0].organization.slug}/{ours[0].slug}"

    def _newest_in_bugsink(self) -> Iterator[_Event]:
        projects = self._get(_Results[_BugsinkProject], "/api/canonical/0/projects/").results
        ours = [one.id for one in projects if parse_address(one.dsn).user == self.dsn.key]
        if not ours:
            raise CheckFailedError(
                f"no project of {safe_url(self.url)} has the key of OPENWATT_SENTRY_DSN",
                "let OPENWATT_SENTRY_URL name the server of the DSN, and the token belong to its project",
            )
        newest = {"project": str(ours[0]), "sort": "last_seen", "order": "desc"}
        issues = self._get(_Results[_Issue], "/api/canonical/0/issues/", **newest).results
        for issue in issues[:_ISSUES]:
            yield from self._get(_Results[_Event], "/api/canonical/0/events/", issue=issue.id).results

    def _content(self, event: _Event) -> dict[str, Any]:
        return self._get(_Content, f"/api/canonical/0/events/{event.id}/").data


def check_sentry(context: CheckContext) -> CheckVerdict:
    """Checks that the server accepts an event and shows it."""
    settings = context.settings
    dsn = Dsn.read(required(settings.sentry_dsn, "OPENWATT_SENTRY_DSN"))
    event_id = send_event(context, dsn)
    if settings.sentry_url is None or settings.sentry_token is None:
        return ok(
            f"{safe_url(dsn.base)} took the event {event_id[:8]} "
            "(not read back: OPENWATT_SENTRY_URL or _TOKEN is not set)"
        )
    url = settings.sentry_url
    api = ReportApi(context.http, url, settings.sentry_token, dsn)
    event = poll(lambda: api.find_event(event_id), context.timeout_s, every_s=0.5)
    if event is None:
        raise CheckFailedError(
            f"{safe_url(dsn.base)} took an event, "
            f"{safe_url(url)} does not show it within {context.timeout_s:g} s",
            "let the server's workers run (Bugsink: bugsink-runsnappea), "
            "and let OPENWATT_SENTRY_URL name the server of the DSN",
        )
    by = "" if safe_url(url) == safe_url(dsn.base) else f" by {safe_url(url)}"
    return ok(f"{safe_url(dsn.base)} took an event, which was read back{by}")
