"""A page of another origin reads the API in a real browser, and cannot read what is not for it."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Browser

#: Status, exposed headers and body of a request; or the error that the page gets in place of the answer.
FETCH = """
const [address, options, done] = arguments;
fetch(address, options).then(async answer => done({
  status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text(),
})).catch(error => done({error: String(error)}));
"""


class _EmptyPage(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another origin</title>")

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a page of another origin."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _EmptyPage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_page_of_another_origin_reads_the_api(browser: Browser, elsewhere: str) -> None:
    browser.driver.get(elsewhere)
    assert not elsewhere.startswith(browser.address)

    def fetched(path: str, **options: object) -> Any:
        return browser.driver.execute_async_script(FETCH, browser.address + path, options)

    for _ in range(3):  # the last is given from the response cache
        page = fetched("/v1/tariffs?limit=1", cache="no-store")
        assert page["status"] == 200
        assert {"etag", "link", "ratelimit-policy", "x-ratelimit-limit"} <= page["headers"].keys()
    redirected = fetched("/v1/tariffs/?limit=1")
    assert redirected["body"] == page["body"]
    problem = fetched("/v1/tariffs?on=never")
    assert problem["status"] == 400
    assert {"x-request-id", "ratelimit"} <= problem["headers"].keys()
    sent = {
        "method": "POST",
        "headers": {"Content-Type": "application/json", "X-Request-ID": "page-12345678"},
    }
    bills = fetched("/v1/bills", body='{"kwh": 4500, "power_kva": 6}', **sent)  # after a preflight
    assert (bills["status"], bills["headers"]["x-request-id"]) == (200, "page-12345678")
    assert fetched("/openapi.json")["status"] == 200
    for path, options in (
        ("/v1/tariffs", {"credentials": "include"}),
        ("/v1/admin/runs", {}),
        ("/status", {}),
    ):
        assert "Failed to fetch" in fetched(path, **options)["error"], (path, options)
    browser.complaints()  # the refused ones stand in the console
