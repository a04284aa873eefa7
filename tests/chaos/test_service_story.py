"""From the X-Request-ID of a failed request to its whole story: in the log, and in Sentry."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from openwatt import __version__
from openwatt.store.embedded.postgres import EmbeddedPostgres
from tests.bugsink_server import Bugsink
from tests.chaos.running import Home

REQUEST_ID = "a-customer.called_at-three"
SECRET = "hush-7f3a"  # noqa: S105 - it is there to be looked for


@pytest.fixture
def bugsink(tmp_path: Path) -> Iterator[Bugsink]:
    server = Bugsink(tmp_path)
    server.start()
    yield server
    server.stop()


def test_a_failed_request_is_found_in_log_and_sentry_by_its_id(home: Home, bugsink: Bugsink) -> None:
    log = home.folder / "api.log"
    service = home.service(
        OPENWATT_SENTRY_DSN=bugsink.dsn,
        OPENWATT_LOG_FILE=str(log),
        OPENWATT_REVISION="abc1234",
        OPENWATT_ENVIRONMENT="staging",
    ).ready()
    with psycopg.connect(EmbeddedPostgres(home.data).conninfo()) as connection:
        connection.execute("alter table tariffs rename column note to remark")

    headers = {"X-Request-ID": REQUEST_ID, "Cookie": f"session={SECRET}", "Authorization": f"Bearer {SECRET}"}
    answer = service.get("/v1/tariffs?on=2020-01-01", headers=headers)
    assert answer.status == 500
    assert answer.headers["x-request-id"] == REQUEST_ID

    found = home.command("logs", "--file", str(log), "--request-id", REQUEST_ID, "--json")
    story = [json.loads(line) for line in found.stdout.splitlines()]
    assert {record["request_id"] for record in story} == {REQUEST_ID}
    (request,) = [record for record in story if record["event"] == "request"]
    assert (request["status"], request["level"], request["route"]) == (500, "error", "/v1/tariffs")
    assert any("UndefinedColumn" in record.get("exc_info", "") for record in story)

    (event,) = bugsink.events(1)
    told = event["data"]
    assert told["tags"]["request_id"] == REQUEST_ID
    assert told["release"] == f"{__version__}+abc1234"
    assert told["environment"] == "staging"
    assert told["exception"]["values"][-1]["type"] == "UndefinedColumn"
    assert SECRET not in str(event)
    assert SECRET not in log.read_text()
    assert service.end() == 0


def test_a_readable_story_is_for_people(home: Home) -> None:
    log = home.folder / "api.log"
    service = home.service(OPENWATT_LOG_FILE=str(log)).ready()
    service.get("/nowhere", headers={"X-Request-ID": REQUEST_ID})
    found = home.command("logs", "--path", "/nowhere", OPENWATT_LOG_FILE=str(log))
    assert service.end() == 0
    (line,) = found.stdout.splitlines()
    assert "request" in line
    assert "status=404" in line
    assert REQUEST_ID in line
