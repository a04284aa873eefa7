"""What cannot be answered about a customer's use says why, all of it at once; never a 500."""

import io
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage

from openwatt.app import create_app
from openwatt.settings import Settings
from tests.conftest import NOW, close_app
from tests.meter.test_refusals import REFUSED
from tests.web.api.test_bills import TWO_DAYS, send
from tests.web.http.test_bad_input import faults


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
        ({"kwh": 1, "off_peak_hours": ["22:00-06:00" * 30]}, "off_peak_hours", "or more than 300"),
        ({"kwh": 1, "off_peak_hours": ["été 2h-10h"]}, "off_peak_hours", "those of winter (from 1 November)"),
        ({"kwh": 1, "off_peak_hours": ["hiver 2h-10h"]}, "off_peak_hours", "those of summer (from 1 April)"),
        (
            {"kwh": 1, "off_peak_hours": ["from 2026-01-01 2h-10h"]},
            "off_peak_hours",
            "no hours for 2025-10-01",
        ),
        ({"kwh": 1, "off_peak_hours": ["été 22h-6h"], "from": 1}, "from", "must be of type string"),
        ({"kwh": 1, "peak_days": ["2025-01-01"] * 221}, "peak_days", "is given more than 220 times"),
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


@pytest.mark.parametrize(
    ("boundary", "body"),
    [
        ("", TWO_DAYS),
        ("; boundary=x", b""),
        ("; boundary=x", b"--x\r\n"),
        ("; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n2024-01-10T00:30'),
        ("; boundary=\xff", b"--\xff\r\n\r\n--\xff--"),
        ("; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"),
    ],
)
def test_a_broken_form_holds_nothing(client: FlaskClient, boundary: str, body: bytes) -> None:
    answer = client.post("/v1/bills", data=body, content_type=f"multipart/form-data{boundary}")
    assert answer.status_code == 400
    assert faults(answer)["power_kva"] == "is missing"


def test_one_file_is_a_question_and_two_are_not(client: FlaskClient) -> None:
    two = {"file": [FileStorage(io.BytesIO(TWO_DAYS), name) for name in ("a", "b")], "power_kva": 6}
    answer = client.post("/v1/bills", data=two, content_type="multipart/form-data")
    assert answer.status_code == 400
    assert "given twice" in faults(answer)["file"]
    other = {"curve": FileStorage(io.BytesIO(TWO_DAYS), "a"), "power_kva": 6}
    answer = client.post("/v1/bills", data=other, content_type="multipart/form-data")
    assert faults(answer)["curve"] == "is not a file here; there is: file"


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


def test_bills_have_a_limit_of_their_own(filled_url: str) -> None:
    app = create_app(Settings(database_url=filled_url, workers=1, limit_bills="2/hour"), clock=lambda: NOW)
    client = app.test_client()
    statuses = [send(client, "/v1/registers", TWO_DAYS, option="BASE").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert client.get("/v1/bills?kwh=1&power_kva=6").status_code == 429
    assert client.get("/v1/tariffs").status_code == 200
    close_app(app)


def test_a_missing_power_alone_is_a_400(client: FlaskClient) -> None:
    for answer in (client.get("/v1/bills?kwh=5000"), client.post("/v1/bills", json={"kwh": 5000})):
        assert answer.status_code == 400
        assert faults(answer) == {"power_kva": "is missing"}
