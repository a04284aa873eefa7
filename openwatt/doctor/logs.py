"""The checks of logs: a record is found wherever logs are read, none is lost, and files are rotated."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from openwatt.doctor.context import SENT_REQUEST, CheckContext
from openwatt.doctor.http_probe import decode_as, poll, safe_url
from openwatt.doctor.programs import is_installed, run
from openwatt.doctor.results import (
    CheckFailedError,
    CheckSkippedError,
    CheckVerdict,
    join_names,
    ok,
    required,
)
from openwatt.doctor.service import scrape_metrics
from openwatt.telemetry.logs.search import LogQuery, LogSearch

#: The daily indices that logstash.conf writes.
INDICES = "openwatt-*"
#: A log that is not rotated may grow to this outside production.
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


def records_in_elasticsearch(context: CheckContext, url: str, request_id: str) -> Records:
    """The records of a request in Elasticsearch.

    Raises:
        ProbeError: it does not answer, or refuses.
    """
    body = {"size": 100, "query": {"term": {"request_id": request_id}}}
    found = context.http.request_as(_Search, url, f"/{INDICES}/_search", body=body)
    return [hit.source for hit in found.hits.hits]


def records_in_cloudwatch(group: str, request_id: str, since_s: float) -> Records:
    """The records of a request in CloudWatch, through the AWS command line and its own credentials.

    Raises:
        CheckFailedError: the command fails, or prints something else than events.
    """
    done = run(
        "aws", "logs", "filter-log-events", "--output", "json", "--log-group-name", group,
        "--filter-pattern", f'{{ $.request_id = "{request_id}" }}', "--start-time", str(int(since_s * 1000)),
    )  # fmt: skip
    if done.returncode:
        output = " ".join((done.stderr or done.stdout).split())
        raise CheckFailedError(f"`aws logs filter-log-events` fails: {output[-200:]}")
    try:
        output = json.loads(done.stdout or "{}")
    except ValueError:
        raise CheckFailedError("`aws logs filter-log-events` prints something else than JSON") from None
    events = decode_as(output, _LogEvents, "`aws logs filter-log-events`").events or []
    return [record for event in events if (record := _record(event.message)) is not None]


def _record(message: str) -> dict[str, Any] | None:
    """Parses a log record; None for another line, as other programs may write into the same group."""
    try:
        found = json.loads(message)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _wait_for_record(
    context: CheckContext, search: Callable[[], Records], every_s: float = 0.25
) -> dict[str, Any] | None:
    """Waits for the canonical record of the request just sent; else its first other record, or None.

    A request may leave more records than that one, for instance that Redis does not answer.
    """
    seen: Records = []

    def canonical() -> dict[str, Any] | None:
        seen[:] = search()
        return next((record for record in seen if record.get("event") == "request"), None)

    return poll(canonical, context.timeout_s, every_s) or next(iter(seen), None)


def check_log_file(context: CheckContext) -> CheckVerdict:
    """Checks that the record of the request just sent is in the local file."""
    log = required(context.settings.log_file, "OPENWATT_LOG_FILE")
    request_id = context.sent_request()
    # After a rotation it is this request's record that begins the file.
    record = _wait_for_record(context, lambda: records_in_file(log, request_id) if log.exists() else [])
    if record is None:
        if not log.exists():
            raise CheckFailedError(f"there is no file {log}")
        raise CheckFailedError(
            f"the record of {SENT_REQUEST} is not in {log}: the service writes another file"
        )
    return _found(record, str(log))


def check_elasticsearch(context: CheckContext) -> CheckVerdict:
    """Checks that the record of the request just sent is found in Elasticsearch."""
    url = required(context.settings.elasticsearch_url, "OPENWATT_ELASTICSEARCH_URL")
    request_id = context.sent_request()
    record = _wait_for_record(context, lambda: records_in_elasticsearch(context, url, request_id))
    if record is None:
        raise CheckFailedError(
            f"the record of {SENT_REQUEST} has not come into {INDICES} of {safe_url(url)} "
            f"within {context.timeout_s:g} s",
        )
    return _found(record, safe_url(url))


def check_cloudwatch(context: CheckContext) -> CheckVerdict:
    """Checks that the record of the request just sent is found in CloudWatch."""
    group = required(context.settings.cloudwatch_log_group, "OPENWATT_CLOUDWATCH_LOG_GROUP")
    if not is_installed("aws"):
        raise CheckSkippedError("the AWS command line is not installed: CloudWatch cannot be queried")
    request_id = context.sent_request()
    since_s = context.now().timestamp() - 3600
    # The agent sends every few seconds, and each search is a process: there is no need for more.
    record = _wait_for_record(context, lambda: records_in_cloudwatch(group, request_id, since_s), every_s=1.0)
    if record is None:
        raise CheckFailedError(
            f"the record of {SENT_REQUEST} has not come into {group} within {context.timeout_s:g} s"
        )
    return _found(record, group)


def _found(record: dict[str, Any], where: str) -> CheckVerdict:
    """Checks that a record is the request's own, with the fields that are searched."""
    lacking = [name for name in ("@timestamp", "level", "event", "path", "status") if name not in record]
    if record.get("path") != SENT_REQUEST:
        lacking = ["path"]
    if lacking:
        raise CheckFailedError(
            f"{where} holds another record of the request than the service's "
            f"(missing: {join_names(lacking)})",
            "let nothing between the service and its reader rename or cut fields",
        )
    return ok(f"{SENT_REQUEST} sent and found again in {where}")


def check_shipping(context: CheckContext) -> CheckVerdict:
    """Checks that log records reach Logstash: a worker is connected, none is lost, none waits on disk."""
    url = required(context.settings.logstash_url, "OPENWATT_LOGSTASH_URL")
    context.sent_request()
    scrape = scrape_metrics(context, context.url.rstrip("/") + "/metrics")

    def sum_of(name: str) -> float:
        return sum(sample.value for sample in scrape.get(f"openwatt_log_{name}", []))

    dropped = {
        sample.labels["reason"]: sample.value
        for sample in scrape.get("openwatt_log_records_dropped", [])
        if sample.name.endswith("_total") and sample.value
    }
    if dropped:
        reasons = ", ".join(f"{count:g} {reason}" for reason, count in sorted(dropped.items()))
        raise CheckFailedError(
            f"log records were lost: {reasons}",
            "fix the receiver, raise OPENWATT_LOG_SPOOL_MB, then restart the service to count from 0",
        )
    if not sum_of("shipping_connected"):
        raise CheckFailedError(
            f"no worker is connected to {safe_url(url)}; {sum_of('shipping_spooled_records'):g} wait on disk"
        )
    if spooled := sum_of("shipping_spooled_records"):
        raise CheckFailedError(
            f"{spooled:g} records wait on disk for {safe_url(url)}",
            "look at what Logstash itself logs: it is too slow",
        )
    return ok(f"{sum_of('records_sent'):,.0f} records sent to {safe_url(url)}, none lost")


def check_rotation(context: CheckContext) -> CheckVerdict:
    """Checks that a rule of logrotate covers the log and that logrotate accepts its rules.

    Between a rotation and the next line there is no such file: that there is one is not checked here.
    """
    log = required(context.settings.log_file, "OPENWATT_LOG_FILE").resolve()
    remedy = "install ops/logrotate/openwatt as /etc/logrotate.d/openwatt, with this log's path in it"
    if not is_installed("logrotate"):
        return _unrotated(context, log, "logrotate is not installed", "apt-get install logrotate; " + remedy)
    if not context.logrotate.exists():
        return _unrotated(context, log, f"{context.logrotate} is not there", remedy)
    done = run("logrotate", "-d", "--state", "/dev/null", str(context.logrotate))
    output = done.stdout + done.stderr
    faults = [line for line in output.splitlines() if line.startswith("error:")]
    if not any(_covers(pattern, log) for pattern in _patterns(output)):
        return _unrotated(context, log, f"no rule of {context.logrotate} covers {log}", remedy)
    if faults:
        raise CheckFailedError(
            f"logrotate refuses: {faults[0].removeprefix('error: ')}", f"fix {context.logrotate}"
        )
    return ok(f"{log} is covered by {context.logrotate}, which logrotate accepts")


def _patterns(output: str) -> Iterator[str]:
    """Yields the file patterns that logrotate reports to rotate."""
    for names in _ROTATED.findall(output):
        try:
            yield from shlex.split(names)
        except ValueError:  # a quotation mark without its second: logrotate tells of it
            continue


def _covers(pattern: str, log: Path) -> bool:
    """Whether a pattern matches the log, symbolic links of its folder resolved."""
    written = Path(pattern)
    return written.is_absolute() and (
        log.match(pattern) or log.match(str(written.parent.resolve() / written.name))
    )


def _unrotated(context: CheckContext, log: Path, why: str, remedy: str) -> CheckVerdict:
    size = log.stat().st_size if log.exists() else 0
    if context.in_production or size > MOST_UNROTATED_BYTES:
        raise CheckFailedError(f"{why}; it has {size / 1e6:.1f} MB", remedy)
    raise CheckSkippedError(f"{why}; with {size / 1e6:.1f} MB that does no harm yet")
