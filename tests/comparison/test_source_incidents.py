"""What the runs of a source do to the status of its offers, in the API and on the pages."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.settings import Settings
from openwatt.store.runs import Outcome, Run, record_run
from openwatt.store.tariffs import record_sighting
from openwatt.web.http.app_state import AppState, state_of
from tests.conftest import NOW, close_app

SUPPLIER, OFFER = "GEG", "Yéli Électricité Verte"


class Shop:
    """A service, and the runs of the source of one of its offers."""

    def __init__(self, client: FlaskClient, state: AppState, connection: psycopg.Connection[Any]) -> None:
        self.client = client
        self.state = state
        self.connection = connection

    def run(self, outcome: Outcome, offer: str = OFFER, source: str = "yeli_verte") -> None:
        at = NOW - dt.timedelta(hours=1)
        run = Run(
            source=source,
            supplier=SUPPLIER,
            offers=(offer,),
            outcome=outcome,
            started_at=at,
            finished_at=at,
            detail={"cadence_days": 7},
        )
        record_run(self.connection, run)
        self.state.data_version._valid_until = 0.0  # noqa: SLF001 - a second later

    def statuses(self, supplier: str = SUPPLIER, **query: str) -> set[str]:
        asked = {"supplier": supplier, "on": "2026-11-22", **query}
        answer = self.client.get("/v1/tariffs", query_string=asked)
        assert answer.status_code == 200, answer.text
        return {item["data_status"] for item in answer.get_json()["tariffs"]}


@pytest.fixture
def shop(filled_url: str) -> Iterator[Shop]:
    """A service over the catalogue, whose tariffs of GEG were seen yesterday."""
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: NOW)
    with psycopg.connect(filled_url, autocommit=True) as connection:
        for (reference,) in connection.execute(
            "select distinct reference from documents join tariffs using (document_id) "
            "join contracts using (contract_id) join offers using (offer_id) "
            "join suppliers s using (supplier_id) where s.name = %s",
            [SUPPLIER],
        ).fetchall():
            record_sighting(connection, reference, NOW - dt.timedelta(days=1))
        yield Shop(app.test_client(), state_of(app), connection)
    close_app(app)


def test_a_refused_document_puts_its_offer_under_review_and_leaves_the_others(shop: Shop) -> None:
    assert shop.statuses() == {"fresh"}
    shop.run("refused")
    assert shop.statuses() == {"verifying"}
    assert "verifying" not in shop.statuses("EDF", power_kva="6")
    assert shop.statuses(known_at="2026-11-22T11:00:00Z") == {"fresh"}, "what was known then"


def test_three_failures_break_an_offer_until_a_look_goes_well(shop: Shop) -> None:
    outcomes: tuple[Outcome, ...] = ("unreachable", "refused", "unreadable")
    for outcome in outcomes:
        assert shop.statuses() <= {"fresh", "verifying"}
        shop.run(outcome)
    assert shop.statuses() == {"broken"}
    assert shop.statuses(include_stale="false") == set()
    history = shop.client.get("/v1/tariffs/history", query_string={"supplier": SUPPLIER}).get_json()
    assert {item["data_status"] for item in history["tariffs"]} == {"broken"}
    shop.run("unchanged")
    assert shop.statuses() == {"fresh"}


def test_a_source_that_is_declared_no_longer_leaves_its_figures_as_they_are(shop: Shop) -> None:
    for _ in range(3):
        shop.run("unreachable", source="source_of_old")
    assert shop.statuses() == {"fresh"}


@pytest.mark.parametrize(("language", "words"), [("fr", "Source en panne"), ("en", "Source failing")])
def test_pages_say_that_a_source_fails(shop: Shop, language: str, words: str) -> None:
    for _ in range(3):
        shop.run("unreachable")
    for page in ("/status", f"/tariffs?supplier={SUPPLIER}"):
        answer = shop.client.get(page, headers={"Accept-Language": language})
        assert answer.status_code == 200
        assert words in answer.text
        assert 'class="badge broken"' in answer.text


def test_the_comparison_tells_the_same(shop: Shop) -> None:
    query = {"power_kva": "6", "kwh": "4500", "lang": "en"}
    assert 'class="badge verifying"' not in shop.client.get("/", query_string=query).text
    shop.run("refused")
    assert 'class="badge verifying"' in shop.client.get("/", query_string=query).text
