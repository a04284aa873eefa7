"""Security headers: what a browser, and the caches on the way, may not do with a response."""

from flask import Response

#: For responses that are data; a page says itself what it may load.
GUARDS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)


#: For responses about one household: its own kWh, file, power, contract.
PRIVATE = "private, no-store"


def forbid_caching(response: Response) -> Response:
    """Forbids all caches and search engines: an `after_request` of a blueprint of one household's responses.

    A response without any figure of a household says `public`, and is left alone.
    """
    if not response.cache_control.public:
        response.headers["Cache-Control"] = PRIVATE
        response.headers["X-Robots-Tag"] = "noindex"
        del response.headers["ETag"]
    return response


def missing_guards(response: Response) -> list[tuple[str, str]]:
    """The guards that a response has not set itself."""
    present = {name.lower() for name, _ in response.headers}
    return [guard for guard in GUARDS if guard[0].lower() not in present]
