"""What is looked at in a browser, by address: the pages for people, the documentation and the contract."""

import msgspec
from flask import Blueprint, Response, current_app, render_template, request

from openwatt.web.http.openapi import contract
from openwatt.web.http.params import read_query
from openwatt.web.http.sub_path import address
from openwatt.web.pages.rendering import site
from openwatt.web.pages.status import status_page
from openwatt.web.pages.tariffs import history_page, tariffs_page

pages = Blueprint("pages", __name__)
site.add_url_rule("/tariffs", "tariffs", tariffs_page)
site.add_url_rule("/history", "history", history_page)
site.add_url_rule("/status", "status", status_page)
pages.register_blueprint(site)

#: Everything comes from here and nothing is inline. Swagger UI draws its icons from data addresses.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pages.get("/docs")
def docs() -> Response:
    """The interactive documentation; its assets are served by us."""
    read_query(request.query_string, ())
    response = Response(render_template("docs.html", address=address))
    response.headers["Content-Security-Policy"] = DOCS_POLICY
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def _contract_bytes() -> bytes:
    """The contract of the app that handles this request, put together once, for the sub-path it came by."""
    kept = current_app.extensions
    if "openwatt.contract" not in kept:
        kept["openwatt.contract"] = msgspec.json.encode(contract(current_app))
    here = msgspec.json.encode([{"url": address("") or "/"}])
    return bytes(kept["openwatt.contract"]).replace(b'[{"url":"/"}]', here, 1)


@pages.get("/openapi.json")
def openapi() -> Response:
    """The contract as OpenAPI 3.1."""
    read_query(request.query_string, ())
    response = Response(_contract_bytes(), content_type="application/json")
    response.headers["Cache-Control"] = "public, max-age=300"
    response.add_etag()
    response.make_conditional(request)
    return response
