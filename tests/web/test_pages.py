"""What browsers see, and what they are told not to do."""

import re

from flask.testing import FlaskClient


def test_the_documentation_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    answer = client.get("/docs")
    sources = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(sources) >= 4
    for source in sources:
        assert source.startswith("/")
        assert client.get(source, buffered=True).status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_front_door_leads_to_the_documentation(client: FlaskClient) -> None:
    assert client.get("/").headers["Location"] == "/docs"


def test_every_answer_is_guarded(client: FlaskClient) -> None:
    for address in ("/v1/tariffs", "/health", "/nowhere", "/docs", "/static/docs.js"):
        headers = client.get(address, buffered=True).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_the_contract_is_tagged(client: FlaskClient) -> None:
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)
