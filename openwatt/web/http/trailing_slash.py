"""Redirects to the one address of a resource: without a slash at its end, with single ones inside."""

import re
from urllib.parse import quote

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import RequestRedirect

from openwatt.web.http.sub_path import address


def redirect_to_our_path() -> Response | None:
    """A 308, which keeps method and query, to the same path written as its route has it; else None.

    It names a path of this service and no host: what a client writes in `Host` stays out of it.
    """
    error = request.routing_exception
    path = re.sub("/{2,}", "/", request.path).rstrip("/") or "/"
    is_other = isinstance(error, RequestRedirect) or (isinstance(error, NotFound) and path != request.path)
    if not is_other or not _has_route(path):
        return None
    query = request.query_string.decode("latin-1")
    response = Response(status=308)
    response.headers["Location"] = quote(address(path)) + (f"?{query}" if query else "")
    response.headers["Cache-Control"] = "no-store"
    return response


def _has_route(path: str) -> bool:
    """Whether a route has this path, for whatever method."""
    adapter = current_app.create_url_adapter(request)
    try:
        return adapter is not None and bool(adapter.match(path))
    except NotFound:
        return False
    except HTTPException:  # it takes another method
        return True
