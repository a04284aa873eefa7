"""Pages of a list: full whatever is filtered, of one version, and each says that more follows."""

import csv
import datetime as dt
import io
import itertools
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.domain.freshness import data_status
from openwatt.domain.tariff import Tariff
from openwatt.settings import Settings
from openwatt.store.database import Database
from openwatt.store.tariffs import (
    Observation,
    Reliable,
    SourceDocument,
    TariffFilter,
    publish,
    record_sighting,
    tariffs_on,
)
from openwatt.web.http.app_state import state_of
from tests.conftest import NOW, close_app

EVERYTHING = TariffFilter()
CHANGES = [dt.date(2025, 8, 1), dt.date(2026, 2, 1), dt.date(2026, 8, 1)]


@pytest.fixture
def app(filled_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An app of its own over the catalogue, that sees each publication at once."""
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 0.0)
    # A second passes with each request.
    seconds = itertools.count()
    made = create_app(
        Settings(database_url=filled_url, workers=1), clock=lambda: NOW + dt.timedelta(seconds=next(seconds))
    )
    yield made
    close_app(made)


def pages(client: FlaskClient, address: str, between: Callable[[], None] = lambda: None) -> list[Any]:
    """Every page of a list, and what happens before each that follows."""
    found = []
    following: str | None = address
    while following is not None:
        answer = client.get(following)
        assert answer.status_code == 200, answer.text
        found.append(answer.get_json())
        following = found[-1]["next"]
        assert answer.headers.get("Link") == (f'<{following}>; rel="next"' if following else None)
        between()
    return found


@pytest.mark.parametrize(
    ("address", "rows", "least"),
    [
        ("/v1/tariffs?include_stale=false&limit=30&on=2026-09-01", "tariffs", 100),
        ("/v1/tariffs?include_stale=false&limit=7&on=2025-03-01", "tariffs", 20),
        ("/v1/guards/trve-diff?limit=30", "guards", 100),
        ("/v1/guards/trve-diff?limit=7&on=2026-03-01&option=BASE", "guards", 20),
    ],
)
def test_every_page_but_the_last_is_full(client: FlaskClient, address: str, rows: str, least: int) -> None:
    limit = int(address.partition("limit=")[2].partition("&")[0])
    found = pages(client, address)
    sizes = [len(page[rows]) for page in found]
    assert sum(sizes) >= least
    assert sizes[:-1] == [limit] * (len(sizes) - 1)
    assert sizes[-1] > 0
    whole = client.get(address.replace(f"limit={limit}", "limit=1000")).get_json()
    assert [row for page in found for row in page[rows]] == whole[rows]


def test_what_is_left_out_is_stale_or_broken_and_nothing_else(client: FlaskClient) -> None:
    every, reliable = (
        client.get(f"/v1/tariffs?limit=1000&on=2026-11-22&include_stale={value}").get_json()["tariffs"]
        for value in ("true", "false")
    )
    assert {one["data_status"] for one in every} >= {"stale"}
    assert reliable == [one for one in every if one["data_status"] not in {"stale", "broken"}]


def test_the_statement_judges_as_the_domain_does(
    filled_url: str, database: Callable[[str], Database]
) -> None:
    """Sightings, days, instants and failing offers at random: both leave out the same tariffs."""
    chance = random.Random(16)  # noqa: S311 - no secret
    opened = database(filled_url)
    with psycopg.connect(filled_url, autocommit=True) as connection:
        references = connection.execute(
            "select distinct reference from documents join tariffs using (document_id)"
        )
        for (reference,) in references.fetchall():
            record_sighting(connection, reference, NOW - dt.timedelta(hours=chance.randint(0, 24 * 40)))
    left_out = set[str]()
    for _ in range(30):
        on = NOW.date() - dt.timedelta(days=chance.choice([0, 0, 1, 40, 113, 300, 480, -3]))
        now = NOW + dt.timedelta(hours=chance.randint(-24, 24 * 20), minutes=chance.randint(0, 59))
        found = tariffs_on(opened, EVERYTHING, on=on, limit=10_000)
        failing = {(one.supplier, one.offer) for one in found if chance.random() < 0.1}
        changes = [*CHANGES, *([now.date()] if chance.random() < 0.3 else [])]

        def status(one: Any) -> str:
            incident = "failing" if (one.supplier, one.offer) in failing else None  # noqa: B023 - used at once
            seen_at = one.last_seen_at
            return data_status(one, on=on, last_seen_at=seen_at, now=now, incident=incident, changes=changes)  # type: ignore[arg-type]  # noqa: B023

        statuses = [status(one) for one in found]
        left_out |= {*statuses}
        expected = [one for one, name in zip(found, statuses, strict=True) if name in {"fresh", "verifying"}]
        reliable = Reliable(now, sorted(changes), failing)
        assert tariffs_on(opened, EVERYTHING, on=on, reliable=reliable, limit=10_000) == expected
        in_force = [one for one in found if one.tariff.holds_on(on)]
        assert tariffs_on(opened, EVERYTHING, on=on, in_force=True, limit=10_000) == in_force
    assert left_out == {"fresh", "verifying", "stale", "broken"}


def published(url: str, at: dt.datetime, number: int) -> None:
    """A new first contract of the list, another price of the last one, and a look at every document."""
    first = ("Abeille", f"Offre {number}")
    with psycopg.connect(url) as connection:
        last = connection.execute(
            "select s.name, o.name from offers o join suppliers s using (supplier_id) "
            "where not regulated order by s.name desc, o.name desc limit 1"
        ).fetchone()
        assert last is not None
        for supplier, offer in (first, last):
            tariff = Tariff(
                supplier=supplier,
                offer=offer,
                option="BASE",
                power_kva=6,
                applies_from=at.date(),
                applies_to=None,
                subscription_eur_per_year_ht=None,
                subscription_eur_per_year_ttc=Decimal(100 + number),
                prices_eur_per_kwh_ht={},
                prices_eur_per_kwh_ttc={"BASE": Decimal("0.2")},
            )
            document = SourceDocument(reference=f"test {number}", kind="supplier", title="a sheet")
            publish(connection, [Observation(tariff, at, document, None, "test")])
    look_at_all(url, at)


def look_at_all(url: str, at: dt.datetime) -> None:
    """A look at every document."""
    with psycopg.connect(url) as connection:
        for (reference,) in connection.execute("select reference from documents").fetchall():
            record_sighting(connection, reference, at)


@pytest.mark.parametrize(
    ("address", "rows"),
    [
        ("/v1/tariffs?limit=150", "tariffs"),
        ("/v1/tariffs?limit=100&include_stale=false", "tariffs"),
        ("/v1/tariffs?limit=150&known_at=2030-01-01", "tariffs"),
        ("/v1/tariffs/history?limit=500", "tariffs"),
        ("/v1/guards/trve-diff?limit=100", "guards"),
    ],
)
def test_what_is_published_between_two_pages_moves_no_row(
    app: Flask, filled_url: str, address: str, rows: str
) -> None:
    look_at_all(filled_url, NOW - dt.timedelta(days=10))
    client = app.test_client()
    numbers = itertools.count(1)
    limit = int(address.partition("limit=")[2].partition("&")[0])
    before = client.get(address.replace(f"limit={limit}", "limit=1000")).get_json()

    def publish_meanwhile() -> None:
        published(filled_url, state_of(app).clock(), next(numbers))

    found = pages(client, address, between=publish_meanwhile)
    assert len(found) > 2
    assert [page[rows] for page in found[1:]]
    assert [row for page in found for row in page[rows]][:1000] == before[rows]
    after = client.get(address.replace(f"limit={limit}", "limit=1000")).get_json()
    assert after[rows] != before[rows]


@pytest.mark.parametrize("address", ["/v1/tariffs", "/v1/tariffs/history", "/v1/guards/trve-diff"])
def test_csv_says_that_more_follows_and_all_pages_are_the_whole(client: FlaskClient, address: str) -> None:
    query = "?option=HPHC&limit=150&format=csv"
    rows: list[list[str]] = []
    following = address + query
    for number in itertools.count():  # noqa: B007 - used after the loop
        answer = client.get(following)
        header, *more = csv.reader(io.StringIO(answer.text))
        assert len(more) <= 150
        rows += more
        link = answer.headers.get("Link")
        if link is None:
            break
        following = link.removeprefix("<").removesuffix('>; rel="next"')
        assert link == f'<{following}>; rel="next"'
    assert number >= 1, "there is more than one page"
    whole = client.get(address + query.replace("limit=150", "limit=1000"))
    assert [header, *rows] == [*csv.reader(io.StringIO(whole.text))]
