"""Before and after each request: its id, its client, its limits, its one log record, its metrics."""

import ipaddress
import time
from collections.abc import Callable, Mapping

from flask import Flask, Response, request

from openwatt.telemetry import context as contexts
from openwatt.telemetry.access import log_request
from openwatt.telemetry.context import RequestContext, parse_traceparent, request_id_from
from openwatt.telemetry.metrics import Metrics
from openwatt.telemetry.sentry import ErrorReports
from openwatt.web.limits import Limits

_POOL_REPORT_EVERY_S = 5.0


def client_address(environ: Mapping[str, str], trusted_proxies: int) -> str:
    """The client's address: what the outermost of our own proxies saw.

    Each proxy appends the address it was asked from to `X-Forwarded-For`, so the
    entry that counts is the `trusted_proxies`-th from the right; anything further
    left was written by the client and can be anything. With no proxy, or when the
    header has fewer entries than it should, the connection's own address is taken.
    """
    peer = environ.get("REMOTE_ADDR") or "unknown"
    if not trusted_proxies:
        return peer
    entries = [entry.strip() for entry in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if len(entries) < trusted_proxies:
        return peer
    try:
        return str(ipaddress.ip_address(entries[-trusted_proxies].strip("[]")))
    except ValueError:
        return peer


def register_access(
    app: Flask,
    metrics: Metrics,
    limits: Limits,
    reports: ErrorReports | None,
    *,
    trusted_proxies: int,
    quiet_endpoints: frozenset[str],
    private_endpoints: frozenset[str],
    pool_statistics: Callable[[], Mapping[str, int]],
) -> None:
    """Registers the hooks. They must be the app's first: a request refused by its limit has a record too.

    What `private_endpoints` were asked stays out of error reports: it tells of a customer's home.
    """
    pool_reported_at = 0.0

    @app.before_request
    def _begin() -> Response | None:
        environ = request.environ
        rule = request.url_rule
        traceparent = environ.get("HTTP_TRACEPARENT")
        trace = parse_traceparent(traceparent) if traceparent else None
        context = RequestContext(
            request_id=request_id_from(environ.get("HTTP_X_REQUEST_ID")),
            trace_id=trace[0] if trace else None,
            method=request.method,
            path=request.path,
            query_string="" if request.endpoint in private_endpoints else environ.get("QUERY_STRING", ""),
            client=client_address(environ, trusted_proxies),
            route=rule.rule if rule else None,
            endpoint=rule.endpoint if rule else None,
            headers=request.headers,
        )
        contexts.begin(context)
        metrics.in_progress.inc()
        return limits.refusal(context)

    @app.after_request
    def _end(response: Response) -> Response:
        nonlocal pool_reported_at
        context = contexts.current()
        if context is None:  # the hooks above did not run: nothing began that could end
            return response
        status = response.status_code
        response.headers.add("X-Request-ID", context.request_id)
        limits.tell(context, response)
        if reports is not None and status >= 500:
            reports.report_response(status)
        seconds = log_request(
            context,
            status,
            response.calculate_content_length(),
            quiet=context.endpoint in quiet_endpoints,
        )
        metrics.observe_request(context.method, context.route, status, seconds)
        if time.monotonic() > pool_reported_at + _POOL_REPORT_EVERY_S:
            pool_reported_at = time.monotonic()
            metrics.report_pool(pool_statistics())
        return response

    @app.teardown_request
    def _teardown(_error: BaseException | None) -> None:
        context = contexts.current()
        if context is not None:
            metrics.in_progress.dec()
            contexts.end(context)
