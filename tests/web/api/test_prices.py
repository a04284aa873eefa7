"""Prices of a kilowatt hour over HTTP: over a span, now, and as other programs take them."""

import csv
import datetime as dt
import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwatt.app import create_app
from openwatt.domain.legal_time import PARIS
from openwatt.domain.tariff import OPTIONS
from openwatt.settings import Settings
from openwatt.store.sql import statement
from openwatt.store.tariffs import SourceDocument
from openwatt.store.tempo import ColourObservation, publish_colours
from openwatt.web.http.content_negotiation import TRANSLATED_PATHS
from openwatt.web.http.operation_spec import specified_routes
from tests.conftest import close_app
from tests.prices.worked import WORKED
from tests.web.http.test_bad_input import faults

Ask = Callable[..., Any]

#: What the clock of the app shows.
CLOCK = [dt.datetime(2026, 1, 5, 12, tzinfo=PARIS)]


@pytest.fixture
def app(filled_url: str) -> Iterator[Flask]:
    """An app whose clock the test sets; its cache is empty, for that clock may go back."""
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: CLOCK[0])
    yield app
    close_app(app)


@pytest.fixture
def at(app: Flask) -> Callable[..., Any]:
    """GETs an address when clocks in Paris show a time."""

    def get(instant: str, address: str, **headers: str) -> Any:
        moment = dt.datetime.fromisoformat(instant)
        CLOCK[0] = moment if moment.tzinfo else moment.replace(tzinfo=PARIS)
        return app.test_client().get(address, headers=headers)

    return get


def test_the_answer_has_the_fields_of_the_contract(ask: Ask) -> None:
    page = ask("/v1/prices?option=TEMPO&power_kva=9&from=2026-10-03&to=2026-10-05")
    assert list(page) == [
        *("contract", "currency", "unit", "from", "to", "known_until"),
        *("data_status", "data_status_reason", "prices"),
    ]
    assert page["contract"] == {
        "supplier": "EDF",
        "offer": "Tarif Bleu",
        "option": "TEMPO",
        "power_kva": 9,
    }
    assert (page["currency"], page["unit"]) == ("EUR", "EUR/kWh")
    assert (page["from"], page["to"]) == ("2026-10-03T00:00:00+02:00", "2026-10-05T00:00:00+02:00")
    assert page["known_until"] == "2026-10-04T06:00:00+02:00"
    assert page["prices"][0] == {
        "start": "2026-10-03T00:00:00+02:00",
        "end": "2026-10-03T06:00:00+02:00",
        "register": "BLEU_HC",
        "price_eur_per_kwh_ttc": 0.1356,
        "price_eur_per_kwh_ht": page["prices"][0]["price_eur_per_kwh_ht"],
        "applies_from": "2026-08-01",
        "reason": None,
    }
    assert page["prices"][-1]["register"] is None
    assert page["prices"][-1]["price_eur_per_kwh_ttc"] is None
    assert page["prices"][-1]["reason"]["code"] == "colour_not_announced"
    assert "announced" in page["prices"][-1]["reason"]["message"]


@pytest.mark.parametrize("worked", WORKED, ids=lambda worked: worked["title"])
def test_the_worked_prices_are_served(ask: Ask, worked: dict[str, Any]) -> None:
    option, power_kva = worked["contract"]
    query = {"option": option, "power_kva": power_kva, "from": worked["from"], "to": worked["to"]}
    if "off_peak" in worked:
        query["off_peak_hours"] = worked["off_peak"]
    found = ask(f"/v1/prices?{urlencode(query)}")["prices"]
    for item, (start, end, register, what, *_) in zip(found, worked["prices"], strict=True):
        assert [dt.datetime.fromisoformat(item[name]) for name in ("start", "end")] == [
            dt.datetime.fromisoformat(text) for text in (start, end)
        ]
        assert item["register"] == register
        price, reason = item["price_eur_per_kwh_ttc"], item["reason"]
        assert (reason["code"] if reason else f"{price:.4f}") == what


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-11-21"])
def test_off_peak_hours_begin_at_half_past_ten_by_the_clock(at: Ask, day: str) -> None:
    address = "/v1/prices/now?option=HPHC&power_kva=6&off_peak_hours=22:30-06:30"
    before, after = at(f"{day}T22:29:59", address).json, at(f"{day}T22:30:00", address).json
    change = dt.datetime.fromisoformat(f"{day}T22:30").replace(tzinfo=PARIS)
    assert (before["register"], before["off_peak"]) == ("HP", False)
    assert (after["register"], after["off_peak"]) == ("HC", True)
    assert before["until"] == after["since"] == before["next"]["start"] == change.isoformat()
    assert before["next"]["register"] == "HC"
    assert before["next"]["price_eur_per_kwh_ttc"] == after["price_eur_per_kwh_ttc"]
    assert before["tempo"] is None


def test_a_red_day_begins_at_six(at: Ask) -> None:
    address = "/v1/prices/now?option=TEMPO&power_kva=9"
    before, after = at("2026-01-05T05:59", address).json, at("2026-01-05T06:00", address).json
    assert (before["register"], before["price_eur_per_kwh_ttc"]) == ("BLEU_HC", 0.1232)
    assert (after["register"], after["price_eur_per_kwh_ttc"]) == ("ROUGE_HP", 0.6468)
    assert before["next"] == {
        "start": "2026-01-05T06:00:00+01:00",
        "register": "ROUGE_HP",
        "price_eur_per_kwh_ttc": 0.6468,
    }
    assert after["tempo"] | {"days_left": None} == {"today": "ROUGE", "tomorrow": "ROUGE", "days_left": None}
    # Of RTE's calendar: 3 red days and 17 white ones from 1 September 2025 to 5 January 2026.
    assert after["tempo"]["days_left"] == {"BLEU": 193, "BLANC": 26, "ROUGE": 19}
    assert after["subscription_eur_per_month_ttc"] == 19.49
    assert after["applies_from"] == "2025-08-01"
    assert after["source"]["document_sha256"]


def test_a_morrow_without_a_colour_is_said_to_be_unknown(at: Ask) -> None:
    address = "/v1/prices/now?option=TEMPO&power_kva=9"
    evening = at("2026-10-03T22:00", address).json
    assert (evening["register"], evening["until"]) == ("BLEU_HC", "2026-10-04T06:00:00+02:00")
    assert evening["next"] == {
        "start": "2026-10-04T06:00:00+02:00",
        "register": None,
        "price_eur_per_kwh_ttc": None,
    }
    assert (evening["tempo"]["today"], evening["tempo"]["tomorrow"]) == ("BLEU", "unknown")
    morning = at("2026-10-04T06:00", address).json
    assert (morning["register"], morning["price_eur_per_kwh_ttc"], morning["off_peak"]) == (None, None, None)
    assert morning["reason"]["code"] == "colour_not_announced"
    # The tariff is known all the same, and so is its subscription.
    assert (morning["applies_from"], morning["subscription_eur_per_month_ttc"]) == ("2026-08-01", 19.70)


def test_base_changes_with_the_tariff_alone(at: Ask) -> None:
    address = "/v1/prices/now?option=BASE&power_kva=6"
    before, after = at("2026-07-31T23:59:59", address).json, at("2026-08-01T00:00", address).json
    assert (before["price_eur_per_kwh_ttc"], after["price_eur_per_kwh_ttc"]) == (0.1940, 0.2001)
    assert (before["since"], before["until"]) == ("2026-02-01T00:00:00+01:00", "2026-08-01T00:00:00+02:00")
    assert (after["since"], after["until"], after["next"]) == ("2026-08-01T00:00:00+02:00", None, None)
    assert (after["off_peak"], after["tempo"]) == (False, None)


def test_before_the_first_tariff_nothing_came_before(ask: Ask) -> None:
    early = ask("/v1/prices/now?option=BASE&power_kva=6&at=2012-03-01")
    assert (early["register"], early["since"], early["until"]) == ("BASE", None, "2012-07-23T00:00:00+02:00")
    assert (early["price_eur_per_kwh_ttc"], early["reason"]["code"]) == (None, "before_first_tariff")
    assert (early["applies_from"], early["source"], early["subscription_eur_per_month_ttc"]) == (None,) * 3
    # The first tariff: one of more than a year, so that its beginning lies far before.
    late = ask("/v1/prices/now?option=BASE&power_kva=6&at=2013-07-30")
    assert (late["since"], late["until"]) == ("2012-07-23T00:00:00+02:00", "2013-08-01T00:00:00+02:00")


def test_another_instant_is_answered_as_it_was(at: Ask, ask: Ask) -> None:
    then = at("2026-01-05T06:30", "/v1/prices/now?option=TEMPO&power_kva=9").json
    later = ask("/v1/prices/now?option=TEMPO&power_kva=9&at=2026-01-05T06:30:15%2B01:00")
    assert later["at"] == "2026-01-05T06:30:15+01:00"
    same = {"register", "since", "until", "next", "tempo", "price_eur_per_kwh_ttc"}
    assert {name: later[name] for name in same} == {name: then[name] for name in same}


def test_without_days_the_span_is_today_and_tomorrow(at: Ask) -> None:
    page = at("2026-10-25T12:00", "/v1/prices?option=BASE&power_kva=6").json
    assert (page["from"], page["to"]) == ("2026-10-25T00:00:00+02:00", "2026-10-27T00:00:00+01:00")
    later = at("2026-10-25T12:00", "/v1/prices?option=BASE&power_kva=6&from=2026-03-28").json
    assert (later["from"], later["to"]) == ("2026-03-28T00:00:00+01:00", "2026-03-30T00:00:00+02:00")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-21", 24)])
def test_a_day_has_as_many_slices_as_it_has_hours(ask: Ask, day: str, hours: int) -> None:
    following = dt.date.fromisoformat(day) + dt.timedelta(days=1)
    address = f"/v1/prices?option=BASE&power_kva=6&from={day}&to={following}"
    for minutes in (15, 30, 60):
        slices = ask(f"{address}&slice_minutes={minutes}")["prices"]
        assert len(slices) == hours * 60 // minutes
        starts = [dt.datetime.fromisoformat(item["start"]) for item in slices]
        assert {start.minute % minutes for start in starts} == {0}


def test_evcc_gets_a_bare_array_in_utc_of_what_is_known(ask: Ask) -> None:
    address = "/v1/prices?option=TEMPO&power_kva=9&from=2026-10-03&to=2026-10-06&format=evcc"
    rates = ask(address)
    assert len(rates) == 30  # 24 hours of 3 October, 6 of the next morning
    assert rates[0] == {"start": "2026-10-02T22:00:00Z", "end": "2026-10-02T23:00:00Z", "value": 0.1356}
    assert rates[-1]["end"] == "2026-10-04T04:00:00Z"
    assert all(rate.keys() == {"start", "end", "value"} for rate in rates)
    assert len(ask(f"{address}&slice_minutes=15")) == 120


def test_an_hour_in_which_the_price_changes_is_cut(ask: Ask) -> None:
    query = "option=HPHC&power_kva=6&off_peak_hours=22:30-06:30&from=2026-11-21T22:00&to=2026-11-21T23:00"
    rates = ask(f"/v1/prices?{query}&format=evcc")
    assert [(rate["start"][11:16], rate["value"]) for rate in rates] == [("21:00", 0.2142), ("21:30", 0.1589)]


def test_csv_has_a_row_for_each_interval(client: FlaskClient) -> None:
    answer = client.get("/v1/prices?option=TEMPO&power_kva=9&from=2026-10-03&to=2026-10-05&format=csv")
    assert answer.content_type == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["register"] for row in rows] == ["BLEU_HC", "BLEU_HP", "BLEU_HC", ""]
    assert rows[0]["price_eur_per_kwh_ttc"] == "0.1356"
    assert rows[-1]["reason_code"] == "colour_not_announced"


def test_names_are_found_as_people_write_them(ask: Ask) -> None:
    query = {"supplier": "edf", "offer": "tarif bleu", "option": "BASE", "power_kva": 6}
    assert ask("/v1/prices", **query)["contract"]["offer"] == "Tarif Bleu"


TEMPO = "option=TEMPO&power_kva=9"
HPHC = "option=HPHC&power_kva=6"
BASE = "option=BASE&power_kva=6"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("prices?", 400, {"option": "is missing", "power_kva": "is missing"}),
        (f"prices?{HPHC}", 400, {"off_peak_hours": "write them as 22:30-06:30 or HC (22H00-6H00"}),
        (f"prices/now?{HPHC}", 400, {"off_peak_hours": "option HPHC needs the home's off-peak hours"}),
        (f"prices?{HPHC}&off_peak_hours=at+night", 422, {"off_peak_hours": "is not a range of hours"}),
        (f"prices?{BASE}&supplier=EDFF", 422, {"supplier": "is EDF or Dyneff meant?"}),
        (f"prices?{BASE}&offer=Bleu", 422, {"offer": "Tarif Bleu"}),
        ("prices?option=TEMPO&power_kva=3", 422, {"option": "the options there are: BASE"}),
        ("prices/now?option=TEMPO&power_kva=35", 422, {"supplier": "no contract EDF Tarif Bleu TEMPO"}),
        (f"prices?{BASE}&from=2026-02-02&to=2026-02-01", 422, {"to": "the end is not after the start"}),
        (f"prices?{BASE}&from=2026-02-02&to=2026-02-02", 422, {"to": "the end is not after the start"}),
        (f"prices?{BASE}&from=9999-12-31", 422, {"from": "days ahead, of which nothing is known"}),
        (f"prices?{BASE}&from=9999-12-30&to=9999-12-31", 422, {"from": "days ahead", "to": "days ahead"}),
        (f"prices?{BASE}&to=2026-11-22", 422, {"to": "the end is not after the start"}),
        (f"prices?{BASE}&from=2025-01-01&to=2026-02-06", 422, {"to": "a span has at most 400 days"}),
        (f"prices?{BASE}&from=2025-01-01&to=2025-03-05&slice_minutes=60", 422, {"to": "at most 62 days"}),
        (f"prices?{BASE}&slice_minutes=45", 400, {"slice_minutes": "must be one of 15, 30, 60"}),
        (
            f"prices?{BASE}&from=2026-02-01T00:10&slice_minutes=15",
            422,
            {"from": "does not lie on a slice of 15 minutes"},
        ),
        (f"prices?{BASE}&from=2026-02-01T00:00:30", 422, {"from": "is not a whole minute"}),
        (f"prices?{BASE}&from=2026-03-29T02:30", 422, {"from": "clocks in France skip this hour"}),
        (f"prices?{BASE}&from=2026-10-25T02:30", 422, {"from": "give the offset, +02:00 or +01:00"}),
        (f"prices/now?{BASE}&at=2026-10-25T02:30", 422, {"at": "exists twice"}),
        (f"prices/now?{BASE}&at=2011-12-31T23:59", 422, {"at": "before 2012-01-01"}),
        (f"prices/now?{BASE}&at=2028-01-01", 422, {"at": "more than 400 days ahead"}),
        (f"prices?{BASE}&from=2011-12-01&to=2028-01-01", 422, {"from": "before 2012", "to": "400 days"}),
        (f"prices?{BASE}&from=2026-02-30", 422, {"from": "is not an instant of the calendar"}),
        (f"prices?{BASE}&from=yesterday", 400, {"from": "must be a day like 2026-02-01"}),
        (f"prices?{BASE}&from=", 400, {"from": "is empty"}),
        (f"prices?{BASE}&format=xml", 400, {"format": "must be one of json, csv, evcc"}),
        (f"prices/now?{BASE}&format=csv", 400, {"format": "is not a parameter here"}),
        (f"prices?{BASE}&option=HPHC", 400, {"option": "is given twice"}),
        # Every fault at once, of single parameters and of what they mean together.
        (
            "prices?option=TEMPO&power_kva=3&from=soon&to=2011-01-01&slice_minutes=7&x=1",
            400,
            {"option": "", "from": "", "to": "before 2012", "slice_minutes": "", "x": ""},
        ),
    ],
)
def test_a_fault_is_named(client: FlaskClient, path: str, status: int, said: dict[str, str]) -> None:
    answer = client.get(f"/v1/{path}")
    assert answer.status_code == status, answer.text
    found = faults(answer)
    assert found.keys() == said.keys()
    for parameter, text in said.items():
        assert text in found[parameter]


def test_faults_are_said_in_french_to_who_reads_it(client: FlaskClient) -> None:
    answer = client.get(f"/v1/prices?{HPHC}", headers={"Accept-Language": "fr"})
    assert "heures creuses du logement" in faults(answer)["off_peak_hours"]


@pytest.mark.parametrize(
    "query",
    [
        f"{BASE}&from=2025-01-01&to=2026-02-05",  # 400 days
        f"{BASE}&from=2025-09-01&to=2025-11-02&slice_minutes=60",  # 62 days, an hour longer by the sun
        f"{BASE}&from=2026-10-25T02:30%2B02:00&to=2026-10-25T02:30%2B01:00",
        f"{BASE}&from=2026-02-01T00:10+01:00&to=2026-02-01T00:11+01:00",
        f"{BASE}&from=2012-01-01",
        f"{TEMPO}&from=2027-12-20",
    ],
)
def test_what_lies_on_a_limit_is_answered(ask: Ask, query: str) -> None:
    assert ask(f"/v1/prices?{query}")["prices"]


def test_the_answer_is_cached_until_the_price_changes(at: Ask) -> None:
    address = "/v1/prices/now?option=HPHC&power_kva=9&off_peak_hours=22:30-06:30"
    first = at("2026-02-10T09:00", address)
    tag = first.headers["ETag"]
    for moment in ("09:00:01", "09:20", "15:00", "22:29:59"):
        again = at(f"2026-02-10T{moment}", address, If_None_Match=tag)
        assert again.status_code == 304
        assert again.headers["ETag"] == tag
    assert at("2026-02-10T22:29:20", address).headers["Cache-Control"] == "public, max-age=40"
    changed = at("2026-02-10T22:30", address, If_None_Match=tag)
    assert (changed.status_code, changed.json["register"]) == (200, "HC")
    # At midnight neither the register nor the price changes, and the day does.
    assert at("2026-02-10T23:59:30", address).headers["Cache-Control"] == "public, max-age=30"


def test_today_and_tomorrow_are_others_after_midnight(at: Ask) -> None:
    address = "/v1/prices?option=BASE&power_kva=9"
    evening = at("2026-02-10T23:59:50", address)
    assert evening.headers["Cache-Control"] == "public, max-age=10"
    assert evening.json["from"] == "2026-02-10T00:00:00+01:00"
    morning = at("2026-02-11T00:00", address, If_None_Match=evening.headers["ETag"])
    assert morning.json["from"] == "2026-02-11T00:00:00+01:00"


def test_an_answer_is_cached_no_longer_than_its_status_is_true(at: Ask, ask: Ask) -> None:
    address = "/v1/prices/now?option=BASE&power_kva=6"
    (tariff,) = ask("/v1/tariffs?offer=Tarif+Bleu&option=BASE&power_kva=6")["tariffs"]
    seen_at = dt.datetime.fromisoformat(tariff["last_seen_at"])
    fresh = at((seen_at + dt.timedelta(days=6, hours=23, minutes=59, seconds=30)).isoformat(), address)
    assert (fresh.json["data_status"], fresh.json["data_status_reason"]) == ("fresh", None)
    assert fresh.headers["Cache-Control"] == "public, max-age=30"
    older = at((seen_at + dt.timedelta(days=7, seconds=1)).isoformat(), address)
    assert (older.json["data_status"], older.json["data_status_reason"]) == ("verifying", "not_seen")
    assert older.headers["ETag"] != fresh.headers["ETag"]


def test_a_colour_that_comes_changes_the_answer(
    at: Ask, filled_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 0.0)
    address = "/v1/prices/now?option=TEMPO&power_kva=12"
    before = [at(f"2026-10-03T{moment}", address) for moment in ("10:55", "10:59", "11:05")]
    assert {answer.json["tempo"]["tomorrow"] for answer in before} == {"unknown"}
    assert len({answer.headers["ETag"] for answer in before}) == 1
    document = SourceDocument(reference="test", title="an announcement", kind="regulator")
    day = ColourObservation(dt.date(2026, 10, 4), CLOCK[0], "BLANC", document, None)
    with psycopg.connect(filled_url) as connection:
        publish_colours(connection, [day])
        connection.execute(statement("database/advance_data_version"))
    after = at("2026-10-03T11:05", address, If_None_Match=before[0].headers["ETag"])
    assert after.status_code == 200
    assert after.json["tempo"]["tomorrow"] == "BLANC"
    evening = at("2026-10-03T22:00", address).json
    assert evening["next"]["register"] == "BLANC_HP"
    page = at("2026-10-03T11:05", "/v1/prices?option=TEMPO&power_kva=12").json
    assert page["known_until"] == "2026-10-05T00:00:00+02:00"


@pytest.mark.parametrize("path", [f"prices?{BASE}", f"prices/now?{BASE}", "tempo/season"])
def test_head_and_headers_are_those_of_every_other_address(client: FlaskClient, path: str) -> None:
    get, head = client.get(f"/v1/{path}"), client.head(f"/v1/{path}")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == get.headers["ETag"]
    assert head.headers["Content-Length"] == str(len(get.data))
    for name in ("X-Content-Type-Options", "X-RateLimit-Limit"):
        assert name in get.headers, name
    assert "X-Request-ID" not in get.headers, "a shared cache would give it to others"
    assert client.get(f"/v1/{path}", headers={"If-None-Match": get.headers["ETag"]}).status_code == 304
    assert client.post(f"/v1/{path}").status_code == 405


def test_the_season_is_counted(ask: Ask) -> None:
    # Of RTE's calendar: 2025-26 had 9 red and 32 white days up to 1 March.
    assert ask("/v1/tempo/season?on=2026-03-01") == {
        "start": "2025-09-01",
        "end": "2026-08-31",
        "on": "2026-03-01",
        "days_used": {"BLEU": 141, "BLANC": 32, "ROUGE": 9},
        "days_left": {"BLEU": 159, "BLANC": 11, "ROUGE": 13},
        "days_target": {"BLEU": 300, "BLANC": 43, "ROUGE": 22},
        "days_unknown": 0,
    }
    assert ask("/v1/tempo/season")["on"] == "2026-11-22"


@pytest.mark.parametrize("on", ["2011-12-31", "2028-01-01", "9999-12-31"])
def test_a_season_of_which_nothing_is_known_is_not_found(client: FlaskClient, on: str) -> None:
    assert client.get(f"/v1/tempo/season?on={on}").status_code == 404


instants = st.one_of(
    st.text("0123456789-:TZ+ ", max_size=26),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.dates().map(str),
    st.sampled_from(["2026-03-29T02:30", "2026-10-25T02:30", "2012-01-01", "9999-12-31T23:59Z"]),
)
values = {
    "supplier": st.text(max_size=20),
    "offer": st.one_of(st.just("Tarif Bleu"), st.text(max_size=110)),
    "option": st.one_of(st.sampled_from(list(OPTIONS)), st.text(max_size=8)),
    "power_kva": st.one_of(st.integers(-1, 40), st.text(max_size=4)).map(str),
    "off_peak_hours": st.one_of(
        st.text("0123456789hH:;- winterfrom", max_size=40), st.just("22:30-06:30"), st.text(max_size=10)
    ),
    "chosen_weekday": st.one_of(st.just("monday"), st.text(max_size=8)),
    "from": instants,
    "to": instants,
    "at": instants,
    "slice_minutes": st.one_of(st.sampled_from(["15", "30", "60"]), st.text(max_size=3)),
    "format": st.one_of(st.sampled_from(["json", "csv", "evcc"]), st.text(max_size=5)),
}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["prices", "prices/now"]),
    st.fixed_dictionaries({}, optional=values),
    st.lists(st.sampled_from(list(values)), max_size=2),
)
def test_no_query_is_answered_with_a_500(
    client: FlaskClient, path: str, query: dict[str, str], twice: list[str]
) -> None:
    pairs = [*query.items(), *((name, query[name]) for name in twice if name in query)]
    answer = client.get(f"/v1/{path}?{urlencode(pairs, errors='replace')}")
    assert answer.status_code in {200, 400, 406, 422}
    if answer.status_code in {400, 422}:
        assert json.loads(answer.data)["faults"]


def test_why_a_price_is_not_known_is_said_in_the_language_of_the_request(client: FlaskClient) -> None:
    address = f"/v1/prices?{BASE}&from=2012-01-02&to=2012-01-03"
    said: dict[str, str] = {}
    for language in ("fr", "en", "fr", "en"):  # the second of each is cached
        answer = client.get(address, headers={"Accept-Language": language})
        assert answer.headers["Content-Language"] == language
        assert "accept-language" in answer.vary.as_set()
        (price,) = answer.json["prices"]  # type: ignore[index]  # the page of prices
        assert price["reason"]["code"] == "before_first_tariff"
        assert said.setdefault(language, price["reason"]["message"]) == price["reason"]["message"]
    assert said["fr"] != said["en"]


def test_every_cached_answer_with_sentences_is_cached_by_language(shared_app: Flask) -> None:
    cached = {path for path, _, spec in specified_routes(shared_app) if spec.translated and spec.cacheable}
    assert cached == TRANSLATED_PATHS
