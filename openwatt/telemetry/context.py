"""The context of a request: its ids, its clocks, its database time, its log records."""

import logging
import re
import time
import uuid
from collections import deque
from collections.abc import Iterable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
#: https://www.w3.org/TR/trace-context/#traceparent-header-field-values
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?P<rest>-.*)?"
)
#: How many of a request's log records are held for an error report.
MAX_RECORDS = 40


def request_id_from(header: str | None) -> str:
    """The client's request id when it is safe to repeat in logs and headers, else a new UUID."""
    if header is not None and _REQUEST_ID.fullmatch(header):
        return header
    return str(uuid.uuid4())


def parse_traceparent(header: str | None) -> tuple[str, str] | None:
    """(trace id, parent id) of a W3C `traceparent` header, or None when it is absent or invalid.

    A later version may add fields after the flags; version 00 may not, and
    version ff and ids of zeros alone are invalid.
    """
    match = _TRACEPARENT.fullmatch(header) if header is not None else None
    if match is None:
        return None
    version, trace_id, parent_id = match[1], match[2], match[3]
    if version == "ff" or (version == "00" and match["rest"]) or not trace_id.strip("0"):
        return None
    return (trace_id, parent_id) if parent_id.strip("0") else None


@dataclass(slots=True, eq=False)
class RequestContext:
    """One request, from its first hook to its teardown; only its own thread writes to it.

    `headers` yields (name, value) pairs and is read only for an
    error report; `query_string` is redacted before it leaves the process.
    """

    request_id: str
    trace_id: str | None = None
    method: str = ""
    path: str = ""
    query_string: str = ""
    client: str | None = None
    route: str | None = None
    endpoint: str | None = None
    headers: Iterable[tuple[str, str]] = ()
    root: str = ""
    """The sub-path under which the service was reached."""
    db_ms: float = 0.0
    db_queries: int = 0
    error_reported: bool = False
    records: deque[logging.LogRecord] = field(default_factory=lambda: deque(maxlen=MAX_RECORDS))
    started_ns: int = field(default_factory=time.perf_counter_ns)
    cpu_started_ns: int = field(default_factory=time.thread_time_ns)
    token: Token["RequestContext | None"] | None = None


_current: ContextVar[RequestContext | None] = ContextVar("openwatt_request", default=None)

#: The request that the calling thread serves, or None outside of one.
current = _current.get


def begin(context: RequestContext) -> RequestContext:
    """Makes a request the current one of this thread."""
    context.token = _current.set(context)
    return context


def end(context: RequestContext) -> None:
    """Ends a request; what is logged afterwards no longer carries its id. A second call does nothing."""
    token, context.token = context.token, None
    if token is not None:
        try:
            _current.reset(token)
        except ValueError:  # ended in another context than it began in, as a test client may do
            _current.set(None)


def record_query(seconds: float) -> None:
    """Adds one database statement to the current request; does nothing outside of one.

    The store calls it as a plain callback, without knowledge of this package.
    """
    context = _current.get()
    if context is not None:
        context.db_ms += seconds * 1000
        context.db_queries += 1
