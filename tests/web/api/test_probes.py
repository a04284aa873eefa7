"""Alive, ready, which code: and what a failure looks like."""

import subprocess
import sys

import psycopg
import pytest
from flask import got_request_exception
from flask.testing import FlaskClient

from openwatt import __version__
from openwatt.app import create_app
from openwatt.settings import Settings
from openwatt.store.migrate import newest_schema
from tests.conftest import close_app


def test_alive_ready_and_version(client: FlaskClient) -> None:
    assert client.get("/health").json == {"status": "alive"}
    ready = client.get("/health/ready").json
    assert ready
    assert (ready["status"], ready["schema"]) == ("ready", newest_schema())
    assert client.get("/version").json == {
        "version": __version__,
        "revision": "unknown",
        "schema": newest_schema(),
    }
    assert client.get("/health").headers["Cache-Control"] == "no-store"


def test_without_a_database_it_is_alive_but_not_ready() -> None:
    app = create_app(Settings(database_url="postgresql:///none?host=/nonexistent"))
    client = app.test_client()
    assert client.get("/health").status_code == 200
    for address in ("/health/ready", "/v1/tariffs", "/v1/tempo/today"):
        answer = client.get(address)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "database" in answer.json["detail"]  # type: ignore[index]  # a problem document
    close_app(app)


@pytest.mark.parametrize("number", [newest_schema() + 1, None])
def test_a_schema_that_is_not_this_codes_is_not_ready(empty_url: str, number: int | None) -> None:
    with psycopg.connect(empty_url) as connection:
        if number is None:
            connection.execute("delete from schema_migrations where number > 1")
        else:
            connection.execute("insert into schema_migrations (number, name) values (%s, 'later')", [number])
    app = create_app(Settings(database_url=empty_url))
    assert app.test_client().get("/health/ready").status_code == 503
    close_app(app)


def test_an_unexpected_failure_is_a_problem_that_error_reporting_sees(filled_url: str) -> None:
    app = create_app(Settings(database_url=filled_url))
    with psycopg.connect(filled_url) as connection:
        connection.execute("alter table tariffs rename column note to remark")
    seen = []
    with got_request_exception.connected_to(lambda _, exception: seen.append(exception), app):
        answer = app.test_client().get("/v1/tariffs")
    close_app(app)
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "column" not in answer.text  # what failed inside is for the log
    assert len(seen) == 1


def test_the_codec_that_every_request_needs_is_there_before_threads_ask_for_it() -> None:
    code = "import sys; import openwatt.app; print('encodings.idna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
