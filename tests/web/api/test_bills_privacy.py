"""What becomes of a customer's file: it is answered, and nothing of it is kept or told to anybody."""

import datetime as dt
import gzip
import tempfile
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask, got_request_exception
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.domain.legal_time import Span
from openwatt.observability import PRIVATE_ENDPOINTS, PRIVATE_PATHS
from openwatt.settings import Settings
from openwatt.telemetry import context as contexts
from openwatt.web.api import bill_params, bills
from openwatt.web.http.app_state import state_of
from tests.conftest import NOW, close_app
from tests.meter.test_makers import HEADER, HOURLY
from tests.web.api.test_bills import PRM, TWO_DAYS, file_of, send, told


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
        assert answer.headers["Cache-Control"] == "private, no-store"
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
    def fails(data: bytes, *_: object) -> None:
        raise RuntimeError(data.decode())

    for module in (bills, bill_params):
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
    monkeypatch.delattr(bills, "answer_of")
    seen: list[contexts.RequestContext | None] = []
    with got_request_exception.connected_to(lambda *_, **__: seen.append(contexts.current()), shared_app):
        answer = shared_app.test_client().get("/v1/bills?power_kva=6&kwh=4322")
    assert answer.status_code == 500
    (context,) = seen
    assert context is not None
    assert (context.path, context.query_string) == ("/v1/bills", "")


def test_what_is_private_is_every_route_of_bills_and_the_front_page(shared_app: Flask) -> None:
    private = ("bills.", "explanations.", "home.")
    rules = [rule for rule in shared_app.url_map.iter_rules() if rule.endpoint.startswith(private)]
    assert len(rules) == 6
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


HOME = "power_kva=6&off_peak_hours=22:00-06:00&option=BASE&supplier=EDF&offer=Tarif%20Bleu"


@pytest.mark.parametrize(
    "address",
    [
        "/v1/bills?kwh=4321&power_kva=6",
        f"/v1/bills?kwh=4321&{HOME}&format=csv",
        f"/v1/bills?register_kwh=BASE=4321&{HOME}",
        "/v1/bills?kwh=-1&power_kva=6",
        "/v1/bills?kwh=4321&power_kva=6&present=x",
        f"/v1/bills?{HOME}",
        "/?kwh=4321&power_kva=6",
        "/?kwh=4321&lang=en&present=EDF~Tarif%20Bleu~BASE",
        "/?kwh=4321&power_kva=6&download=csv",
        "/?kwh=4321&power_kva=6&download=json",
        "/?kwh=4321&power_kva=99",
        "/?power_kva=9",
        "/?present=EDF~Tarif%20Bleu~BASE&utm_source=x",
        "/?off_peak_hours=22:00-06:00",
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "text/csv", "text/html, application/json;q=0.5", "image/png"])
def test_no_cache_may_keep_what_a_household_asks_about_itself(
    shared_app: Flask, address: str, accept: str
) -> None:
    client = shared_app.test_client()
    cache = state_of(shared_app).response_cache
    entries = cache.statistics()["entries"]
    for method in ("GET", "HEAD", "GET"):
        answer = client.open(address, method=method, headers={"Accept": accept, "If-None-Match": "*"})
        assert answer.status_code in {200, 400, 406, 422}
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "ETag" not in answer.headers
    assert cache.statistics()["entries"] == entries


def test_a_form_that_says_nothing_of_a_home_is_everybodys(client: FlaskClient) -> None:
    for address in ("/", "/?lang=en", "/?kwh=", "/?utm_source=x&kwh=%20"):
        assert client.get(address).headers["Cache-Control"] == "public, max-age=60"


def test_a_refusal_of_a_household_s_question_is_private_too(filled_url: str) -> None:
    app = create_app(Settings(database_url=filled_url, workers=1, limit_bills="1/day"), clock=lambda: NOW)
    answers = [app.test_client().get("/v1/bills?kwh=4321&power_kva=6") for _ in range(2)]
    close_app(app)
    assert [answer.status_code for answer in answers] == [200, 429]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"private, no-store"}


def test_the_contract_promises_no_tag_where_nothing_may_be_kept(client: FlaskClient) -> None:
    paths: Any = client.get("/openapi.json").json
    responses = paths["paths"]["/v1/bills"]["get"]["responses"]
    assert "304" not in responses
    assert "Cache-Control" in responses["200"]["headers"]
    assert "ETag" not in responses["200"]["headers"]
    assert {"400", "406", "422", "429", "503"} <= set(responses)
    assert "ETag" in paths["paths"]["/v1/offers"]["get"]["responses"]["200"]["headers"]
