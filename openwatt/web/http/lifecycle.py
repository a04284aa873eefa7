"""Before and after each request: its id, its client, its limits, its one log record, its metrics."""

import ipaddress
import re
import time
from collections.abc import Callable, Iterable, Mapping

from flask import Flask, Response, request

from openwatt.telemetry import context as contexts
from openwatt.telemetry.context import RequestContext, parse_traceparent, request_id_from
from openwatt.telemetry.logs.request_record import log_request
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.telemetry.sentry import ErrorReports
from openwatt.web.http.rate_limits import Limits

#: How often the pool and the response cache are shown in the metrics.
_REPORT_EVERY_S = 5.0
_WRITTEN_ADDRESS = re.compile(
    r"\[(?P<bracketed>[0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?"
    r"|(?P<ipv4>[0-9.]+)(?::[0-9]{1,5})?"
    r"|(?P<bare>[0-9A-Fa-f:.]+)"
)


def client_address(environ: Mapping[str, str], trusted_proxies: int) -> str:
    """The client's address: what the outermost of our own proxies saw.

    Each proxy appends the address it was asked from to `X-Forwarded-For`, so the
    entry that counts is the `trusted_proxies`-th from the right; anything further
    left was written by the client and can be anything. With no proxy, or when the
    header has fewer entries than it should, the connection's own address is taken.
    """
    peer = environ.get("REMOTE_ADDR") or "unknown"
    if trusted_proxies:
        entries = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        seen = entries[-trusted_proxies].strip() if len(entries) >= trusted_proxies else ""
        return _address(seen) or _address(peer) or peer
    return (_address(peer) or peer) if ":" in peer else peer


def _address(entry: str) -> str | None:
    """The address in what a proxy wrote: alone, in brackets, or with a port; None when it is none.

    An IPv4 client of a socket that listens on both is told as `::ffff:192.0.2.1`: it is
    written as what it is, or all of them would be one IPv6 network.
    """
    match = _WRITTEN_ADDRESS.fullmatch(entry)
    if match is None:
        return None
    try:
        address = ipaddress.ip_address(match["bracketed"] or match["ipv4"] or match["bare"])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _bytes_sent(method: str, response: Response) -> int | None:
    """The size of the body as it goes out; None for a stream whose end nobody knows."""
    if method == "HEAD" or response.status_code in {204, 304}:
        return 0
    size = response.calculate_content_length()
    return response.content_length if size is None else size  # a static file knows its size


class Access:
    """What is done before and after each request, whether Flask answers it or `front.Front`.

    What `private_endpoints` were asked stays out of error reports: it tells of a customer's home.
    """

    def __init__(
        self,
        metrics: Metrics,
        limits: Limits,
        *,
        trusted_proxies: int,
        quiet_endpoints: frozenset[str],
        private_endpoints: frozenset[str] = frozenset(),
        pool_statistics: Callable[[], Mapping[str, int]],
        report_cache: Callable[[], None],
    ) -> None:
        self.limits = limits
        self._metrics = metrics
        self._trusted_proxies = trusted_proxies
        self._quiet_endpoints = quiet_endpoints
        self._private_endpoints = private_endpoints
        self._pool_statistics = pool_statistics
        self._report_cache = report_cache
        self._reported_at = 0.0

    def begin(
        self,
        environ: Mapping[str, str],
        path: str,
        route: str | None,
        endpoint: str | None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> RequestContext:
        """Begins a request: what is logged from here on has its id."""
        traceparent = environ.get("HTTP_TRACEPARENT")
        trace = parse_traceparent(traceparent) if traceparent else None
        context = RequestContext(
            request_id=request_id_from(environ.get("HTTP_X_REQUEST_ID")),
            trace_id=trace[0] if trace else None,
            method=environ["REQUEST_METHOD"],
            path=path,
            query_string="" if endpoint in self._private_endpoints else environ.get("QUERY_STRING", ""),
            client=client_address(environ, self._trusted_proxies),
            route=route,
            endpoint=endpoint,
            headers=headers,
            root=environ.get("SCRIPT_NAME", ""),
        )
        contexts.begin(context)
        self._metrics.in_progress.inc()
        return context

    def finish(self, context: RequestContext, status: int, response_bytes: int | None) -> None:
        """Writes an answered request's record and counts it."""
        quiet = context.endpoint in self._quiet_endpoints
        seconds = log_request(context, status, response_bytes, quiet=quiet)
        self._metrics.observe_request(context.method, context.route, status, seconds)
        if time.monotonic() > self._reported_at + _REPORT_EVERY_S:
            self._reported_at = time.monotonic()
            self._metrics.report_pool(self._pool_statistics())
            self._report_cache()

    def end(self, context: RequestContext) -> None:
        """Ends a request, answered or not. A second call does nothing."""
        if context.token is not None:
            self._metrics.in_progress.dec()
            contexts.end(context)


def register_access(app: Flask, access: Access, reports: ErrorReports | None) -> None:
    """Registers the hooks. They must be the app's first: a request refused by its limit has a record too."""

    @app.before_request
    def _begin() -> Response | None:
        rule = request.url_rule
        context = access.begin(
            request.environ,
            request.path,
            rule.rule if rule else None,
            rule.endpoint if rule else None,
            request.headers,
        )
        return access.limits.refusal(context)

    @app.after_request
    def _end(response: Response) -> Response:
        context = contexts.current()
        if context is None:  # the hooks above did not run: nothing began that could end
            return response
        response.headers["X-Request-ID"] = context.request_id
        access.limits.tell(context, response)
        if reports is not None and response.status_code >= 500:
            reports.report_response(response.status_code)
        access.finish(context, response.status_code, _bytes_sent(context.method, response))
        return response

    @app.teardown_request
    def _teardown(_error: BaseException | None) -> None:
        context = contexts.current()
        if context is not None:
            access.end(context)
