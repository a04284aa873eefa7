"""The checks of the service: alive, ready, of this version, with complete metrics from every worker."""

import datetime as dt
import socket
import ssl
import uuid
from typing import Literal

import msgspec
from msgspec import Struct

from openwatt import __version__
from openwatt.addresses import parse_address
from openwatt.doctor.context import METRICS_URL, CheckContext
from openwatt.doctor.http_probe import RESPONSE_S, ProbeError, safe_url
from openwatt.doctor.results import (
    CheckFailedError,
    CheckSkippedError,
    CheckVerdict,
    join_names,
    ok,
    quantity,
)
from openwatt.store.migrate import newest_schema
from openwatt.telemetry.metrics.scrape import Sample, declared_families, read_scrape

#: Authorities renew 30 days before the end; half of that leaves time to fix what failed.
LEAST_CERTIFICATE_DAYS = 14
#: Several new connections, so that more than one worker answers.
_REQUESTS_BETWEEN = 8
_NEW_CONNECTION = {"Connection": "close"}


class _ServiceHealth(Struct):
    status: Literal["alive"]


class _Version(Struct):
    version: str
    revision: str | None
    schema: int


class _Readiness(Struct):
    status: Literal["ready"]
    data_version: int


def check_service(context: CheckContext) -> CheckVerdict:
    """Checks that the service answers, repeats the id of a request, and runs this code."""
    made = f"doctor-{uuid.uuid4()}"
    answer = context.http.request(context.url, "/health", headers={"X-Request-ID": made})
    if answer.status_code != 200 or not _is_alive(answer.content):
        raise CheckFailedError(
            f"{safe_url(context.url)} is not OpenWatt: /health answers {answer.status_code}",
            "give the service's address with --url",
        )
    if answer.headers.get("X-Request-ID") != made:
        raise CheckFailedError(
            "the answer does not repeat the X-Request-ID of the request",
            "let the proxy before the service pass X-Request-ID on, both ways",
        )
    release = context.http.request_as(_Version, context.url, "/version")
    ours = (__version__, context.settings.revision, newest_schema())
    theirs = (release.version, release.revision, release.schema)
    if theirs != ours:
        raise CheckFailedError(
            f"it runs {_release(theirs)}, this command is {_release(ours)}",
            "restart the service with the code and settings of this command (HUP, or USR2 for new code)",
        )
    return ok(f"{safe_url(context.url)} runs {_release(ours)} and repeats X-Request-ID")


def _is_alive(content: bytes) -> bool:
    try:
        msgspec.json.decode(content, type=_ServiceHealth)
    except msgspec.DecodeError:
        return False
    return True


def _release(parts: tuple[object, object, object]) -> str:
    version, revision, schema = parts
    return f"{version} (revision {revision}, schema {schema})"


def check_ready(context: CheckContext) -> CheckVerdict:
    """Checks that the service itself reaches the database and knows its schema."""
    answer = context.http.request_as(_Readiness, context.url, "/health/ready")
    return ok(f"/health/ready: data version {answer.data_version}")


def check_tls(context: CheckContext) -> CheckVerdict:
    """Checks that the certificate is trusted, names this host, and does not expire soon."""
    address = parse_address(context.url)
    if address.scheme != "https" or address.host is None:
        raise CheckSkippedError(f"{safe_url(context.url)} is not https")
    try:
        with (
            socket.create_connection((address.host, address.port or 443), RESPONSE_S) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=address.host) as secured,
        ):
            ends = ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"]))
    except ssl.SSLCertVerificationError as error:
        raise CheckFailedError(f"the certificate is not trusted: {error.verify_message}") from error
    except OSError as error:
        raise CheckFailedError(
            f"{safe_url(context.url)}: no TLS connection: {error.strerror or error}"
        ) from error
    ends_at = dt.datetime.fromtimestamp(ends, dt.UTC)
    days = (ends_at - context.now()).days
    message = f"the certificate ends on {ends_at.date()}, in {quantity(days, 'day')}"
    if days < LEAST_CERTIFICATE_DAYS:
        raise CheckFailedError(message)
    return ok(message)


Scrape = dict[str, list[Sample]]


def scrape_metrics(context: CheckContext, url: str) -> Scrape:
    """Requests `/metrics` on a new connection and parses it.

    Raises:
        CheckFailedError: it does not answer, or not in Prometheus's form.
    """
    answer = context.http.request(url, headers=_NEW_CONNECTION | {"Accept": "text/plain"})
    if answer.status_code != 200:
        raise ProbeError(f"{safe_url(url)} answers {answer.status_code}")
    try:
        return read_scrape(answer.text)
    except ValueError as error:
        raise CheckFailedError(f"{safe_url(url)} is not in Prometheus's text format: {error}") from error


def count_requests(scrape: Scrape) -> float:
    """The number of requests that a scrape counts."""
    return sum(s.value for s in scrape.get("http_requests", []) if s.name == "http_requests_total")


def check_metrics(context: CheckContext) -> CheckVerdict:
    """Checks that every metric family is there, and that every worker serves the metrics of all."""
    url = context.url.rstrip("/") + "/metrics"
    first = scrape_metrics(context, url)
    declared = declared_families()
    missing = _missing(declared, first)
    for _ in range(_REQUESTS_BETWEEN):
        context.http.request(context.url, "/health", headers=_NEW_CONNECTION)
    second = scrape_metrics(context, url)
    if missing:
        raise CheckFailedError(f"missing: {join_names(missing)}")
    grown = count_requests(second) - count_requests(first)
    if grown < _REQUESTS_BETWEEN or (decreased := _decreased(first, second)):
        seen = (
            f"{grown:g} of {_REQUESTS_BETWEEN} requests"
            if grown < _REQUESTS_BETWEEN
            else join_names(decreased)
        )
        raise CheckFailedError(
            f"two scrapes do not fit together ({seen}): each worker tells its own numbers",
            "start the service with gunicorn.conf.py, which lets the workers share their metrics",
        )
    builds = _builds(second)
    if builds != {(__version__, context.settings.revision)}:
        raise CheckFailedError(
            f"openwatt_build_info names {', '.join(f'{v} ({r})' for v, r in sorted(builds, key=str))}",
            "wait until an upgrade is over, or end the service of another version on the same data folder",
        )
    return ok(f"every family is there; {count_requests(second):,.0f} requests counted")


def _builds(scrape: Scrape) -> set[tuple[str | None, str | None]]:
    """Version and revision of every build that a scrape names."""
    samples = scrape.get("openwatt_build_info", [])
    return {(sample.labels.get("version"), sample.labels.get("revision")) for sample in samples}


def _missing(declared: dict[str, bool], scrape: Scrape) -> list[str]:
    """The families that must be there and are not; those of requests exist since this check."""
    return sorted(
        name
        for name, from_the_start in declared.items()
        if (from_the_start or name.startswith("http_request")) and not scrape.get(name)
    )


def _decreased(first: Scrape, second: Scrape) -> list[str]:
    """The counters that have decreased or disappeared."""
    now = {(s.name, *sorted(s.labels.items())): s.value for ours in second.values() for s in ours}
    return [
        sample.name
        for ours in first.values()
        for sample in ours
        if sample.name.endswith(("_total", "_count", "_bucket"))
        and now.get((sample.name, *sorted(sample.labels.items())), -1.0) < sample.value
    ]


def check_metrics_process(context: CheckContext) -> CheckVerdict:
    """Checks that `openwatt metrics` serves the service's own metrics, for when the service is saturated."""
    url = context.metrics_url or METRICS_URL
    service = context.url.rstrip("/") + "/metrics"
    before = count_requests(scrape_metrics(context, service))
    try:
        separate = scrape_metrics(context, url)
    except ProbeError as error:
        if context.metrics_url is None and not context.in_production:
            raise CheckSkippedError(
                f"{error}: `openwatt metrics` does not run (outside production it may not)"
            ) from error
        raise
    if (__version__, context.settings.revision) not in _builds(separate) or not separate.get("http_requests"):
        raise CheckFailedError(
            f"{safe_url(url)} does not tell the numbers of {__version__} ({context.settings.revision})",
            "start `openwatt metrics` of this code there, or say where it is: --metrics-url",
        )
    between = count_requests(separate)
    after = count_requests(scrape_metrics(context, service))
    if not before <= between <= after:
        raise CheckFailedError(
            f"{safe_url(url)} counts {between:g} requests while the service counts {before:g} to {after:g}: "
            "it watches another service",
            "start `openwatt metrics` with the settings of the service: "
            "OPENWATT_DATA_DIR and OPENWATT_BIND must be the same",
        )
    return ok(f"{safe_url(url)} tells the service's own numbers")
