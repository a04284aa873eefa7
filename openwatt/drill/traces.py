"""The traces of one request: its record wherever logs are read, and its error report."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from openwatt.doctor.http_probe import safe_url
from openwatt.doctor.logs import (
    Records,
    records_in_cloudwatch,
    records_in_elasticsearch,
    records_in_file,
)
from openwatt.doctor.programs import is_installed
from openwatt.doctor.reports import Dsn, ReportApi
from openwatt.drill.steps import DrillRun, Step, StepFailedError


def trace(run: DrillRun, request_id: str, *, reported: bool) -> Iterator[Step]:
    """Finds a request's record in every place the settings name, and its error report if it has one.

    A place where it is not found is a failed step; the others are looked at nevertheless.
    """
    settings = run.context.settings
    since_s = time.time() - 60
    places: list[tuple[str, Callable[[], Records]]] = []
    if (log := settings.log_file) is not None:
        places.append((str(log), lambda: records_in_file(log, request_id)))
    if (url := settings.elasticsearch_url) is not None:
        places.append((safe_url(url), lambda: records_in_elasticsearch(run.context, url, request_id)))
    if (group := settings.cloudwatch_log_group) is not None and is_installed("aws"):
        places.append((group, lambda: records_in_cloudwatch(group, request_id, since_s)))
    if not places:
        yield run.skipped(
            "no place of logs is set (OPENWATT_LOG_FILE, OPENWATT_ELASTICSEARCH_URL or "
            "OPENWATT_CLOUDWATCH_LOG_GROUP): look for the id in the service's own output"
        )
    for where, look in places:
        try:
            record = run.wait(
                partial(_canonical, look),
                f"the log record in {where}",
                "`openwatt doctor` says where the way of the logs breaks",
                seconds=run.context.timeout_s,
            )
            yield run.passed(
                f"its log record is in {where}: {record.get('event')}, status {record.get('status')}, "
                f"{record.get('duration_ms')} ms"
            )
        except StepFailedError as missed:
            yield missed.step
    if reported:
        yield _report(run, request_id)


def _canonical(look: Callable[[], Records]) -> dict[str, Any] | None:
    """The canonical record of a request among all of its records; None while it has not come."""
    return next((record for record in look() if record.get("event") == "request"), None)


def _report(run: DrillRun, request_id: str) -> Step:
    settings = run.context.settings
    if settings.sentry_dsn is None:
        return run.skipped("OPENWATT_SENTRY_DSN is not set: errors are not reported")
    if settings.sentry_url is None or settings.sentry_token is None:
        return run.skipped(
            "the report cannot be read back (OPENWATT_SENTRY_URL and _TOKEN): "
            f"look for request_id:{request_id}"
        )
    dsn = Dsn.read(settings.sentry_dsn)
    api = ReportApi(run.context.http, settings.sentry_url, settings.sentry_token, dsn)
    try:
        run.wait(
            lambda: api.find_report(request_id),
            f"the error report in {safe_url(api.url)}",
            "give the service the same OPENWATT_SENTRY_DSN; `openwatt doctor` tries the way of reports",
            seconds=run.context.timeout_s,
        )
    except StepFailedError as missed:
        return missed.step
    return run.passed(f"its error report is in {safe_url(api.url)}, with the request id")
