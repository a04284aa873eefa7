"""What a customer's use would have cost, asked of the API: right to the cent, and gone afterwards."""

import csv
import datetime as dt
import io
import json
from base64 import b64encode
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from openwatt.app import create_app
from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.comparison.market import StoredMarket
from openwatt.domain.calendar import Home
from openwatt.domain.comparison import ComparisonTerms, compare
from openwatt.domain.legal_time import PARIS, Span
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.usage import use_of_curve
from openwatt.meter.read import read_load_curve
from openwatt.representations.bills import CoverageItem, Days, LeftOut, RankedContract
from openwatt.sentences.catalogue import sentence
from openwatt.settings import Settings
from openwatt.store.tariffs import publish
from openwatt.web.api import bills
from tests.conftest import NOW, close_app
from tests.domain.test_worked_bills import WORKED
from tests.meter.test_makers import FILES
from tests.shared_data import SHARED, needs_shared_data
from tests.store.test_history import SHEET, TARIFF, observed

REAL = SHARED / "load_curves/Enedis_Conso_Heure_20230809-20240725_1429xxxxxxxxxx.csv"
PRM = "14298765432109"
REGULATED = [worked for worked in WORKED if worked.get("tariff") == "catalogue"]
PRICES = {"HP": Decimal("0.21"), "HC": Decimal("0.16")}
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


@needs_shared_data
@pytest.mark.parametrize("prices", ["then", "now"])
def test_a_real_meter_costs_what_the_domain_says_of_the_shipped_catalogue(
    client: FlaskClient, prices: Any
) -> None:
    curve = read_load_curve(REAL.read_bytes(), NOW)
    home = Home((parse_off_peak_hours("22:30-06:30"),), None, shipped_colours())
    market, span = shipped_market(), curve.measured_days()
    market = replace(market, contracts=[one for one in market.contracts if one.power_kva == 6])
    question = ComparisonTerms(
        span=span, prices=prices, today=NOW.date(), present=("EDF", "Tarif Bleu", "BASE", 6)
    )
    result = compare(use_of_curve(curve, home, span), market, question)
    expected = {
        "span": Days.of(result.span),
        "prices": result.prices,
        "coverage": CoverageItem.of(result.coverage),
        "ranking": [RankedContract.of(one, result) for one in result.ranking],
        "outdated": [RankedContract.of(one, result) for one in result.outdated],
        "left_out": [LeftOut.of(contract, reason) for contract, reason in result.left_out],
    }
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
    every = answer["ranking"] + answer.setdefault("outdated", [])
    for line in every:
        del line["bill"]
    for key in expected:
        assert answer[key] == json.loads(encoded)[key]
    assert len(every) == (3 if prices == "then" else 60)
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
    ((line, bill),) = [(line, line["bill"]) for line in answer["ranking"] if line["bill"]]
    assert f"{bill['ttc_eur']:.2f}" == worked["total_ttc"]
    assert (line["total_ttc_eur"], line["total_ht_eur"]) == (bill["ttc_eur"], bill["ht_eur"])
    assert line["duties_eur"] == bill["duties_eur"]
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
    answer = told(client.post("/v1/bills", json=KWH))
    every = answer["ranking"] + answer["outdated"]
    assert [float(row["total_ttc_eur"]) for row in rows] == [line["total_ttc_eur"] for line in every]
    assert [row["outdated"] for row in rows] == [str(line["outdated"]).lower() for line in every]
    assert len(rows) == 60


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
        {"power_kva": 6, "kwh": 1, "off_peak_hours": ["22h-6h", "winter from 2026-12-01 1h-7h;14h-16h"]},
        {"power_kva": 6, "kwh": 1, "off_peak_hours": ["été : 2h-6h et 11h-15h ; hiver : 22h30-6h30"]},
        {"power_kva": 6, "kwh": 900, "from": "2024-02-29", "prices": "then", "chosen_weekday": "friday"},
    ],
)
def test_an_answer_without_a_file_has_an_address_that_asks_it_again(
    client: FlaskClient, fields: dict[str, object]
) -> None:
    posted = told(client.post("/v1/bills", json=fields))
    answer = client.get(posted["address"])
    assert told(answer) == posted | {"privacy": sentence(bills.PRIVACY_OF_ADDRESS)}
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "ETag" not in answer.headers


def test_what_no_address_can_hold_has_none(client: FlaskClient) -> None:
    days = [f"2025-{month:02}-{day:02}" for month in (1, 2) for day in range(1, 27)]
    assert told(client.post("/v1/bills", json=KWH | {"peak_days": days[:25]}))["address"]
    assert told(client.post("/v1/bills", json=KWH | {"peak_days": days}))["address"] is None


def test_an_address_reads_the_database_once(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "/v1/bills?power_kva=12&kwh=7000"
    first = told(client.get(address))
    assert all(line["total_ttc_eur"] == line["total_ttc_eur_per_year"] for line in first["ranking"])
    monkeypatch.delattr(StoredMarket, "_read")
    assert told(client.get(address)) == first
    assert told(client.get(f"{address}&prices=now"))["ranking"] == first["ranking"]


def test_what_is_published_is_in_the_next_answer(filled_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openwatt.web.http.data_version.MAX_AGE_S", 0.0)
    tariff = replace(TARIFF, subscription_eur_per_year_ttc=Decimal(180), prices_eur_per_kwh_ttc=PRICES)
    app = create_app(Settings(database_url=filled_url), clock=lambda: NOW)
    before = told(send(app.test_client(), "/v1/bills", TWO_DAYS, power_kva=6))
    with psycopg.connect(filled_url) as connection:
        publish(connection, [observed(tariff, NOW)])
    after = told(send(app.test_client(), "/v1/bills", TWO_DAYS, power_kva=6))
    close_app(app)
    (new,) = [line for line in after["ranking"] if line["supplier"] == TARIFF.supplier]
    assert [line for line in after["ranking"] if line != new] == before["ranking"]
    assert new["sources"] == [
        {
            "kind": SHEET.kind,
            "title": SHEET.title,
            "url": SHEET.url,
            "document_sha256": SHEET.sha256,
            "page": None,
        }
    ]


DOUBTFUL = "\n".join(
    ["timestamp;Valeur", *(f"2025-11-10 {n // 2:02}:{n % 2 * 30:02};400" for n in range(48))]
).encode()


def test_an_ambiguous_file_is_a_fault_until_a_field_decides(client: FlaskClient) -> None:
    answer = send(client, "/v1/registers", DOUBTFUL, option="BASE")
    assert answer.status_code == 422
    (fault,) = (answer.json or {})["faults"]
    assert "may be the starts or the ends of steps" in fault["message"]
    registers = told(send(client, "/v1/registers", DOUBTFUL, option="BASE", stamps="start", unit="W"))
    assert registers["wh"] == {"BASE": 9600}
    assert send(client, "/v1/bills", DOUBTFUL, power_kva=6, stamps="end", unit="W").status_code == 200
    assert send(client, "/v1/bills", DOUBTFUL, power_kva=6, stamps="middle").status_code == 400


def test_a_reader_of_french_gets_the_file_s_faults_and_findings_in_french(client: FlaskClient) -> None:
    def ask(file: bytes, **fields: object) -> Any:
        body = {"file": b64encode(file).decode(), "power_kva": 6, **fields}
        return client.post("/v1/bills", json=body, headers={"Accept-Language": "fr-FR,fr;q=0.9"}).json

    assert "peuvent être les débuts ou les fins des pas" in ask(DOUBTFUL)["faults"][0]["message"]
    bare = DOUBTFUL.partition(b"\n")[2]
    assert "le fichier n’a pas d’en-tête" in ask(bare)["findings"][0]["message"]


def test_options_of_a_file_without_a_file_are_a_fault(client: FlaskClient) -> None:
    answer = client.post("/v1/bills", json={"kwh": 4500, "power_kva": 6, "unit": "kWh"})
    assert (answer.json or {})["faults"] == [
        {
            "parameter": "unit",
            "code": "question.no_file",
            "message": "says how a file is read, and no file is given",
        }
    ]


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ("2h30-7h30", ["the off-peak hours 02:30-07:30 are 5 h a day; a meter's are 8 h"]),
        (
            "été 2h-10h ; hiver 22h-6h20",
            ["the off-peak hours winter 22:00-06:20 are 8 h 20 a day; a meter's are 8 h"],
        ),
        ("22h00-23h59, 00h00-06h00", []),
        ("22h-6h", []),
    ],
)
def test_off_peak_hours_that_are_not_eight_are_taken_and_said(
    client: FlaskClient, hours: str, said: list[str]
) -> None:
    def found(answer: Any) -> list[str]:
        return [one["message"] for one in answer["findings"] if one["kind"] == "off_peak_hours"]

    fields = {"file": b64encode(TWO_DAYS).decode(), "off_peak_hours": [hours]}
    answer = told(client.post("/v1/bills", json={**fields, "power_kva": 6}))
    assert found(answer) == said
    (hphc,) = [one for one in answer["ranking"] if one["option"] == "HPHC" and is_trve(one)]
    assert hphc["whole"]
    registers = told(client.post("/v1/registers", json={**fields, "option": "HPHC"}))
    assert found(registers) == said
    assert registers["wh"]["HC"] > 0


def test_registers_of_a_season_without_off_peak_hours_are_a_fault(client: FlaskClient) -> None:
    fields = {"file": b64encode(TWO_DAYS).decode(), "option": "HPHC", "off_peak_hours": ["été 2h-10h"]}
    answer = client.post("/v1/registers", json=fields)
    assert answer.status_code == 422
    assert "off-peak hours of 2024-01-10" in answer.text
    assert client.post("/v1/registers", json={**fields, "option": "BASE"}).status_code == 200


def test_a_reader_of_french_gets_what_is_said_of_question_and_bills_in_french(client: FlaskClient) -> None:
    def ask(**fields: object) -> Any:
        return client.post(
            "/v1/bills", json={"power_kva": 6, **fields}, headers={"Accept-Language": "fr"}
        ).json

    assert "il faut l’un des trois" in ask()["faults"][0]["message"]
    season = ask(kwh=1, off_peak_hours=["été 2h-10h"])["faults"][0]["message"]
    assert season.endswith("celles d’hiver (à partir du 1er novembre) manquent")
    unknown = ask(kwh=1, option="BASE", supplier="EDFF")["faults"][0]["message"]
    assert unknown.startswith(
        "aucun contrat EDFF Tarif Bleu BASE de 6 kVA n’est connu\u00a0: s’agit-il de EDF"
    )
    answer = ask(file=b64encode(TWO_DAYS).decode())
    assert answer["part_of_year"]["message"].startswith(
        "2 jours, mesurés à 100\u00a0%, ne font pas une année"
    )
    assert any("n’a pas de prix le" in one["reason"] for one in answer["left_out"])


def test_what_lacks_prices_has_no_cost_of_a_year(client: FlaskClient) -> None:
    query = "kwh=4500&power_kva=6&prices=then"
    page: Any = client.get(f"/v1/bills?{query}").json
    partial = [line for line in page["ranking"] if not line["whole"]]
    whole = [line for line in page["ranking"] if line["whole"]]
    assert partial
    assert whole
    for line in partial:
        assert line["partial"]
        assert line["total_ttc_eur"] > 0
        assert line["total_ttc_eur_per_year"] is line["saving_against_baseline_eur_per_year"] is None
        assert line["saving_against_regulated_eur_per_year"] is None
    assert all(line["total_ttc_eur_per_year"] and not line["partial"] for line in whole)
    table = list(
        csv.DictReader(io.StringIO(client.get(f"/v1/bills?{query}", headers={"Accept": "text/csv"}).text))
    )
    shown = {row["whole"]: row for row in table}
    assert shown["false"]["total_ttc_eur_per_year"] == ""
    assert shown["false"]["partial"]
    assert shown["true"]["total_ttc_eur_per_year"]
    assert shown["true"]["partial"] == ""


@pytest.mark.parametrize(
    ("present", "baseline"),
    [("", ("EDF", "Tarif Bleu", "BASE")), ("&option=TEMPO", ("EDF", "Tarif Bleu", "TEMPO"))],
)
def test_every_contract_is_compared_with_one(
    client: FlaskClient, present: str, baseline: tuple[str, str, str]
) -> None:
    page: Any = client.get(f"/v1/bills?kwh=4500&power_kva=6{present}").json
    beside = page["baseline"]
    assert (beside["supplier"], beside["offer"], beside["option"]) == baseline
    (own,) = [line for line in page["ranking"] if all(line[name] == beside[name] for name in beside)]
    assert own["saving_against_baseline_eur"] == 0
    for line in page["ranking"]:
        saving = Decimal(str(own["total_ttc_eur"])) - Decimal(str(line["total_ttc_eur"]))
        assert abs(saving - Decimal(str(line["saving_against_baseline_eur"]))) <= Decimal("0.01")
