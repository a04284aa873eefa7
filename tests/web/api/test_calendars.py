"""Calendars to subscribe to, opened by the library with which Home Assistant opens calendars."""

import csv
import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from ical.calendar import Calendar
from ical.calendar_stream import IcsCalendarStream
from ical.event import Event
from werkzeug.test import TestResponse

from openwatt.app import create_app
from openwatt.domain.tariff import Colour, Tariff
from openwatt.settings import Settings
from openwatt.store.tariffs import Observation, SourceDocument, publish
from openwatt.store.tempo import ColourObservation, publish_colours
from tests.conftest import NOW, close_app
from tests.test_architecture import PACKAGE

DOCUMENT = SourceDocument(
    reference="test", kind="supplier", title="a test's own", url="https://example.org/days?a=1,2;b"
)
TEMPO, EJP = "/v1/tempo.ics", "/v1/ejp.ics"
CHANGES = "/v1/tariff-changes.ics?option=TEMPO&power_kva=9"


@pytest.fixture
def app(filled_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """An app over a database of the test's own, which sees at once what is published there."""
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 0.0)
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: NOW)
    yield app
    close_app(app)


def opened(response: TestResponse) -> Calendar:
    """A response as the library reads it, after what RFC 5545 asks of its bytes."""
    assert response.status_code == 200, response.text
    assert response.content_type == "text/calendar; charset=utf-8"
    lines = response.data.split(b"\r\n")
    assert lines[-1] == b""
    assert max(map(len, lines)) <= 75
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    return IcsCalendarStream.calendar_from_ics(response.data.decode())


def publish_colour(url: str, day: dt.date, colour: Colour, observed_at: dt.datetime) -> None:
    with psycopg.connect(url) as connection:
        publish_colours(connection, [ColourObservation(day, observed_at, colour, DOCUMENT, None)])


def event_of(calendar: Calendar, day: dt.date) -> Event:
    (event,) = [event for event in calendar.events if event.start == day]
    return event


def test_days_of_the_calendar_are_those_of_the_api(client: FlaskClient) -> None:
    days = client.get("/v1/tempo?from=2025-09-01&to=2027-08-31&limit=1000").json["days"]  # type: ignore[index]
    wanted = {day["day"]: day["colour"] for day in days if day["colour"] in ("ROUGE", "BLANC")}
    assert len(wanted) > 40
    calendar = opened(client.get(TEMPO))
    summaries = {"ROUGE": "Tempo: red day", "BLANC": "Tempo: white day"}
    found = {event.start.isoformat(): event.summary for event in calendar.events}
    assert found == {day: summaries[colour] for day, colour in wanted.items()}
    assert {event.end - event.start for event in calendar.events} == {dt.timedelta(days=1)}
    assert len({event.uid for event in calendar.events}) == len(wanted)


@pytest.mark.parametrize(
    ("colours", "summaries"),
    [("ROUGE", {"Tempo: red day"}), ("BLEU,ROUGE", {"Tempo: red day", "Tempo: blue day"})],
)
def test_only_the_wanted_colours_are_in_it(client: FlaskClient, colours: str, summaries: set[str]) -> None:
    calendar = opened(client.get(f"{TEMPO}?colours={colours}"))
    assert {event.summary for event in calendar.events} == summaries


def test_ejp_has_its_peak_days_and_no_other_day_of_the_winter(client: FlaskClient) -> None:
    with (PACKAGE / "catalogue" / "announced_days.csv").open(newline="", encoding="utf-8") as file:
        shipped = [row for row in csv.DictReader(file) if (row["option"], row["word"]) == ("EJP", "PM")]
    wanted = [row["first_day"] for row in shipped if row["first_day"] >= "2025-09-01"]
    assert len(wanted) == 22
    calendar = opened(client.get(EJP))
    assert [event.start.isoformat() for event in calendar.events] == wanted
    assert {event.summary for event in calendar.events} == {"EJP: peak day"}


def test_a_colour_that_comes_is_an_event_and_one_that_is_corrected_stays_the_same_event(
    app: Flask, filled_url: str
) -> None:
    tomorrow = NOW.date() + dt.timedelta(days=1)
    before = app.test_client().get(TEMPO)
    assert all(event.start != tomorrow for event in opened(before).events)

    publish_colour(filled_url, tomorrow, "ROUGE", NOW - dt.timedelta(hours=2))
    first = app.test_client().get(TEMPO)
    event = event_of(opened(first), tomorrow)
    assert (event.summary, event.sequence) == ("Tempo: red day", 0)
    assert event.last_modified == event.dtstamp == NOW - dt.timedelta(hours=2)
    assert str(event.url) == DOCUMENT.url
    assert len({before.headers["ETag"], first.headers["ETag"]}) == 2

    publish_colour(filled_url, tomorrow, "BLANC", NOW - dt.timedelta(hours=1))
    corrected = event_of(opened(app.test_client().get(TEMPO)), tomorrow)
    assert (corrected.uid, corrected.summary) == (event.uid, "Tempo: white day")
    assert corrected.sequence == 1
    assert corrected.last_modified == NOW - dt.timedelta(hours=1)


@pytest.mark.parametrize("address", [TEMPO, EJP, CHANGES])
def test_a_calendar_without_news_is_the_same_bytes_and_costs_nothing(app: Flask, address: str) -> None:
    client = app.test_client()
    first, second = client.get(address), client.get(address)
    assert first.data == second.data
    etag = first.headers["ETag"]
    unchanged = client.get(address, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    assert unchanged.headers["Vary"] == first.headers["Vary"] == "Accept-Language, Accept-Encoding"
    assert first.headers["Cache-Control"] == "public, max-age=60"


def test_clients_learn_how_often_to_come_again(client: FlaskClient) -> None:
    text = client.get(TEMPO).text
    assert "REFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in text
    assert "X-PUBLISHED-TTL:PT1H\r\n" in text


@pytest.mark.parametrize(
    ("query", "header", "summary"),
    [
        ("", None, "Tempo: red day"),
        ("", "fr-FR,fr;q=0.9,en;q=0.5", "Tempo\N{NO-BREAK SPACE}: jour rouge"),
        ("", "de", "Tempo: red day"),
        ("&lang=fr", "en", "Tempo\N{NO-BREAK SPACE}: jour rouge"),
        ("&lang=en", "fr", "Tempo: red day"),
    ],
)
def test_sentences_are_in_the_language_of_the_client_cached_or_not(
    client: FlaskClient, query: str, header: str | None, summary: str
) -> None:
    headers = {"Accept-Language": header} if header else {}
    for _ in range(3):
        response = client.get(f"{TEMPO}?colours=ROUGE{query}", headers=headers)
        assert {event.summary for event in opened(response).events} == {summary}
        assert response.headers["Content-Language"] == ("fr" if "jour" in summary else "en")


def test_changes_of_a_tariff_stand_on_the_day_they_apply_from_beside_the_prices_before(
    client: FlaskClient,
) -> None:
    periods = client.get("/v1/tariffs/history?supplier=EDF&offer=Tarif Bleu&option=TEMPO&power_kva=9")
    days = [period["applies_from"] for period in periods.json["tariffs"]]  # type: ignore[index]
    assert len(days) > 10
    calendar = opened(client.get(CHANGES))
    assert [event.start.isoformat() for event in calendar.events] == days
    event = event_of(calendar, dt.date(2025, 8, 1))
    assert event.summary == "New prices: EDF Tarif Bleu TEMPO 9 kVA"
    assert event.description is not None
    assert event.description.startswith("In € with all taxes, per kWh: BLEU_HC 0.1288 → 0.1232; ")
    in_french = event_of(opened(client.get(f"{CHANGES}&lang=fr")), dt.date(2025, 8, 1))
    assert "BLEU_HC 0,1288 → 0,1232\N{NO-BREAK SPACE}; " in (in_french.description or "")


def test_names_with_signs_of_the_format_come_back_as_they_are(app: Flask, filled_url: str) -> None:
    supplier, offer = "Watt; Volt, Ampère \\n", "Été, " + "très long ⚡ " * 6
    tariff = Tariff(
        supplier=supplier,
        offer=offer.strip(),
        option="BASE",
        power_kva=6,
        applies_from=dt.date(2027, 1, 1),
        applies_to=None,
        subscription_eur_per_year_ht=Decimal(120),
        subscription_eur_per_year_ttc=None,
        prices_eur_per_kwh_ht={"BASE": Decimal("0.1500")},
        prices_eur_per_kwh_ttc={},
    )
    with psycopg.connect(filled_url) as connection:
        publish(connection, [Observation(tariff, NOW, DOCUMENT, None, "test")])
    query = {"supplier": supplier, "offer": offer.strip(), "option": "BASE", "power_kva": "6"}
    response = app.test_client().get("/v1/tariff-changes.ics", query_string=query)
    (event,) = opened(response).events
    assert event.summary == f"New prices: {supplier} {offer.strip()} BASE 6 kVA"
    assert event.description == "In € without taxes, per kWh: BASE 0.1500."
    assert event.start == dt.date(2027, 1, 1)


Faults = Callable[[str], tuple[int, set[str]]]


@pytest.fixture
def faults(client: FlaskClient) -> Faults:
    """Status and faulty parameters of an address that must be refused."""

    def of(address: str) -> tuple[int, set[str]]:
        response = client.get(address)
        assert response.content_type == "application/problem+json"
        problem = response.json
        assert problem is not None
        return response.status_code, {fault["parameter"] for fault in problem["faults"]}

    return of


@pytest.mark.parametrize(
    ("address", "status", "parameters"),
    [
        (f"{TEMPO}?colours=VERT&lang=it&from=2026-01-01", 400, {"colours", "lang", "from"}),
        (f"{TEMPO}?colours=", 400, {"colours"}),
        (f"{TEMPO}?colours=ROUGE,", 400, {"colours"}),
        (f"{EJP}?colours=ROUGE", 400, {"colours"}),
        ("/v1/tariff-changes.ics", 400, {"option", "power_kva"}),
        (f"{CHANGES}&supplier=Nobody", 422, {"supplier"}),
        ("/v1/tariff-changes.ics?option=EJP&power_kva=3", 422, {"option"}),
        ("/v1/tariff-changes.ics?option=SOLEIL&power_kva=40", 400, {"option", "power_kva"}),
    ],
)
def test_every_fault_of_a_question_is_named(
    faults: Faults, address: str, status: int, parameters: set[str]
) -> None:
    assert faults(address) == (status, parameters)
