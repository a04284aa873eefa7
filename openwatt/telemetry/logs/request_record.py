"""The canonical record: one log line for each request, whatever happened to it."""

import logging
import time

from openwatt.telemetry.context import RequestContext

_logger = logging.getLogger("openwatt.access")


def log_request(
    context: RequestContext, status: int, response_bytes: int | None, *, quiet: bool = False
) -> float:
    """Writes a request's record and returns its duration in seconds.

    5xx are errors; the rest is information, or debug when `quiet` (probes and
    /metrics, which would outnumber the others). A quiet 5xx is a warning: a probe
    that reports unavailability is worth a record, yet no fault of the service.
    """
    seconds = (time.perf_counter_ns() - context.started_ns) / 1e9
    level = _level(status, quiet=quiet)
    if _logger.isEnabledFor(level):
        # Made by hand: no stack to search for the calling line, no names to check.
        record = logging.LogRecord(_logger.name, level, "", 0, "request", None, None)
        fields = record.__dict__
        fields["method"] = context.method
        fields["route"] = context.route
        fields["path"] = context.path
        fields["status"] = status
        fields["duration_ms"] = round(seconds * 1000, 3)
        fields["cpu_ms"] = round((time.thread_time_ns() - context.cpu_started_ns) / 1e6, 3)
        fields["db_ms"] = round(context.db_ms, 3)
        fields["db_queries"] = context.db_queries
        fields["response_bytes"] = response_bytes
        fields["client"] = context.client
        _logger.handle(record)
    return seconds


def _level(status: int, *, quiet: bool) -> int:
    if status >= 500:
        return logging.WARNING if quiet else logging.ERROR
    return logging.DEBUG if quiet else logging.INFO
