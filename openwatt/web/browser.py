"""What every answer tells a browser not to do with it."""

from flask import Response

#: For answers that are data; a page says itself what it may load.
GUARDS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)


def guard_browser(response: Response) -> Response:
    """Adds the headers that an answer has not set itself: an `after_request` of the app."""
    for name, value in GUARDS:
        response.headers.setdefault(name, value)
    return response
