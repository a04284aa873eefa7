"""A log record sent and found again, wherever the logs are read; and no log that grows for ever."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from openwatt.doctor.context import SENT_REQUEST, Patient
from openwatt.doctor.http_probe import poll, shaped, shown
from openwatt.doctor.programs import installed, run
from openwatt.doctor.results import BrokenError, UnaskedError, Verdict, asked_for, named, ok
from openwatt.doctor.service import scraped
from openwatt.telemetry.logs.search import LogQuery, LogSearch

#: The daily indices that logstash.conf writes.
INDICES = "openwatt-*"
#: A log that nobody rotates may grow to this outside production.
MOST_UNROTATED_BYTES = 100_000_000
#: What `logrotate -d` says of a rule: its files, as they are written, and when they are rotated.
_ROTATED = re.compile(
    r"^rotating pattern: (.+?) (?:forced from|hourly|after \d+ days|weekly|monthly|yearly|\d+ bytes)",
    re.MULTILINE | re.DOTALL,
)


Records = list[dict[str, Any]]


class _Hit(Struct):
    source: dict[str, Any] = field(name="_source")


class _Hits(Struct):
    hits: list[_Hit]


class _Search(Struct):
    hits: _Hits


class _LogEvent(Struct):
    message: str


class _LogEvents(Struct):
    events: list[_LogEvent] | None = None


def records_in_file(log: Path, request_id: str) -> Records:
    """The records of a request in the local log, its rotated files included."""
    return list(LogSearch(log, LogQuery(request_id=request_id)).entries())


def records_in_elasticsearch(patient: Patient, url: str, request_id: str) -> Records:
    """The records of a request in Elasticsearch.

    Raises:
        UnansweredError: it does not answer, or refuses.
    """
    body = {"size": 100, "query": {"term": {"request_id": request_id}}}
    told = patient.asker.ask_for(_Search, url, f"/{INDICES}/_search", body=body)
    return [hit.source for hit in told.hits.hits]


def records_in_cloudwatch(group: str, request_id: str, since_s: float) -> Records:
    """The records of a request in CloudWatch, through the AWS command line and its own credentials.

    Raises:
        BrokenError: the command fails, or prints something else than events.
    """
    done = run(
        "aws", "logs", "filter-log-events", "--output", "json", "--log-group-name", group,
        "--filter-pattern", f'{{ $.request_id = "{request_id}" }}', "--start-time", str(int(since_s * 1000)),
    )  # fmt: skip
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise BrokenError(f"`aws logs filter-log-events` fails: {said[-200:]}")
    try:
        told = json.loads(done.stdout or "{}")
    except ValueError:
        raise BrokenError("`aws logs filter-log-events` prints something else than JSON") from None
    events = shaped(told, _LogEvents, "`aws logs filter-log-events`").events or []
    return [record for event in events if (record := _record(event.message)) is not None]


def _record(message: str) -> dict[str, Any] | None:
    """A log record; None for a line that is none, as other programs may write into the same group."""
    try:
        found = json.loads(message)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _awaited(patient: Patient, look: Callable[[], Records], every_s: float = 0.25) -> dict[str, Any] | None:
    """The canonical record of the request just sent, or what else has come of it; None when nothing has.

    A request may leave more records than that one, for instance that Redis does not answer.
    """
    seen: Records = []

    def canonical() -> dict[str, Any] | None:
        seen[:] = look()
        return next((record for record in seen if record.get("event") == "request"), None)

    return poll(canonical, patient.patience_s, every_s) or next(iter(seen), None)


def check_log_file(patient: Patient) -> Verdict:
    """The record of the request just sent stands in the local file."""
    log = asked_for(patient.settings.log_file, "OPENWATT_LOG_FILE")
    request_id = patient.sent_request()
    # After a rotation it is this request's record that begins the file.
    record = _awaited(patient, lambda: records_in_file(log, request_id) if log.exists() else [])
    if record is None:
        if not log.exists():
            raise BrokenError(f"there is no file {log}")
        raise BrokenError(f"the record of {SENT_REQUEST} is not in {log}: the service writes another file")
    return _found(record, str(log))


def check_elasticsearch(patient: Patient) -> Verdict:
    """The record of the request just sent can be searched in Elasticsearch."""
    url = asked_for(patient.settings.elasticsearch_url, "OPENWATT_ELASTICSEARCH_URL")
    request_id = patient.sent_request()
    record = _awaited(patient, lambda: records_in_elasticsearch(patient, url, request_id))
    if record is None:
        raise BrokenError(
            f"the record of {SENT_REQUEST} has not come into {INDICES} of {shown(url)} "
            f"within {patient.patience_s:g} s",
        )
    return _found(record, shown(url))


def check_cloudwatch(patient: Patient) -> Verdict:
    """The record of the request just sent can be searched in CloudWatch."""
    group = asked_for(patient.settings.cloudwatch_log_group, "OPENWATT_CLOUDWATCH_LOG_GROUP")
    if not installed("aws"):
        raise UnaskedError("the AWS command line is not installed: CloudWatch cannot be asked")
    request_id = patient.sent_request()
    since_s = patient.now().timestamp() - 3600
    # The agent sends every few seconds, and each look is a process: no need to look more often.
    record = _awaited(patient, lambda: records_in_cloudwatch(group, request_id, since_s), every_s=1.0)
    if record is None:
        raise BrokenError(
            f"the record of {SENT_REQUEST} has not come into {group} within {patient.patience_s:g} s"
        )
    return _found(record, group)


def _found(record: dict[str, Any], where: str) -> Verdict:
    """A record that was found, if it is one: the request's own, with the fields that are searched."""
    lacking = [name for name in ("@timestamp", "level", "event", "path", "status") if name not in record]
    if record.get("path") != SENT_REQUEST:
        lacking = ["path"]
    if lacking:
        raise BrokenError(
            f"{where} holds another record of the request than the service's (missing: {named(lacking)})",
            "let nothing between the service and its reader rename or cut fields",
        )
    return ok(f"{SENT_REQUEST} sent and found again in {where}")


def check_shipping(patient: Patient) -> Verdict:
    """Log records reach Logstash: somebody is connected, nothing was lost, nothing piles up."""
    url = asked_for(patient.settings.logstash_url, "OPENWATT_LOGSTASH_URL")
    patient.sent_request()
    scrape = scraped(patient, patient.url.rstrip("/") + "/metrics")

    def sum_of(name: str) -> float:
        return sum(sample.value for sample in scrape.get(f"openwatt_log_{name}", []))

    dropped = {
        sample.labels["reason"]: sample.value
        for sample in scrape.get("openwatt_log_records_dropped", [])
        if sample.name.endswith("_total") and sample.value
    }
    if dropped:
        reasons = ", ".join(f"{count:g} {reason}" for reason, count in sorted(dropped.items()))
        raise BrokenError(
            f"log records were lost: {reasons}",
            "mend the receiver, raise OPENWATT_LOG_SPOOL_MB, then restart the service to count anew",
        )
    if not sum_of("shipping_connected"):
        raise BrokenError(
            f"no worker is connected to {shown(url)}; {sum_of('shipping_spooled_records'):g} wait on disk"
        )
    if spooled := sum_of("shipping_spooled_records"):
        raise BrokenError(
            f"{spooled:g} records wait on disk for {shown(url)}",
            "look at what Logstash itself logs: it is too slow",
        )
    return ok(f"{sum_of('records_sent'):,.0f} records sent to {shown(url)}, none lost")


def check_rotation(patient: Patient) -> Verdict:
    """A rule of logrotate covers the log, and logrotate accepts its rules.

    Between a rotation and the next line there is no such file: whether there should be one is not asked here.
    """
    log = asked_for(patient.settings.log_file, "OPENWATT_LOG_FILE").resolve()
    remedy = "install ops/logrotate/openwatt as /etc/logrotate.d/openwatt, with this log's path in it"
    if not installed("logrotate"):
        return _unrotated(patient, log, "logrotate is not installed", "apt-get install logrotate; " + remedy)
    if not patient.logrotate.exists():
        return _unrotated(patient, log, f"{patient.logrotate} is not there", remedy)
    done = run("logrotate", "-d", "--state", "/dev/null", str(patient.logrotate))
    said = done.stdout + done.stderr
    faults = [line for line in said.splitlines() if line.startswith("error:")]
    if not any(_covers(pattern, log) for pattern in _patterns(said)):
        return _unrotated(patient, log, f"no rule of {patient.logrotate} covers {log}", remedy)
    if faults:
        raise BrokenError(
            f"logrotate refuses: {faults[0].removeprefix('error: ')}", f"mend {patient.logrotate}"
        )
    return ok(f"{log} is covered by {patient.logrotate}, which logrotate accepts")


def _patterns(said: str) -> Iterator[str]:
    """The names of files, in the form of a shell's, that logrotate says it rotates."""
    for names in _ROTATED.findall(said):
        try:
            yield from shlex.split(names)
        except ValueError:  # a quotation mark without its second: logrotate tells of it
            continue


def _covers(pattern: str, log: Path) -> bool:
    """Whether a rule's name of files is one of the log, by whatever way it comes to its folder."""
    written = Path(pattern)
    return written.is_absolute() and (
        log.match(pattern) or log.match(str(written.parent.resolve() / written.name))
    )


def _unrotated(patient: Patient, log: Path, why: str, remedy: str) -> Verdict:
    size = log.stat().st_size if log.exists() else 0
    if patient.in_production or size > MOST_UNROTATED_BYTES:
        raise BrokenError(f"{why}; it has {size / 1e6:.1f} MB", remedy)
    raise UnaskedError(f"{why}; with {size / 1e6:.1f} MB that does no harm yet")
