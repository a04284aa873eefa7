"""The sub-path under which a proxy shows the service, as in https://example.org/electricite/."""

from collections.abc import Callable, Iterable
from typing import Any, Final
from wsgiref.types import WSGIApplication

from flask import request

from openwatt.web.http.static_files import with_hash

#: The header in which a proxy says it; caches on the way keep what depends on it apart.
HEADER: Final = "X-Forwarded-Prefix"


def address(path: str) -> str:
    """The address of a path of this service, below the sub-path of the request.

    That of a static file has its hash in it, whoever writes it: a page that named the plain file
    would be shown with the files of another version for as long as a cache holds them.
    """
    return f"{request.script_root}{with_hash(path)}"


class SubPath:
    """The WSGI application around all others: it takes the sub-path from where WSGI has it, SCRIPT_NAME.

    It is the fixed one, of the settings; without one, the proxy before the service is trusted to
    name it in `X-Forwarded-Prefix`, and what is no plain path is disregarded. A proxy may pass the path on
    with the sub-path or without: both mean the same, because no sub-path begins like an address
    of the service itself.
    """

    def __init__(self, app: WSGIApplication, *, fixed: str | None, read: Callable[[str], str]) -> None:
        self._app = app
        self._fixed = fixed
        self._read = read

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Calls the application with the sub-path apart from the path."""
        root = self._fixed
        if root is None:
            root = self._named(environ)
            start_response = _varying(start_response)
        if root:
            environ["SCRIPT_NAME"] = root
            path = environ["PATH_INFO"]
            if path == root or path.startswith(f"{root}/"):
                environ["PATH_INFO"] = path[len(root) :] or "/"
        return self._app(environ, start_response)

    def _named(self, environ: dict[str, Any]) -> str:
        """What the nearest proxy names: the last entry, where there are several."""
        named = environ.get("HTTP_X_FORWARDED_PREFIX", "").rpartition(",")[2].strip()
        try:
            return self._read(named) if named.strip("/") else ""
        except ValueError:
            return ""


def _varying(start_response: Callable[..., Any]) -> Callable[..., Any]:
    """Tells caches that the header matters: a proxy that does not set it passes on what a client wrote."""

    def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        return start_response(status, [*headers, ("Vary", HEADER)], *error)

    return start
