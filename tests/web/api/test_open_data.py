"""`/v1/package`: the whole history as files, which are whole, or cut off for everybody to see."""

import csv
import gzip
import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.settings import Settings
from tests.conftest import NOW, close_app
from tests.web.conftest import publish_dear_tariff

CSV = "/v1/package/tariffs.csv"
FILES = ("tariffs.csv", "tariffs.jsonl", "tempo_days.csv", "tempo_days.jsonl")


@pytest.fixture
def own_app(filled_url: str) -> Iterator[Flask]:
    """An app over a database of the test's own."""
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: NOW)
    yield app
    close_app(app)


def test_every_file_is_whole_and_says_the_same(client: FlaskClient, filled_url: str) -> None:
    with psycopg.connect(filled_url) as connection:
        (tariffs,) = connection.execute("select count(*) from tariffs").fetchone() or (0,)
        (days,) = connection.execute("select count(distinct day) from tempo_days").fetchone() or (0,)
    bodies = {name: client.get(f"/v1/package/{name}").data for name in FILES}
    for table, count in (("tariffs", tariffs), ("tempo_days", days)):
        assert count > 1000
        rows = csv.DictReader(io.StringIO(bodies[f"{table}.csv"].decode(), newline=""))
        assert sum(1 for _ in rows) == count
        assert len([json.loads(line) for line in bodies[f"{table}.jsonl"].splitlines()]) == count

    descriptor = client.get("/v1/package/datapackage.json")
    resources = {one["path"]: one for one in descriptor.json["resources"]}  # type: ignore[index]
    assert set(resources) == {"tariffs.csv", "tempo_days.csv"}
    for name, resource in resources.items():
        assert resource["bytes"] == len(bodies[name])
        assert resource["hash"] == f"sha256:{hashlib.sha256(bodies[name]).hexdigest()}"
    with zipfile.ZipFile(io.BytesIO(client.get("/v1/package.zip").data)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "datapackage.json": descriptor.data,
            **{name: bodies[name] for name in resources},
        }


def test_a_client_that_has_a_file_is_sent_it_again_only_when_the_data_are_others(
    own_app: Flask, filled_url: str
) -> None:
    client = own_app.test_client()
    first = client.get(CSV)
    etag = {"If-None-Match": f'"other", {first.headers["ETag"]}'}
    again = client.get(CSV, headers=etag)
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert client.get(CSV, headers={"If-Match": '"other"'}).status_code == 412

    publish_dear_tariff(filled_url)
    time.sleep(1.1)  # the data version may be a second old
    newer = client.get(CSV, headers=etag)
    assert newer.status_code == 200
    assert newer.data.count(b"\r\n") == first.data.count(b"\r\n") + 1


def test_a_head_says_what_a_get_would_and_gzip_is_smaller(client: FlaskClient) -> None:
    whole = client.get(CSV)
    head = client.head(CSV)
    assert head.data == b""
    assert head.headers["Content-Length"] == whole.headers["Content-Length"] == str(len(whole.data))
    assert head.headers["ETag"] == whole.headers["ETag"]
    small = client.get(CSV, headers={"Accept-Encoding": "gzip"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.data) == whole.data
    assert len(small.data) * 10 < len(whole.data)
    assert small.headers["ETag"] != whole.headers["ETag"]


@pytest.mark.parametrize(
    ("wanted", "first", "last"), [("bytes=0-9", 0, 9), ("bytes=100-", 100, None), ("bytes=-7", -7, None)]
)
def test_a_part_is_sent_to_who_wants_a_part(
    client: FlaskClient, wanted: str, first: int, last: int | None
) -> None:
    whole = client.get(CSV).data
    part = client.get(CSV, headers={"Range": wanted, "Accept-Encoding": "gzip"})
    assert part.status_code == 206
    assert part.data == whole[first : None if last is None else last + 1]
    other = client.get(CSV, headers={"Range": wanted, "If-Range": '"other"'})
    assert (other.status_code, other.data) == (200, whole)


def test_a_part_that_does_not_exist_and_a_parameter_are_refused(client: FlaskClient) -> None:
    beyond = client.get(CSV, headers={"Range": "bytes=999999999-"})
    assert (beyond.status_code, beyond.content_type) == (416, "application/problem+json")
    assert client.get(f"{CSV}?power_kva=6").status_code == 400


def test_a_database_that_goes_away_in_the_middle_is_an_error_and_no_short_file(
    own_app: Flask, filled_url: str
) -> None:
    answers: list[Any] = []
    with psycopg.connect(filled_url) as holder:
        # The tariffs are read, then the export waits.
        holder.execute("lock table tempo_days in access exclusive mode")
        request = threading.Thread(target=lambda: answers.append(own_app.test_client().get(CSV)))
        request.start()
        end_what_waits(filled_url)
        request.join(10)
    (answer,) = answers
    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"


def end_what_waits(url: str) -> None:
    """Ends the one session that waits for a lock, as a server that is shut down would."""
    until = time.monotonic() + 10
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < until:
            found = connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and wait_event_type = 'Lock'"
            ).fetchall()
            if found:
                return
            time.sleep(0.02)
    raise AssertionError("nothing waited")
