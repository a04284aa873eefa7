"""The WSGI middleware that answers from the response cache, before Flask."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from openwatt.web.http.app_state import AppState
from openwatt.web.http.lifecycle import RequestLifecycle
from openwatt.web.http.response_cache import key_of


class ResponseCacheMiddleware:
    """The WSGI application around Flask's: it gives cached responses, and Flask everything else.

    Flask's own share of a request (its contexts, routing, hooks, header objects) is 40 µs,
    as much as the whole lifecycle of the request; only without it is the whole within 1.3 ×
    of a bare Flask view (measured: bench/ladder.py). Both go through the same
    `RequestLifecycle`, so that a request is limited, logged and counted alike.
    """

    def __init__(self, app: Flask, state: AppState, lifecycle: RequestLifecycle) -> None:
        self._app = app
        self._next = app.wsgi_app
        self._state = state
        self._lifecycle = lifecycle

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Gives the cached response, where there is one that needs no question to the database."""
        now = self._state.clock().timestamp()
        version = self._state.data_version.known() if environ["REQUEST_METHOD"] == "GET" else None
        cached = None
        if version is not None:
            cached = self._state.response_cache.get(key_of(environ), version, now)
        if cached is None:
            return self._next(environ, start_response)
        lifecycle = self._lifecycle
        context = lifecycle.start(environ, environ["PATH_INFO"], cached.route, cached.endpoint)
        try:
            refusal = lifecycle.limits.check(context)
            if refusal is not None:
                with self._app.request_context(environ):  # its end is the end of the request
                    refused = refusal.response()
                    refused.headers.extend(lifecycle.headers(context, cacheable=False))
                    lifecycle.finish(context, refused.status_code, refused.calculate_content_length())
                return refused(environ, start_response)
            cached.count()
            status, headers, body = cached.answer_to(environ, now)
            headers = [*headers, *lifecycle.headers(context, cacheable=True)]
            lifecycle.finish(context, int(status[:3]), len(body))
        except Exception as error:  # noqa: BLE001 - Flask tells Sentry, logs it and answers 500, as for a view
            with self._app.request_context(environ):  # its hooks finish and close what was started here
                return self._app.handle_exception(error)(environ, start_response)
        finally:
            lifecycle.close(context)
        start_response(status, headers)
        return (body,)
