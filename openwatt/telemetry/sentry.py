"""Error reports to Sentry: everything needed to understand a failure, and none of its secrets."""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import sentry_sdk
from sentry_sdk.crons import MonitorStatus, capture_checkin
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.utils import event_from_exception

from openwatt.telemetry import context as contexts
from openwatt.telemetry.redaction import redact, redact_text

if TYPE_CHECKING:
    from sentry_sdk._types import Event, Hint, MonitorConfig

#: Headers that describe the request, and nothing of the client.
_REPORTED_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "content-length", "content-type", "host", "traceparent", "user-agent"}
)
_PLAIN_RECORD: Final = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {"message"}
_REPORT_AGAIN_SECONDS: Final = 60.0
#: Sentry cuts names of monitors there.
_LONGEST_MONITOR: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SentryConfig:
    """Where errors are reported and what is not reported.

    `probe_endpoints` return 5xx in normal operation; an exception raised in
    one is reported like any other. `untraced_paths` are whole paths.
    """

    dsn: str
    release: str
    environment: str
    traces_sample_rate: float = 0.0
    probe_endpoints: frozenset[str] = frozenset()
    untraced_paths: frozenset[str] = frozenset()
    ignored_exceptions: tuple[type[BaseException], ...] = ()
    flush_seconds: float = 2.0


class ErrorReports:
    """Sentry, set up so that a request without an error pays nothing for it.

    The Flask integration costs 120-150 µs a request; Flask's own signal,
    `got_request_exception.connect(reports.report_exception)`, costs 1 µs and
    gives the same, since the request's context holds what a report needs.
    """

    def __init__(self, config: SentryConfig, *, active: bool = True) -> None:
        self._config = config
        self._reported_at: dict[tuple[str | None, int], float] = {}
        self._lock = threading.Lock()
        #: Events that could only be sent without their content.
        self.unredactable = 0
        self._client = sentry_sdk.Client(
            dsn=config.dsn,
            release=config.release,
            environment=config.environment,
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[
                AtexitIntegration(callback=lambda _pending, _timeout: None),
                DedupeIntegration(),
                ExcepthookIntegration(),
            ],
            # `send_default_pii` is left unset, which is no: naming it is deprecated.
            include_local_variables=False,
            max_request_body_size="never",
            event_scrubber=EventScrubber(recursive=True),
            before_send=self._redacted,
            before_send_transaction=self._redacted,
            before_breadcrumb=_redacted_breadcrumb,
            traces_sampler=self._sample,
            shutdown_timeout=config.flush_seconds,
        )
        if active:
            self.activate()

    def activate(self) -> None:
        """Makes this the one client of the process."""
        sentry_sdk.get_global_scope().set_client(self._client)

    def close(self) -> None:
        """Ends this client; what waits is sent within `flush_seconds`, and the process then has none."""
        if sentry_sdk.get_client() is self._client:
            sentry_sdk.get_global_scope().set_client(None)
        self._client.close(self._config.flush_seconds)

    def report_exception(self, _sender: object, exception: BaseException, **_extra: object) -> None:
        """Sends an exception with its request, as a receiver of `got_request_exception`. Never raises."""
        try:
            context = contexts.current()
            if context is not None:
                context.error_reported = True
            if isinstance(exception, self._config.ignored_exceptions):
                return
            event, hint = event_from_exception(
                exception,
                client_options=sentry_sdk.get_client().options,
                mechanism={"type": "generic" if context is None else "flask", "handled": False},
            )
            self._capture(event, hint, context)
        except Exception:
            logging.getLogger("openwatt.sentry").exception("an error report failed")

    def report_response(self, status: int) -> None:
        """Sends a 5xx that no exception explains (`abort(500)`), once a minute for each route."""
        context = contexts.current()
        if status < 500 or context is None or context.error_reported:
            return
        if context.endpoint in self._config.probe_endpoints or not self._is_due(context.route, status):
            return
        context.error_reported = True
        event: Event = {
            "level": "error",
            "message": f"{status} without an exception",
            "fingerprint": ["response without an exception", str(context.route), str(status)],
        }
        self._capture(event, {}, context)

    def begin_check_in(self, monitor: str, *, every_days: int) -> tuple[str, str | None, float]:
        """Reports the start of a job that runs every `every_days`; returns what `end_check_in` needs."""
        monitor = monitor[:_LONGEST_MONITOR]
        schedule: MonitorConfig = {
            "schedule": {"type": "interval", "value": every_days, "unit": "day"},
            "checkin_margin": 6 * 60,
            "max_runtime": 15,
            "failure_issue_threshold": 3,
            "recovery_threshold": 1,
            "timezone": "Europe/Paris",
        }
        check_in = capture_checkin(monitor, status=MonitorStatus.IN_PROGRESS, monitor_config=schedule)
        return monitor, check_in, time.monotonic()

    def end_check_in(self, started: tuple[str, str | None, float], *, good: bool) -> None:
        """Reports the end of a job."""
        monitor, check_in, start_s = started
        status = MonitorStatus.OK if good else MonitorStatus.ERROR
        capture_checkin(monitor, check_in, status, duration=time.monotonic() - start_s)

    def traced(self, application: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps the WSGI application with tracing; returns it unchanged when the sample rate is 0."""
        if self._config.traces_sample_rate <= 0:
            return application
        return SentryWsgiMiddleware(application)

    def flush(self) -> None:
        """Sends the events that wait, within `flush_seconds`; also done at exit."""
        sentry_sdk.flush(self._config.flush_seconds)

    def _is_due(self, route: str | None, status: int) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._reported_at.get((route, status), -_REPORT_AGAIN_SECONDS) < _REPORT_AGAIN_SECONDS:
                return False
            self._reported_at[(route, status)] = now
        return True

    def _capture(
        self, event: "Event", hint: "Hint | dict[str, Any]", context: contexts.RequestContext | None
    ) -> None:
        with sentry_sdk.new_scope() as scope:
            if context is not None:
                _describe(context, event, scope)
            sentry_sdk.capture_event(event, hint=hint)

    def _redacted(self, event: "Event", _hint: "Hint") -> "Event":
        """Returns the event without secrets. An exception here would lose the event, so none is raised."""
        try:
            redacted = redact(event)
            if isinstance(redacted, dict):
                return redacted  # type: ignore[return-value]
        except Exception:  # noqa: BLE001  reported below, in the event itself
            redacted = None
        self.unredactable += 1
        return {
            "event_id": event.get("event_id", ""),
            "timestamp": dt.datetime.now(dt.UTC),
            "level": "error",
            "platform": "python",
            "release": self._config.release,
            "environment": self._config.environment,
            "message": "an event could not be cleaned, so its content was left out",
            "tags": {"request_id": str((event.get("tags") or {}).get("request_id", ""))},
        }

    def _sample(self, sampling: Mapping[str, Any]) -> float:
        """The chance that a request is traced. A client may lower the rate, never raise it."""
        path = (sampling.get("wsgi_environ") or {}).get("PATH_INFO")
        if path in self._config.untraced_paths or sampling.get("parent_sampled") is False:
            return 0.0
        return self._config.traces_sample_rate


def _describe(context: contexts.RequestContext, event: "Event", scope: sentry_sdk.Scope) -> None:
    """Adds a request, its ids and its own log records to an event."""
    scope.set_tag("request_id", context.request_id)
    if context.trace_id is not None:
        scope.set_tag("trace_id", context.trace_id)
    event["transaction"] = context.endpoint or context.route or context.path
    pairs = parse_qsl(context.query_string, keep_blank_values=True, max_num_fields=None)[:50]
    event["request"] = {
        "method": context.method,
        "url": redact_text(context.path),
        "query_string": redact([[name, value] for name, value in pairs]),
        "headers": {name: value for name, value in context.headers if name.lower() in _REPORTED_HEADERS},
    }
    scope.set_context(
        "database",
        {"queries": context.db_queries, "milliseconds": round(context.db_ms, 3), "type": "database"},
    )
    for record in context.records:
        scope.add_breadcrumb(_breadcrumb(record))


def _breadcrumb(record: logging.LogRecord) -> dict[str, Any]:
    extras = {
        name: value
        for name, value in record.__dict__.items()
        if name not in _PLAIN_RECORD and not name.startswith("_")
    }
    return {
        "timestamp": dt.datetime.fromtimestamp(record.created, dt.UTC),
        "level": record.levelname.lower(),
        "category": record.name,
        "message": record.getMessage(),
        "data": extras,
    }


def _redacted_breadcrumb(crumb: dict[str, Any], _hint: dict[str, Any]) -> dict[str, Any]:
    return crumb | {
        "message": redact_text(str(crumb.get("message", ""))),
        "data": redact(crumb.get("data") or {}),
    }
