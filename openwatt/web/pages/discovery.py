"""What crawlers, browsers and security researchers look for at fixed addresses."""

import datetime as dt

from flask import Response, abort, current_app, render_template

from openwatt.web.http.public_address import public_address
from openwatt.web.http.static_files import StaticFiles
from openwatt.web.http.sub_path import address
from openwatt.web.pages.i18n import CODES
from openwatt.web.pages.rendering import today

#: The pages that say the same to everybody, so that a search engine may list them.
LISTED = ("/", "/now", "/tariffs", "/history", "/docs")
#: RFC 9116 wants an end, and less than a year: the contact is that of a service which is configured now.
_CONTACT_HOLDS_FOR = dt.timedelta(days=180)
_A_DAY = "public, max-age=86400"


def robots_txt() -> Response:
    """Which addresses a crawler may read (RFC 9309): every page, and not the API, which has no end."""
    lines = ("User-agent: *", f"Disallow: {address('/v1/')}", f"Sitemap: {public_address('/sitemap.xml')}")
    return _text(lines)


def sitemap() -> Response:
    """The pages in each language, for search engines."""
    text = render_template("sitemap.xml", paths=LISTED, codes=CODES, public_address=public_address)
    return Response(text, content_type="application/xml", headers={"Cache-Control": _A_DAY})


def favicon() -> Response:
    """The icon for browsers and readers that ask for it without having read a page."""
    return StaticFiles.of(current_app).serve("favicon.ico")


def security_txt() -> Response:
    """The contact for vulnerabilities (RFC 9116); 404 where the operator has set none."""
    contact, expires = current_app.config["SECURITY_CONTACT"], current_app.config["SECURITY_EXPIRES"]
    if contact is None:
        abort(404)
    until = expires or today() + _CONTACT_HOLDS_FOR
    return _text(
        (
            f"Contact: {contact if ':' in contact else f'mailto:{contact}'}",
            f"Expires: {until.isoformat()}T00:00:00Z",
            f"Preferred-Languages: {', '.join(CODES)}",
            f"Canonical: {public_address('/.well-known/security.txt')}",
        )
    )


def _text(lines: tuple[str, ...]) -> Response:
    text = "".join(f"{line}\n" for line in lines)
    return Response(text, content_type="text/plain; charset=utf-8", headers={"Cache-Control": _A_DAY})
