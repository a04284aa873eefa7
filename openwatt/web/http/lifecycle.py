"""The lifecycle of a request: its id, its client, its limit, its one log record, its metrics."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from flask import Flask, Response, request

from openwatt.telemetry import context as contexts
from openwatt.telemetry.context import RequestContext, parse_traceparent, request_id_from
from openwatt.telemetry.logs.request_record import log_request
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.telemetry.sentry import ErrorReports
from openwatt.web.http.client_address import client_address
from openwatt.web.http.cors import answer_preflight, cors_headers
from openwatt.web.http.rate_limits import RateLimits
from openwatt.web.http.responses import ReadyResponse
from openwatt.web.http.security_headers import GUARDS, missing_guards
from openwatt.web.http.text_responses import encode_text
from openwatt.web.http.trailing_slash import redirect_to_our_path

#: How often the pool and the response cache are shown in the metrics.
_REPORT_EVERY_S = 5.0


class RequestLifecycle:
    """What is done before and after each request, whether Flask or the response cache answers it.

    The query string of `private_endpoints` stays out of error reports: it describes a customer's home.
    """

    def __init__(
        self,
        metrics: Metrics,
        limits: RateLimits,
        reports: ErrorReports | None,
        *,
        trusted_proxies: int,
        quiet_endpoints: frozenset[str],
        private_endpoints: frozenset[str] = frozenset(),
        report_state: Callable[[], None],
    ) -> None:
        self.limits = limits
        self._metrics = metrics
        self._reports = reports
        self._trusted_proxies = trusted_proxies
        self._quiet_endpoints = quiet_endpoints
        self._private_endpoints = private_endpoints
        self._report_state = report_state
        self._reported_at = 0.0

    def init_app(self, app: Flask) -> None:
        """Registers the hooks. They must be the app's first: a request above its limit has a record too."""
        app.before_request(self._before_request)
        app.before_request(answer_preflight)
        app.before_request(redirect_to_our_path)
        app.after_request(self._after_request)  # these run last first: it sees what goes out
        app.after_request(encode_text)
        app.teardown_request(self._teardown_request)
        self.limits.init_app(app)

    def start(
        self,
        environ: Mapping[str, str],
        path: str,
        route: str | None,
        endpoint: str | None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> RequestContext:
        """Starts a request: what is logged from here on has its id."""
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

    def headers(
        self, context: RequestContext, guards: Sequence[tuple[str, str]] = GUARDS, *, cacheable: bool
    ) -> list[tuple[str, str]]:
        """The headers that a response has beyond its own.

        One that shared caches may keep says nothing of this request: whoever gets it from a cache
        would take the id of another client's request, and what remains of its limit, for its own.
        """
        headers = [*guards, *self.limits.headers(context), *cors_headers(context.path)]
        if not cacheable:
            headers += [*self.limits.remaining_headers(context), ("X-Request-ID", context.request_id)]
        return headers

    def finish(self, context: RequestContext, status: int, response_bytes: int | None) -> None:
        """Writes the record of a request that has its response, and counts it."""
        if self._reports is not None and status >= 500:
            self._reports.report_response(status)
        quiet = context.endpoint in self._quiet_endpoints
        seconds = log_request(context, status, response_bytes, quiet=quiet)
        self._metrics.observe_request(context.method, context.route, status, seconds)
        if time.monotonic() > self._reported_at + _REPORT_EVERY_S:
            self._reported_at = time.monotonic()
            self._report_state()

    def close(self, context: RequestContext) -> None:
        """Ends a request, answered or not. A second call does nothing."""
        if context.token is not None:
            self._metrics.in_progress.dec()
            contexts.end(context)

    def _before_request(self) -> Response | None:
        rule = request.url_rule
        context = self.start(
            request.environ,
            request.path,
            rule.rule if rule else None,
            rule.endpoint if rule else None,
            request.headers,
        )
        refusal = self.limits.check(context)
        return None if refusal is None else refusal.response()

    def _after_request(self, response: Response) -> Response:
        context = contexts.current()
        if context is None:  # `_before_request` did not run: nothing was started that could finish
            return response
        if isinstance(response, ReadyResponse):
            response.header_list += self.headers(context, cacheable=True)
        else:  # together, because setting headers one by one searches all of them each time
            cacheable = response.cache_control.public
            response.headers.extend(self.headers(context, missing_guards(response), cacheable=cacheable))
        self.finish(context, response.status_code, _bytes_sent(context.method, response))
        return response

    def _teardown_request(self, _error: BaseException | None) -> None:
        context = contexts.current()
        if context is not None:
            self.close(context)


def _bytes_sent(method: str, response: Response) -> int | None:
    """The size of the body as it goes out; None for a stream whose length is not known."""
    if method == "HEAD" or response.status_code in {204, 304}:
        return 0
    size = response.calculate_content_length()
    return response.content_length if size is None else size  # a static file knows its size
