"""The absolute addresses of this service, as its clients reach it: for what is read apart from its page."""

from flask import current_app, request

from openwatt.web.http.sub_path import address


def public_address(path: str) -> str:
    """The absolute address of a path: scheme and host by which the client came, below the sub-path.

    The host is that of the request, which proxies pass on. The scheme is what the nearest trusted proxy
    says, because the last step of a request is seldom encrypted. A host that a client writes into
    `X-Forwarded-Host` is not read: many proxies pass that on as it came.
    """
    scheme = request.scheme
    if current_app.config["TRUSTED_PROXIES"]:
        named = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        scheme = named if named in {"http", "https"} else scheme
    return f"{scheme}://{request.host}{address(path)}"
