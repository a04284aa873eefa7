"""Cross-origin reads (CORS, in the Fetch standard): any page of the web may read the public API."""

from collections.abc import Sequence
from typing import Final

from flask import Response, current_app, request

#: The contract is read by tools that run in a browser.
_CONTRACT: Final = "/openapi.json"
#: These need a token, and no other site's page has any business there.
_CLOSED: Final = ("/v1/admin/", "/v1/drills/")
#: `*` is for requests without credentials alone: a browser gives no page an answer to one with cookies.
_ANY_ORIGIN: Final = ("Access-Control-Allow-Origin", "*")
#: What a page may read of an answer beyond its body and the few headers that every page may.
_EXPOSED: Final = (
    "Access-Control-Expose-Headers",
    ", ".join(
        (
            *("Content-Disposition", "Deprecation", "ETag", "Link", "Retry-After", "Sunset"),
            *("RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining"),
            *("X-RateLimit-Reset", "X-Request-ID"),
        )
    ),
)
_HEADERS: Final = (_ANY_ORIGIN, _EXPOSED)
#: A browser need not ask again for a day; most of them do so sooner.
_PREFLIGHT_MAX_AGE_S: Final = 24 * 3600


def _is_open(path: str) -> bool:
    return path == _CONTRACT or (path.startswith("/v1/") and not path.startswith(_CLOSED))


def cors_headers(path: str) -> Sequence[tuple[str, str]]:
    """The headers that let pages of other origins read an answer; the same to all, for shared caches."""
    return _HEADERS if _is_open(path) else ()


def answer_preflight() -> Response | None:
    """The answer to a browser's question whether a page may send a request; None for any other request."""
    asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if not asks or request.routing_exception is not None or not _is_open(request.path):
        return None
    response = current_app.make_default_options_response()
    response.status_code = 204
    response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
    response.headers["Access-Control-Allow-Headers"] = "*"
    response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_MAX_AGE_S)
    return response
