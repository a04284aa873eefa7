"""Pages of any origin may read the public API, without credentials, and nothing else."""

import pytest
from flask.testing import FlaskClient

ORIGIN = {"Origin": "https://app.example"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/tariffs?option=EJP", 200),
        ("/v1/bills?kwh=4500&power_kva=6", 200),
        ("/v1/tempo.ics", 200),
        ("/openapi.json", 200),
        ("/v1/tariffs?on=never", 400),
        ("/v1/nowhere", 404),
        ("/v1/tariffs/", 308),
    ],
)
def test_any_origin_reads_answers_problems_and_redirects(client: FlaskClient, path: str, status: int) -> None:
    for _ in range(3):  # the last is given before Flask, where the answer is cached
        answer = client.get(path, headers=ORIGIN)
        assert answer.status_code == status
        assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        unsafe = {"ETag", "Link", "RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-Request-ID"}
        assert unsafe & set(answer.headers.keys()) <= set(exposed)
        assert client.get(path).headers["Access-Control-Allow-Origin"] == "*", "one answer for all caches"


@pytest.mark.parametrize(
    "path", ["/", "/tariffs", "/v1/admin/runs", "/v1/drills/error", "/health", "/metrics"]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_everything_else_is_for_this_origin_alone(client: FlaskClient, path: str, method: str) -> None:
    asked = ORIGIN | {"Access-Control-Request-Method": "GET"}
    answer = client.open(path, method=method, headers=asked)
    assert [name for name in dict(answer.headers) if name.startswith("Access-Control-")] == []


@pytest.mark.parametrize(("path", "methods"), [("/v1/tariffs", {"GET"}), ("/v1/bills", {"GET", "POST"})])
def test_a_preflight_says_what_may_be_sent(client: FlaskClient, path: str, methods: set[str]) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = client.options(path, headers=ORIGIN | asked)
    assert (answer.status_code, answer.data) == (204, b"")
    allowed = {*answer.headers["Access-Control-Allow-Methods"].split(", ")}
    assert allowed == methods | {"HEAD", "OPTIONS"}
    assert answer.headers["Access-Control-Allow-Headers"] == "*"
    assert int(answer.headers["Access-Control-Max-Age"]) >= 7200
    assert client.options("/v1/nowhere", headers=ORIGIN | asked).status_code == 404
    assert client.options(path).status_code == 200, "without a preflight's header it is an ordinary OPTIONS"
