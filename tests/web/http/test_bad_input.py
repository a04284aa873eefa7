"""Bad input: a problem document that names every fault; never a 500."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


def faults(answer: TestResponse) -> dict[str, str]:
    """The faults of a problem document by parameter."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] in {"no-store", "private, no-store"}
    problem: Any = answer.json
    assert problem["status"] == answer.status_code
    return {fault["parameter"]: fault["message"] for fault in problem.get("faults", [])}


@pytest.mark.parametrize(
    ("query", "parameter", "said"),
    [
        ("colour=BLEU", "colour", "is not a parameter here; there are: supplier, offer"),
        ("on=2025-02-30", "on", "is not a day of the calendar"),
        ("on=01/02/2025", "on", "must be a day like 2026-02-01"),
        ("on=20250201", "on", "must be a day like"),
        ("on=", "on", "is empty"),
        ("power_kva=0", "power_kva", "must be a whole number of kVA from 1 to 36"),
        ("power_kva=six", "power_kva", "(it is 'six')"),
        ("power_kva=6.0", "power_kva", "must be a whole number"),
        ("power_kva=%D9%A6", "power_kva", "must be a whole number"),  # an Arabic six
        ("power_kva=37", "power_kva", "from 1 to 36"),
        ("option=base", "option", "must be one of BASE, HPHC, TEMPO"),
        ("limit=0", "limit", "from 1 to 1000"),
        ("limit=1001", "limit", "from 1 to 1000"),
        ("include_stale=yes", "include_stale", "must be one of true, false"),
        ("known_at=yesterday", "known_at", "an instant like"),
        ("known_at=2025-01-01T10:00:00", "known_at", "an instant like"),  # which clock?
        ("known_at=2025-01-01T25:00:00Z", "known_at", "is not an instant of the calendar"),
        ("format=xml", "format", "must be one of json, csv"),
        ("cursor=abc", "cursor", "is not a cursor of this service"),
        ("supplier=EDF%00", "supplier", "holds control characters"),
        ("supplier=" + "x" * 101, "supplier", "is longer than 100 characters"),
        ("on=2025-01-01&on=2025-01-02", "on", "is given twice"),
        ("supplier=%FF%FE", "query", "is not valid UTF-8"),
    ],
)
def test_a_fault_is_named(client: FlaskClient, query: str, parameter: str, said: str) -> None:
    answer = client.get(f"/v1/tariffs?{query}")
    assert answer.status_code == 400
    assert said in faults(answer)[parameter]


def test_all_faults_are_named_at_once(client: FlaskClient) -> None:
    answer = client.get("/v1/tariffs?on=never&power_kva=six&option=SOLAR&surprise=1")
    assert answer.status_code == 400
    assert faults(answer).keys() == {"on", "power_kva", "option", "surprise"}


def test_raw_bytes_that_are_not_utf8_are_refused(client: FlaskClient) -> None:
    answer = client.get("/v1/tariffs", environ_overrides={"QUERY_STRING": "supplier=\xff"})
    assert answer.status_code == 400
    assert "UTF-8" in faults(answer)["query"]


def test_an_endless_query_is_too_long(client: FlaskClient) -> None:
    answer = client.get("/v1/tariffs?supplier=" + "x" * 100_000)
    assert answer.status_code == 400
    assert "longer than 4,000 characters" in faults(answer)["query"]


def test_a_flood_of_parameters_is_refused(client: FlaskClient) -> None:
    answer = client.get("/v1/tariffs?" + "&".join(f"a{n}=1" for n in range(60)))
    assert answer.status_code == 400
    assert "50 parameters" in faults(answer)["query"]


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/tariffs%00", "/%ff"])
def test_an_unknown_address_is_a_404_problem(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert faults(answer) == {}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_a_wrong_method_is_a_405_that_says_which_are_right(client: FlaskClient, method: str) -> None:
    answer = client.open("/v1/tariffs", method=method, data=b"x" * 100_000)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    faults(answer)


def test_a_form_nobody_has_is_a_406(client: FlaskClient) -> None:
    answer = client.get("/v1/tariffs", headers={"Accept": "image/png"})
    assert answer.status_code == 406
    assert "application/json or text/csv" in answer.json["detail"]  # type: ignore[index]  # a problem document
    assert client.get("/v1/tariffs", headers={"Accept": "text/html,*/*;q=0.8"}).status_code == 200


@pytest.mark.parametrize(
    "address",
    ["/v1/tempo?from=2026-02-01&to=2026-01-31", "/v1/tariffs/history?since=2026-02-01&until=2026-01-31"],
)
def test_a_span_without_a_day_says_so(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 404
    assert "No day lies in this span" in answer.json["detail"]  # type: ignore[index]  # a problem document


@pytest.mark.parametrize(
    "query",
    [
        "on=0001-01-01",
        "on=9999-12-31",
        "known_at=9999-12-31",
        "known_at=0001-01-01T00:00:00%2B14:00",
        "known_at=9999-12-31T23:59:60Z",
        "known_at=2016-12-31T23:59:60.5Z",
    ],
)
def test_the_ends_of_the_calendar_are_days_like_others(client: FlaskClient, query: str) -> None:
    assert client.get(f"/v1/tariffs?{query}").status_code in {200, 400}


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/version", "/v1/suppliers"])
def test_an_address_without_parameters_takes_none(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200
    assert "there are: " in faults(client.get(path + "?a=1"))["a"]
