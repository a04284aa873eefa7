"""What a customer's use would have cost, asked of the API: right to the cent, and gone afterwards."""

import csv
import datetime as dt
import gzip
import io
import json
import tempfile
import traceback
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from flask import Flask, got_request_exception
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from openwatt.app import create_app
from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.answers import comparison_answer
from openwatt.domain.calendar import Home
from openwatt.domain.comparison import Question, compare
from openwatt.domain.legal_time import PARIS, Span
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.usage import use_of_curve
from openwatt.meter.read import read_load_curve
from openwatt.settings import Settings
from openwatt.telemetry import context as contexts
from openwatt.watch import PRIVATE_ENDPOINTS, PRIVATE_PATHS
from openwatt.web import bills, customer
from openwatt.web.market import StoredMarket
from tests.conftest import NOW, close_app
from tests.domain.test_worked_bills import WORKED
from tests.meter.test_makers import FILES, HEADER, HOURLY
from tests.meter.test_refusals import REFUSED
from tests.shared_data import SHARED, needs_shared_data
from tests.web.test_bad_input import faults

REAL = SHARED / "load_curves/Enedis_Conso_Heure_20230809-20240725_1429xxxxxxxxxx.csv"
PRM = "14298765432109"
REGULATED = [worked for worked in WORKED if worked.get("tariff") == "catalogue"]
KWH = {"power_kva": 6, "kwh": 5000, "profile": "electric_car"}


def file_of(watts: int, span: Span) -> bytes:
    """Half hours of one power, as a header-less file of stamps and watts."""
    start = dt.datetime.combine(span.start, dt.time(), PARIS).astimezone(dt.UTC)
    steps = (span.end_min - span.start_min) // 30
    ends = (start + n * dt.timedelta(minutes=30) for n in range(1, steps + 1))
    return "".join(f"{end.isoformat()};{watts}\r\n" for end in ends).encode()


TWO_DAYS = file_of(500, Span(dt.date(2024, 1, 10), dt.date(2024, 1, 12)))


def send(client: FlaskClient, path: str, data: bytes | None = None, **fields: object) -> TestResponse:
    """POSTs a form as a browser does."""
    file = {} if data is None else {"file": FileStorage(io.BytesIO(data), "a name.txt")}
    boundary, body = encode_multipart(file | fields)
    return client.post(path, data=body, content_type=f"multipart/form-data; boundary={boundary}")


def told(answer: TestResponse) -> Any:
    """The JSON of an answer that must be 200."""
    assert answer.status_code == 200, answer.text
    return answer.json


# What it costs


@needs_shared_data
@pytest.mark.parametrize("prices", ["then", "now"])
def test_a_real_meter_costs_what_the_domain_says_of_the_shipped_catalogue(
    client: FlaskClient, prices: Any
) -> None:
    curve = read_load_curve(REAL.read_bytes(), NOW)
    home = Home((parse_off_peak_hours("22:30-06:30"),), None, shipped_colours())
    market, span = shipped_market(), curve.whole_days()
    market = replace(market, contracts=[one for one in market.contracts if one.power_kva == 6])
    question = Question(span=span, prices=prices, today=NOW.date(), present=("EDF", "Tarif Bleu", "BASE", 6))
    expected = comparison_answer(compare(use_of_curve(curve, home, span), market, question))
    encoded = msgspec.json.Encoder(decimal_format="number").encode(expected)

    answer = told(
        send(
            client,
            "/v1/bills",
            REAL.read_bytes(),
            power_kva=6,
            off_peak_hours="22:30-06:30",
            option="BASE",
            prices=prices,
        )
    )
    present = next(line for line in answer["ranking"] if line["bill"])
    assert present["option"] == "BASE"
    assert present["bill"]["ttc_eur"] == present["total_ttc_eur"]
    for line in answer["ranking"]:
        del line["bill"]
    for key in ("span", "prices", "coverage", "ranking", "left_out"):
        assert answer[key] == json.loads(encoded)[key]
    assert len(answer["ranking"]) == (3 if prices == "then" else 37)
    assert answer["advice"]["power"]["highest_w"] == 6048
    assert answer["assumptions"] == []


@needs_shared_data
def test_the_registers_of_the_real_meter_are_its_indexes_to_the_watt_hour(client: FlaskClient) -> None:
    fields = {"option": "TEMPO", "from": "2024-01-10", "to": "2024-07-25T00:00:00+02:00"}
    answer = told(send(client, "/v1/registers", REAL.read_bytes(), **fields))
    assert answer["wh"] == {
        "BLEU_HC": 1083540,
        "BLEU_HP": 1412200,
        "BLANC_HC": 242503,
        "BLANC_HP": 306317,
        "ROUGE_HC": 199733,
        "ROUGE_HP": 224927,
    }
    assert answer["unknown_wh"] == 0
    assert answer["span"] == {"start": "2024-01-10T00:00:00+01:00", "end": "2024-07-25T00:00:00+02:00"}
    assert answer["coverage"] == {
        "expected_half_hours": 9454,
        "present_half_hours": 9454,
        "complete": True,
    }


def test_there_are_worked_bills_of_the_catalogue() -> None:
    assert len(REGULATED) >= 10


@pytest.mark.parametrize("worked", REGULATED, ids=[bill["title"] for bill in REGULATED])
def test_a_bill_is_what_was_worked_out_by_hand(client: FlaskClient, worked: dict[str, Any]) -> None:
    fields = {"off_peak_hours": worked["off_peak"]} if "off_peak" in worked else {}
    answer = told(
        send(
            client,
            "/v1/bills",
            file_of(worked["watts"], Span(*worked["span"])),
            power_kva=worked["power_kva"],
            option=worked["option"],
            prices="then",
            **fields,
        )
    )
    (bill,) = [line["bill"] for line in answer["ranking"] if line["bill"]]
    assert f"{bill['ttc_eur']:.2f}" == worked["total_ttc"]
    assert "total_ht" not in worked or f"{bill['ht_eur']:.2f}" == worked["total_ht"]
    assert sorted(
        (line["month"], line["register"], line["kwh"], line["price_eur_per_kwh_ttc"])
        for line in bill["lines"]
        if "register" in line
    ) == sorted(
        (month, register, float(kwh), float(price)) for month, register, kwh, price, _ in worked["lines"]
    )
    assert all(source["title"] for line in bill["lines"] for source in line["sources"])


def test_prices_then_are_those_of_the_day_and_now_those_of_today(client: FlaskClient) -> None:
    def price(prices: str) -> float:
        answer = told(
            send(client, "/v1/bills", TWO_DAYS, power_kva=6, option="BASE", prices=prices, details="true")
        )
        assert all(line["bill"] for line in answer["ranking"])
        (bill,) = [line["bill"] for line in answer["ranking"] if line["option"] == "BASE" and is_trve(line)]
        (energy,) = [line for line in bill["lines"] if "register" in line]
        assert energy["kwh"] == 24.0
        return float(energy["price_eur_per_kwh_ttc"])

    assert price("then") == 0.2276
    assert (
        price("now")
        == told(client.get("/v1/tariffs?supplier=EDF&option=BASE&power_kva=6"))["tariffs"][0][
            "prices_eur_per_kwh_ttc"
        ]["BASE"]
    )


def is_trve(line: dict[str, Any]) -> bool:
    return (line["supplier"], line["offer"]) == ("EDF", "Tarif Bleu")


@pytest.mark.parametrize("maker", sorted(FILES))
def test_every_makers_file_tells_its_registers(client: FlaskClient, maker: str) -> None:
    fields = {"option": "BASE", "from": "2024-02-01T00:00+01:00", "to": "2024-02-01T01:00+01:00"}
    made: Any = FILES[maker]
    data = made() if callable(made) else made
    data = data.encode() if isinstance(data, str) else data
    assert told(send(client, "/v1/registers", data, **fields))["wh"] == {"BASE": 170}  # 252 W and 88 W


def test_a_file_in_json_tells_the_same_as_in_a_form(client: FlaskClient) -> None:
    in_form = told(send(client, "/v1/bills", TWO_DAYS, power_kva=6, off_peak_hours="02:00-10:00"))
    fields = {
        "file": b64encode(TWO_DAYS).decode(),
        "power_kva": 6,
        "off_peak_hours": ["from 2020-01-01 22:00-06:00", "02:00-10:00"],
    }
    assert told(client.post("/v1/bills", json=fields)) == in_form


def test_the_ranking_can_be_had_as_a_table(client: FlaskClient) -> None:
    answer = client.post("/v1/bills?format=csv", json=KWH)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    ranking = told(client.post("/v1/bills", json=KWH))["ranking"]
    assert [float(row["total_ttc_eur"]) for row in rows] == [line["total_ttc_eur"] for line in ranking]
    assert len(rows) == 37


def test_a_home_that_used_nothing_pays_its_subscription(client: FlaskClient) -> None:
    nothing = file_of(0, Span(dt.date(2024, 1, 10), dt.date(2024, 1, 12)))
    answer = told(send(client, "/v1/bills", nothing, power_kva=6, option="BASE", prices="then"))
    (bill,) = [line["bill"] for line in answer["ranking"] if line["bill"]]
    assert (bill["kwh"], bill["ttc_eur"]) == (0, 0.82)  # 149.28 × 2 / 365
    assert answer["advice"]["off_peak"] is None


# Without a file, at an address


@pytest.mark.parametrize(
    "fields",
    [
        KWH,
        {"power_kva": 9, "register_kwh": ["HP=3000", "HC=2000.5"], "option": "HPHC"},
        {"power_kva": 6, "kwh": 1, "off_peak_hours": ["winter from 2026-12-01 01:00-07:00;14:00-16:00"]},
        {"power_kva": 6, "kwh": 900, "from": "2024-02-29", "prices": "then", "chosen_weekday": "friday"},
    ],
)
def test_an_answer_without_a_file_has_an_address_that_asks_it_again(
    client: FlaskClient, fields: dict[str, object]
) -> None:
    posted = told(client.post("/v1/bills", json=fields))
    answer = client.get(posted["address"])
    assert told(answer) == posted | {"privacy": bills.PRIVACY_OF_ADDRESS}
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    again = client.get(posted["address"], headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.headers["ETag"]) == (304, answer.headers["ETag"])


def test_an_address_reads_the_database_once(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "/v1/bills?power_kva=12&kwh=7000"
    first = told(client.get(address))
    assert all(line["total_ttc_eur"] == line["total_ttc_eur_per_year"] for line in first["ranking"])
    monkeypatch.delattr(StoredMarket, "_read")
    assert told(client.get(address)) == first
    assert told(client.get(f"{address}&prices=now"))["ranking"] == first["ranking"]


# What cannot be answered


@pytest.mark.parametrize("path", ["/v1/bills", "/v1/registers"])
@pytest.mark.parametrize("name", sorted(REFUSED.keys() - {"50 MB"}))
def test_a_file_that_is_no_load_curve_is_refused_with_its_reason(
    client: FlaskClient, path: str, name: str
) -> None:
    make, reason = REFUSED[name]
    fields = {"power_kva": "6"} if path == "/v1/bills" else {"option": "BASE"}
    answer = send(client, path, make(), **fields)
    assert answer.status_code == 422
    assert reason in faults(answer)["file"]


def test_a_body_of_50_mb_is_too_large(client: FlaskClient) -> None:
    answer = send(client, "/v1/bills", bytes(50 * 1024 * 1024), power_kva=6)
    assert answer.status_code == 413
    assert "larger" in answer.json["detail"]  # type: ignore[index]  # a problem document


def test_every_wrong_field_is_named_at_once(client: FlaskClient) -> None:
    wrong: dict[str, Any] = {
        "power_kva": "six",
        "off_peak_hours": "22:00-06:00;05:00-07:00",
        "prices": "later",
        "from": "2024-02-30",
        "chosen_weekday": "someday",
        "peak_days": "1999-12-31",
        "supplier": "EDF",
        "colour": "red",
        "kwh": 5000,
    }
    answer = send(client, "/v1/bills", b"\x00\x01", **wrong)
    assert answer.status_code == 400
    assert faults(answer).keys() == wrong.keys() | {"file"}
    in_json: Any = wrong | {"file": "?", "power_kva": "6", "off_peak_hours": "22:00-06:00", "peak_days": [1]}
    answer = client.post("/v1/bills?surprise=1", json=in_json)
    assert answer.status_code == 400
    assert faults(answer).keys() == wrong.keys() | {"file", "surprise"}
    assert faults(answer)["off_peak_hours"] == "must be an array"


@pytest.mark.parametrize(
    ("fields", "parameter", "said"),
    [
        ({}, "power_kva", "is missing"),
        ({}, "file", "one of them is needed"),
        ({"kwh": 1, "register_kwh": ["BASE=1"]}, "register_kwh", "exclude each other"),
        ({"kwh": 1, "from": "2001-01-01", "prices": "then"}, "power_kva", "no contract can be costed"),
        ({"kwh": 1, "option": "EJP"}, "option", "no contract EDF Tarif Bleu EJP of 6 kVA is known"),
        ({"kwh": 1, "offer": "Prudence"}, "offer", "whose option is missing"),
        ({"kwh": 1, "from": "2024-01-01", "to": "2024-02-01"}, "to", "the span is one year"),
        ({"kwh": 1, "to": "2024-01-01", "from": "2025-01-01"}, "to", "the span is one year"),
        ({"profile": "base"}, "profile", "no kwh are given"),
        ({"register_kwh": ["HP=1", "HP=2"]}, "register_kwh", "HP, HP are not the registers of one option"),
        ({"register_kwh": ["HP=1", "HC=2", "HC=2"]}, "register_kwh", "each once"),
        ({"kwh": 10**30}, "kwh", "must be a whole number"),
        ({"kwh": 1e300}, "kwh", "must be of type integer"),
        ({"kwh": True}, "kwh", "must be of type integer"),
    ],
)
def test_what_makes_no_question_says_why(
    client: FlaskClient, fields: dict[str, object], parameter: str, said: str
) -> None:
    answer = client.post("/v1/bills", json=({"power_kva": 6} | fields) if fields else {})
    assert answer.status_code in {400, 422}
    assert said in faults(answer)[parameter]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'{"power_kva": 6', b"[" * 100_000, b"\xff"])
def test_what_is_no_json_object_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/v1/bills", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert "JSON" in faults(answer)["body"]


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded", ""])
def test_another_kind_of_body_is_a_415(client: FlaskClient, kind: str) -> None:
    answer = client.post("/v1/registers", data=TWO_DAYS, content_type=kind)
    assert answer.status_code == 415
    assert "multipart/form-data" in answer.json["detail"]  # type: ignore[index]  # a problem document


def test_registers_need_the_hours_that_decide_them(client: FlaskClient) -> None:
    answer = send(client, "/v1/registers", TWO_DAYS, option="HPHC", to="2023-01-01")
    assert answer.status_code == 422
    assert faults(answer).keys() == {"off_peak_hours", "to"}


def test_days_outside_the_file_are_no_question_of_it(client: FlaskClient) -> None:
    answer = send(client, "/v1/bills", TWO_DAYS, **{"power_kva": 6, "from": "2020-01-01", "to": "2020-02-01"})
    assert answer.status_code == 422
    assert "no measurement lies from 2020-01-01 to 2020-02-01" in faults(answer)["to"]


def test_an_empty_database_has_no_contract(empty_url: str) -> None:
    app = create_app(Settings(database_url=empty_url), clock=lambda: NOW)
    answer = send(app.test_client(), "/v1/bills", TWO_DAYS, power_kva=6)
    assert answer.status_code == 422
    assert "there is none" in faults(answer)["power_kva"]
    close_app(app)


def test_without_the_database_it_is_a_503() -> None:
    app = create_app(Settings(database_url="postgresql:///none?host=/nonexistent"))
    for answer in (
        send(app.test_client(), "/v1/bills", TWO_DAYS, power_kva=6),
        app.test_client().get("/v1/bills?kwh=5000&power_kva=6"),
    ):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
    close_app(app)


# What becomes of it


@pytest.fixture
def everything_said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """All that was logged or printed, with its tracebacks and its fields."""
    caplog.set_level(0)

    def said() -> str:
        out, err = capfd.readouterr()
        return out + err + caplog.text + "".join(str(record.__dict__) for record in caplog.records)

    return said


def test_nothing_of_the_file_or_the_fields_is_logged(
    client: FlaskClient, everything_said: Callable[[], str]
) -> None:
    mine = HEADER.replace("14290000000000", PRM)
    for data in (HOURLY.replace("14290000000000", PRM), mine + f"{PRM};{PRM}\n", mine, f"{PRM};{PRM}"):
        answer = send(client, "/v1/bills", data.encode(), power_kva=6, off_peak_hours="03:07-04:07")
        assert answer.headers["Cache-Control"] == "no-store"
        send(client, "/v1/registers", data.encode(), option="BASE", off_peak_hours=PRM)
    client.post("/v1/bills", json={"power_kva": 6, "supplier": PRM, PRM: 1})
    client.get("/v1/bills?kwh=4321&power_kva=6")
    said = everything_said()
    assert said.count("/v1/bills") >= 5
    for planted in (PRM, "03:07", "Horodate", "a name.txt", "4321"):
        assert planted not in said


def test_an_answer_does_not_repeat_the_meters_number(client: FlaskClient) -> None:
    data = TWO_DAYS.decode().replace("\r\n", "\n").replace("+00:00;", "+00:00;")
    head = HEADER.replace("14290000000000", PRM)
    answer = send(client, "/v1/bills", (head + data).encode(), power_kva=6)
    assert told(answer)["privacy"] == "Nothing of what you sent is stored or logged."
    assert PRM not in answer.text


@pytest.mark.parametrize("path", ["/v1/bills", "/v1/registers"])
def test_not_even_a_fault_of_ours_tells_what_was_in_the_file(
    shared_app: Flask, everything_said: Callable[[], str], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def fails(data: bytes, _now: dt.datetime) -> None:
        raise RuntimeError(data.decode())

    for module in (bills, customer):
        monkeypatch.setattr(module, "read_load_curve", fails)
    seen: list[BaseException] = []
    with got_request_exception.connected_to(lambda _, exception: seen.append(exception), shared_app):
        answer = send(shared_app.test_client(), path, PRM.encode(), power_kva=6)
    assert answer.status_code == 500
    assert PRM not in answer.text
    said = everything_said()
    assert "CustomerDataError: RuntimeError at " in said
    assert PRM not in said
    assert PRM not in "".join(traceback.format_exception(seen[0]))


def test_an_error_report_of_an_address_repeats_nothing_of_it(
    shared_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(bills, "compared")
    seen: list[contexts.RequestContext | None] = []
    with got_request_exception.connected_to(lambda *_, **__: seen.append(contexts.current()), shared_app):
        answer = shared_app.test_client().get("/v1/bills?power_kva=6&kwh=4322")
    assert answer.status_code == 500
    (context,) = seen
    assert context is not None
    assert (context.path, context.query_string) == ("/v1/bills", "")


def test_what_is_private_is_every_route_of_bills(shared_app: Flask) -> None:
    rules = [rule for rule in shared_app.url_map.iter_rules() if rule.endpoint.startswith("bills.")]
    assert len(rules) == 3
    assert {rule.endpoint for rule in rules} == PRIVATE_ENDPOINTS
    assert {rule.rule for rule in rules} == PRIVATE_PATHS


def test_a_large_file_never_touches_the_disk(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.delattr(tempfile, name)
        monkeypatch.delattr(f"werkzeug.formparser.{name}", raising=False)
    large = file_of(500, Span(dt.date(2023, 1, 1), dt.date(2024, 1, 1))) * 2
    assert len(large) > 1_000_000
    answer = told(send(client, "/v1/registers", large, option="BASE"))
    assert answer["wh"] == {"BASE": 365 * 24 * 500}
    assert "duplicate" in {finding["kind"] for finding in answer["findings"]}
    packed = gzip.compress(large)
    assert told(send(client, "/v1/registers", packed, option="BASE")) == answer


def test_many_at_once_get_each_their_own(filled_url: str) -> None:
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: NOW)

    def ask(watts: int) -> Any:
        data = file_of(watts, Span(dt.date(2024, 1, 10), dt.date(2024, 1, 12)))
        return told(send(app.test_client(), "/v1/bills", data, power_kva=6 + watts % 2 * 3))

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(ask, range(100, 124)))
    assert together == [ask(watts) for watts in range(100, 124)]
    assert len({answer["ranking"][0]["total_ttc_eur"] for answer in together}) == 24
    close_app(app)
