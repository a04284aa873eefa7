"""The documentation: a page of Swagger UI and the OpenAPI contract that it shows."""

import msgspec
from flask import Response, current_app

from openwatt.web.http.openapi import contract
from openwatt.web.http.sub_path import address
from openwatt.web.pages.rendering import show

#: Everything comes from here and nothing is inline. Swagger UI draws its icons from data addresses.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_page() -> Response:
    """The interactive documentation in the frame of the pages; its assets are served by us."""
    response = show("docs.html")
    response.headers["Content-Security-Policy"] = DOCS_POLICY
    return response


def _contract_bytes() -> bytes:
    """The contract of the app that handles this request, put together once, for the sub-path it came by."""
    extensions = current_app.extensions
    if "openwatt.contract" not in extensions:
        extensions["openwatt.contract"] = msgspec.json.encode(contract(current_app))
    here = msgspec.json.encode([{"url": address("") or "/"}])
    return bytes(extensions["openwatt.contract"]).replace(b'[{"url":"/"}]', here, 1)


def openapi_contract() -> Response:
    """The contract as OpenAPI 3.1."""
    response = Response(_contract_bytes(), content_type="application/json")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
