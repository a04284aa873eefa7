"""What every answer tells a browser, and the caches on the way, not to do with it."""

from flask import Response

#: For answers that are data; a page says itself what it may load.
GUARDS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)


#: For what a household asks about itself: its own kWh, file, power, contract.
PRIVATE = "private, no-store"


def forbid_caching(response: Response) -> Response:
    """Lets nobody keep a response: an `after_request` of a blueprint whose questions are a household's own.

    The view of a question without any such figure says `public`, and is left alone.
    """
    if not response.cache_control.public:
        response.headers["Cache-Control"] = PRIVATE
        del response.headers["ETag"]
    return response


def guard_browser(response: Response) -> Response:
    """Adds the headers that an answer has not set itself: an `after_request` of the app."""
    for name, value in GUARDS:
        response.headers.setdefault(name, value)
    return response
