"""Kept answers, given before Flask: a request that has been answered before costs next to nothing."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from openwatt.web.http.lifecycle import Access
from openwatt.web.http.security_headers import GUARDS, guard_browser
from openwatt.web.http.views import Answers

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Front:
    """The WSGI application around Flask's: what it does not have at hand, Flask answers.

    Flask's own share of a request (its contexts, routing, hooks, header objects) is 40 µs,
    as much as all that is told about the request; only without it is the whole within 1.3 ×
    of a bare Flask view (measured: bench/ladder.py). The same `Access` is gone through here
    and there, so that a request is limited, logged and counted alike.
    """

    def __init__(self, app: Flask, answers: Answers, access: Access) -> None:
        self._app = app
        self._next = app.wsgi_app
        self._answers = answers
        self._access = access

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers from what is kept, else asks Flask."""
        kept = self._answers.cached(environ) if environ["REQUEST_METHOD"] == "GET" else None
        if kept is None:
            return self._next(environ, start_response)
        access = self._access
        context = access.begin(environ, environ["PATH_INFO"], kept.route, kept.endpoint)
        try:
            refusal = access.limits.refusal(context)
            if refusal is not None:
                refusal.headers["X-Request-ID"] = context.request_id
                access.limits.tell(context, refusal)
                access.finish(context, refusal.status_code, refusal.calculate_content_length())
                return guard_browser(refusal)(environ, start_response)
            kept.count()
            status, headers, body = kept.answer_to(environ)
            access.finish(context, int(status[:3]), len(body))
            told = [*headers, *GUARDS, *access.limits.told(context), ("X-Request-ID", context.request_id)]
        except Exception as error:  # noqa: BLE001 - Flask tells Sentry, logs it and answers 500, as for a view
            with self._app.request_context(environ):  # its hooks find the request begun, and end it
                return self._app.handle_exception(error)(environ, start_response)
        finally:
            access.end(context)
        start_response(status, told)
        return (body,)
