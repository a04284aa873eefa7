"""Faults on purpose: only with the token, only for a time, and real ones."""

import time
from collections.abc import Iterator

import pytest
from flask import Flask, got_request_exception
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.settings import Settings
from openwatt.web.api.drills import LONGEST_S, DrillError
from tests.conftest import close_app

TOKEN = "drill-token-of-a-test-0123456789"  # noqa: S105 - it opens nothing but this test's service
ROUTES = ("/v1/drills/error", "/v1/drills/unavailable", "/v1/drills/slow?seconds=0.01")


def allowed(ends_in: float = 60) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}", "X-Drill-Until": str(int(time.time() + ends_in))}


@pytest.fixture(scope="module")
def app() -> Iterator[Flask]:
    app = create_app(Settings(database_url="postgresql:///none?host=/nonexistent", drill_token=TOKEN))
    yield app
    close_app(app)


@pytest.fixture
def drilled(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize("route", ROUTES)
def test_without_a_drill_token_the_routes_do_not_exist(client: FlaskClient, route: str) -> None:
    answer = client.post(route, headers=allowed())
    assert answer.status_code == 404
    assert answer.data == client.post("/v1/drills/nothing", headers=allowed()).data


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "given", [{}, {"Authorization": "Bearer x"}, {"Authorization": TOKEN}, {"Authorization": "Bearer é"}]
)
def test_who_has_not_the_token_provokes_nothing(
    drilled: FlaskClient, route: str, given: dict[str, str]
) -> None:
    headers = allowed() | {"Authorization": ""} | given
    answer = drilled.post(route, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert TOKEN not in answer.text


@pytest.mark.parametrize("until", ["", "soon", "-1", "1e9", "9" * 30, "0", "²"])
@pytest.mark.parametrize("route", ROUTES)
def test_a_drill_without_an_end_provokes_nothing(drilled: FlaskClient, route: str, until: str) -> None:
    assert drilled.post(route, headers=allowed() | {"X-Drill-Until": until}).status_code == 403


@pytest.mark.parametrize("ends_in", [-1, LONGEST_S + 60])
def test_a_drill_that_is_over_or_ends_too_late_provokes_nothing(drilled: FlaskClient, ends_in: int) -> None:
    assert drilled.post("/v1/drills/unavailable", headers=allowed(ends_in)).status_code == 403


def test_the_error_takes_the_way_of_every_other(app: Flask, drilled: FlaskClient) -> None:
    seen: list[BaseException] = []

    def keep(_app: Flask, exception: BaseException) -> None:
        seen.append(exception)

    with got_request_exception.connected_to(keep, app):
        answer = drilled.post("/v1/drills/error", headers=allowed() | {"X-Request-ID": "drill-12345678"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "drill-12345678")
    assert [type(exception) for exception in seen] == [DrillError]


def test_the_refusal_is_a_503_without_an_exception(drilled: FlaskClient) -> None:
    assert drilled.post("/v1/drills/unavailable", headers=allowed()).status_code == 503


def test_the_slow_answer_takes_its_time(drilled: FlaskClient) -> None:
    began = time.monotonic()
    assert drilled.post("/v1/drills/slow?seconds=0.3", headers=allowed()).status_code == 204
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("seconds", ["", "0", "-1", "10.1", "nan", "inf", "long"])
def test_a_time_that_is_none_or_too_long_is_refused(drilled: FlaskClient, seconds: str) -> None:
    answer = drilled.post(f"/v1/drills/slow?seconds={seconds}", headers=allowed())
    assert answer.status_code == 400
    assert "seconds" in answer.text


def test_drills_are_not_in_the_contract(drilled: FlaskClient) -> None:
    assert "/drills" not in drilled.get("/openapi.json").text
