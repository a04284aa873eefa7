"""The service: alive, ready, of this version, and telling its numbers whole and alike from every worker."""

import datetime as dt
import socket
import ssl
import uuid
from typing import Literal

import msgspec
from msgspec import Struct

from openwatt import __version__
from openwatt.addresses import parse_address
from openwatt.doctor.context import METRICS_URL, Patient
from openwatt.doctor.http_probe import ANSWER_S, UnansweredError, shown
from openwatt.doctor.results import BrokenError, UnaskedError, Verdict, counted, named, ok
from openwatt.store.migrate import newest_schema
from openwatt.telemetry.metrics.scrape import Sample, declared_families, read_scrape

#: Authorities renew 30 days before the end; half of that leaves time to mend what failed.
LEAST_CERTIFICATE_DAYS = 14
#: Several new connections, so that more than one worker answers.
_ASKED_BETWEEN = 8
_ANEW = {"Connection": "close"}


class _Health(Struct):
    status: Literal["alive"]


class _Version(Struct):
    version: str
    revision: str | None
    schema: int


class _Readiness(Struct):
    status: Literal["ready"]
    data_version: int


def check_service(patient: Patient) -> Verdict:
    """It answers, repeats the id of a request, and runs this code."""
    made = f"doctor-{uuid.uuid4()}"
    answer = patient.asker.ask(patient.url, "/health", headers={"X-Request-ID": made})
    if answer.status_code != 200 or not _is_alive(answer.content):
        raise BrokenError(
            f"{shown(patient.url)} is not OpenWatt: /health answers {answer.status_code}",
            "give the service's address with --url",
        )
    if answer.headers.get("X-Request-ID") != made:
        raise BrokenError(
            "the answer does not repeat the X-Request-ID it was asked with",
            "let the proxy before the service pass X-Request-ID on, both ways",
        )
    told = patient.asker.ask_for(_Version, patient.url, "/version")
    ours = (__version__, patient.settings.revision, newest_schema())
    theirs = (told.version, told.revision, told.schema)
    if theirs != ours:
        raise BrokenError(
            f"it runs {_release(theirs)}, this command is {_release(ours)}",
            "restart the service with the code and settings of this command (HUP, or USR2 for new code)",
        )
    return ok(f"{shown(patient.url)} runs {_release(ours)} and repeats X-Request-ID")


def _is_alive(content: bytes) -> bool:
    try:
        msgspec.json.decode(content, type=_Health)
    except msgspec.DecodeError:
        return False
    return True


def _release(told: tuple[object, object, object]) -> str:
    version, revision, schema = told
    return f"{version} (revision {revision}, schema {schema})"


def check_ready(patient: Patient) -> Verdict:
    """The service itself reaches the database and knows its schema."""
    answer = patient.asker.ask_for(_Readiness, patient.url, "/health/ready")
    return ok(f"/health/ready: data version {answer.data_version}")


def check_tls(patient: Patient) -> Verdict:
    """The certificate is trusted, names this host, and lasts."""
    address = parse_address(patient.url)
    if address.scheme != "https" or address.host is None:
        raise UnaskedError(f"{shown(patient.url)} is not https")
    try:
        with (
            socket.create_connection((address.host, address.port or 443), ANSWER_S) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=address.host) as secured,
        ):
            ends = ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"]))
    except ssl.SSLCertVerificationError as error:
        raise BrokenError(f"the certificate is not trusted: {error.verify_message}") from error
    except OSError as error:
        raise BrokenError(f"{shown(patient.url)}: no TLS connection: {error.strerror or error}") from error
    ends_at = dt.datetime.fromtimestamp(ends, dt.UTC)
    days = (ends_at - patient.now()).days
    says = f"the certificate ends on {ends_at.date()}, in {counted(days, 'day')}"
    if days < LEAST_CERTIFICATE_DAYS:
        raise BrokenError(says)
    return ok(says)


Scrape = dict[str, list[Sample]]


def scraped(patient: Patient, url: str) -> Scrape:
    """What `/metrics` says, asked on a connection of its own.

    Raises:
        BrokenError: it does not answer, or not in Prometheus's form.
    """
    answer = patient.asker.ask(url, headers=_ANEW | {"Accept": "text/plain"})
    if answer.status_code != 200:
        raise UnansweredError(f"{shown(url)} answers {answer.status_code}")
    try:
        return read_scrape(answer.text)
    except ValueError as error:
        raise BrokenError(f"{shown(url)} is not in Prometheus's text format: {error}") from error


def requests_counted(scrape: Scrape) -> float:
    """All requests that a service has counted."""
    return sum(s.value for s in scrape.get("http_requests", []) if s.name == "http_requests_total")


def check_metrics(patient: Patient) -> Verdict:
    """Every family is there, and every worker tells the numbers of all."""
    url = patient.url.rstrip("/") + "/metrics"
    first = scraped(patient, url)
    declared = declared_families()
    missing = _missing(declared, first)
    for _ in range(_ASKED_BETWEEN):
        patient.asker.ask(patient.url, "/health", headers=_ANEW)
    second = scraped(patient, url)
    if missing:
        raise BrokenError(f"missing: {named(missing)}")
    grown = requests_counted(second) - requests_counted(first)
    if grown < _ASKED_BETWEEN or (fallen := _fallen(first, second)):
        seen = f"{grown:g} of {_ASKED_BETWEEN} requests" if grown < _ASKED_BETWEEN else named(fallen)
        raise BrokenError(
            f"two scrapes do not fit together ({seen}): each worker tells its own numbers",
            "start the service with gunicorn.conf.py, which lets the workers share their metrics",
        )
    builds = _builds(second)
    if builds != {(__version__, patient.settings.revision)}:
        raise BrokenError(
            f"openwatt_build_info names {', '.join(f'{v} ({r})' for v, r in sorted(builds, key=str))}",
            "wait until an upgrade is over, or end the service of another version on the same data folder",
        )
    return ok(f"every family is there; {requests_counted(second):,.0f} requests counted")


def _builds(scrape: Scrape) -> set[tuple[str | None, str | None]]:
    """Version and revision of every build that a scrape names."""
    samples = scrape.get("openwatt_build_info", [])
    return {(sample.labels.get("version"), sample.labels.get("revision")) for sample in samples}


def _missing(declared: dict[str, bool], scrape: Scrape) -> list[str]:
    """Families that must be there and are not; the two of requests have been fed by asking."""
    return sorted(
        name
        for name, from_the_start in declared.items()
        if (from_the_start or name.startswith("http_request")) and not scrape.get(name)
    )


def _fallen(first: Scrape, second: Scrape) -> list[str]:
    """Counters that have gone backwards or away."""
    now = {(s.name, *sorted(s.labels.items())): s.value for ours in second.values() for s in ours}
    return [
        sample.name
        for ours in first.values()
        for sample in ours
        if sample.name.endswith(("_total", "_count", "_bucket"))
        and now.get((sample.name, *sorted(sample.labels.items())), -1.0) < sample.value
    ]


def check_metrics_process(patient: Patient) -> Verdict:
    """The separate process serves the same numbers, so that a saturated service is still seen."""
    url = patient.metrics_url or METRICS_URL
    service = patient.url.rstrip("/") + "/metrics"
    before = requests_counted(scraped(patient, service))
    try:
        told = scraped(patient, url)
    except UnansweredError as error:
        if patient.metrics_url is None and not patient.in_production:
            raise UnaskedError(
                f"{error}: `openwatt metrics` does not run (outside production it may not)"
            ) from error
        raise
    if (__version__, patient.settings.revision) not in _builds(told) or not told.get("http_requests"):
        raise BrokenError(
            f"{shown(url)} does not tell the numbers of {__version__} ({patient.settings.revision})",
            "start `openwatt metrics` of this code there, or say where it is: --metrics-url",
        )
    between = requests_counted(told)
    after = requests_counted(scraped(patient, service))
    if not before <= between <= after:
        raise BrokenError(
            f"{shown(url)} counts {between:g} requests while the service counts {before:g} to {after:g}: "
            "it watches another service",
            "start `openwatt metrics` with the settings of the service: "
            "OPENWATT_DATA_DIR and OPENWATT_BIND must be the same",
        )
    return ok(f"{shown(url)} tells the service's own numbers")
