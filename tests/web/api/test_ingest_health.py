"""/v1/health/ingest and the status page: how each source stands, the same in both."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.drill.stopped_ingestion import SOURCE as DRILL
from openwatt.drill.stopped_ingestion import stopped_ingestion
from openwatt.observability import ingest_collector
from openwatt.settings import Settings
from openwatt.store.database import Database
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.web.pages.i18n import LANGUAGES
from tests.conftest import NOW, close_app

#: A source's runs as (days ago, outcome), and what is told of it: freshness, failures, success days ago.
STORIES: dict[str, tuple[list[tuple[int, str]], str, int, int | None]] = {
    "alpiq": ([(9, "published"), (2, "unchanged")], "fresh", 0, 2),
    "dyneff_base": ([(3, "published"), (1, "refused")], "verifying", 1, 3),
    "edf_tarif_bleu": ([(8, "published"), (1, "unreachable")], "verifying", 1, 8),
    "ilek_311": ([(14, "unchanged")], "stale", 0, 14),
    "mint_classic_green": ([(2, "unreadable")], "never", 1, None),
    "plenifix": ([(4, "published"), (3, "unreachable"), (2, "refused"), (1, "unreadable")], "broken", 3, 4),
}


@pytest.fixture
def connection(filled_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(filled_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def visitor(filled_url: str) -> Iterator[FlaskClient]:
    """A client of an app over a database of the test's own, at noon of a fixed day."""
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: NOW)
    yield app.test_client()
    close_app(app)


def look(connection: psycopg.Connection[Any], source: str, outcome: str, at: dt.datetime) -> None:
    connection.execute(
        "insert into runs (source, supplier, started_at, finished_at, outcome, detail) "
        "values (%s, 'A supplier', %s, %s, %s, '{\"cadence_days\": 7}')",
        [source, at, at, outcome],
    )


@pytest.fixture
def told(connection: psycopg.Connection[Any]) -> None:
    looks = [(days, source, outcome) for source, (runs, *_) in STORIES.items() for days, outcome in runs]
    for days, source, outcome in sorted(looks, reverse=True):
        look(connection, source, outcome, NOW - dt.timedelta(days=days))


def test_a_fresh_installation_has_never_ingested_and_says_so(visitor: FlaskClient) -> None:
    answer = visitor.get("/v1/health/ingest")
    assert answer.status_code == 200
    assert answer.json == {"status": "never", "sources_by_freshness": {}, "sources": []}
    assert LANGUAGES["en"].texts["status.no_runs"] in visitor.get("/status?lang=en").text


@pytest.mark.usefixtures("told")
def test_every_source_is_told_with_its_looks_and_the_worst_counts(visitor: FlaskClient) -> None:
    answer = visitor.get("/v1/health/ingest").json
    assert answer
    found = {
        one["source"]: (
            one["freshness"],
            one["failures_in_a_row"],
            one["last_success_at"] and (NOW - dt.datetime.fromisoformat(one["last_success_at"])).days,
        )
        for one in answer["sources"]
    }
    assert found == {source: tuple(told) for source, (_, *told) in STORIES.items()}
    assert list(found) == sorted(found)
    assert answer["status"] == "broken"
    assert answer["sources_by_freshness"] == {"broken": 1, "stale": 1, "never": 1, "verifying": 2, "fresh": 1}
    assert [one["outcome"] for one in answer["sources"]] == [runs[-1][1] for runs, *_ in STORIES.values()]
    assert {one["cadence_days"] for one in answer["sources"]} == {7}


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        (["published"], "fresh"),
        (["published", "refused"], "verifying"),
        (["refused"], "never"),
        (["refused"] * 3, "broken"),
    ],
)
def test_the_whole_stands_as_its_worst_source(
    visitor: FlaskClient, connection: psycopg.Connection[Any], outcomes: list[str], status: str
) -> None:
    look(connection, "alpiq", "published", NOW)
    for outcome in outcomes:
        look(connection, "yeli_verte", outcome, NOW)
    assert (visitor.get("/v1/health/ingest").json or {})["status"] == status


@pytest.mark.usefixtures("told")
def test_a_client_that_has_the_answer_is_told_so_until_a_source_is_looked_at(
    visitor: FlaskClient, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 0.0)
    first = visitor.get("/v1/health/ingest")
    headers = {"If-None-Match": first.headers["ETag"]}
    assert visitor.get("/v1/health/ingest", headers=headers).status_code == 304
    look(connection, "alpiq", "unchanged", NOW)
    assert visitor.get("/v1/health/ingest", headers=headers).status_code == 200


SUCCESS_METRIC = "openwatt_ingest_last_success_timestamp_seconds"


@pytest.fixture
def watched_sources(filled_url: str, database: Callable[[str], Database]) -> Callable[[], set[str]]:
    """The sources of which the metrics tell a last success."""
    served = Metrics().exposition([ingest_collector(database(filled_url))])
    return lambda: {
        sample.labels["source"]
        for metric in served.collect()
        for sample in metric.samples
        if sample.name == SUCCESS_METRIC
    }


@pytest.mark.usefixtures("told")
def test_a_source_that_is_declared_no_longer_is_told_of_nowhere(
    visitor: FlaskClient, connection: psycopg.Connection[Any], watched_sources: Callable[[], set[str]]
) -> None:
    before = visitor.get("/v1/health/ingest").json
    assert before
    for days in (400, 399, 398):
        look(connection, "source_of_old", "unreachable", NOW - dt.timedelta(days=days))
    assert visitor.get("/v1/health/ingest").json == before
    assert "source_of_old" not in visitor.get("/status?lang=en").text
    assert watched_sources() == {source for source, (*_, days) in STORIES.items() if days is not None}


@pytest.mark.parametrize("looked_at", [True, False])
def test_a_drill_alarms_while_it_lasts_and_public_health_is_what_it_was(
    visitor: FlaskClient,
    filled_url: str,
    connection: psycopg.Connection[Any],
    watched_sources: Callable[[], set[str]],
    monkeypatch: pytest.MonkeyPatch,
    looked_at: bool,  # noqa: FBT001 - a case of the test
) -> None:
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 0.0)
    if looked_at:
        look(connection, "alpiq", "published", NOW)
    sources = {"alpiq"} if looked_at else set()
    before = visitor.get("/v1/health/ingest").json
    assert (before or {})["status"] == ("fresh" if looked_at else "never")
    page = visitor.get("/status?lang=en").text
    with stopped_ingestion(Settings(database_url=filled_url)):
        assert watched_sources() == sources | {DRILL}
        assert visitor.get("/v1/health/ingest").json == before
    assert watched_sources() == sources
    assert visitor.get("/v1/health/ingest").json == before
    after = visitor.get("/status?lang=en").text
    assert DRILL not in after
    assert [line for line in after.splitlines() if "badge" in line] == [
        line for line in page.splitlines() if "badge" in line
    ]


def test_without_a_database_it_is_a_503() -> None:
    app = create_app(Settings(database_url="postgresql:///none?host=/nonexistent", workers=1))
    assert app.test_client().get("/v1/health/ingest").status_code == 503
    close_app(app)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_the_status_page_says_the_same(visitor: FlaskClient, code: str) -> None:
    texts = LANGUAGES[code].texts
    page = visitor.get(f"/status?lang={code}").text
    verdict = texts["status.broken_sources"].format(count=1)
    assert f'<p class="verdict poor" role="status">{verdict}</p>' in page
    looks = page.partition('id="documents"')[0]  # whose rows may be marked as secondary
    rows = [row for row in looks.split("<tr>")[1:] if 'class="badge ' in row]
    assert len(rows) == len(STORIES)
    for row, (source, (runs, freshness, failures, _)) in zip(rows, STORIES.items(), strict=True):
        assert source in row
        assert f'class="badge {freshness}">{texts[f"data_status.{freshness}"]}<' in row
        assert texts[f"outcome.{runs[-1][1]}"] in row
        assert (texts["status.failures"].format(count=failures) in row) == (failures > 0)


def test_the_contract_shows_an_example_that_is_true_to_its_schema(client: FlaskClient) -> None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - only this test needs it

    document: Any = client.get("/openapi.json").json
    content = document["paths"]["/v1/health/ingest"]["get"]["responses"]["200"]["content"]["application/json"]
    schema: Callable[..., Any] = Draft202012Validator
    schema({**content["schema"], "components": document["components"]}).validate(content["example"])
