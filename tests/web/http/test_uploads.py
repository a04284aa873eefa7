"""What a worker does with customers' files: bounds said in the customer's language, room for few at once."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from openwatt.domain.messages import Message
from openwatt.meter.bounds import Bound
from openwatt.sentences.catalogue import CODES, sentence
from openwatt.telemetry.metrics.registry import UPLOAD_REFUSALS
from openwatt.web.http import uploads
from openwatt.web.http.uploads import BodyMemory, HeldBytes, UploadsBusyError
from tests.meter.bombs import workbook
from tests.meter.test_makers import HOURLY
from tests.web.api.test_bills import TWO_DAYS, send, told
from tests.web.pages.test_home import ask

MB = 1024 * 1024
SPARSE = workbook(b'<row><c r="XFD1"><v>1</v></c></row>' * 12_000)
LISTS = b'{"power_kva":6,"other":[' + b"[]," * 3_000_000 + b"1]}"


def faults(answer: TestResponse) -> list[tuple[str, str]]:
    return [(fault["parameter"], fault["message"]) for fault in (answer.json or {})["faults"]]


def refused(client: FlaskClient, reason: str) -> float:
    line = f'openwatt_uploads_refused_total{{reason="{reason}"}} '
    (found,) = [one for one in client.get("/metrics").text.splitlines() if one.startswith(line)]
    return float(found.removeprefix(line))


@pytest.mark.parametrize("path", ["/v1/bills", "/v1/registers"])
def test_the_api_names_the_bound_and_the_remedy_and_counts(client: FlaskClient, path: str) -> None:
    before = refused(client, "columns")
    answer = (
        send(client, path, SPARSE, power_kva=6)
        if "bills" in path
        else send(client, path, SPARSE, option="BASE")
    )
    assert answer.status_code == 422
    said = "the sheet has more than 256 columns; bring the export as it was made"
    assert ("file", said) in faults(answer)
    assert refused(client, "columns") == before + 1


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("fr", "La feuille a plus de 256 colonnes ; apportez"),
        ("en", "The sheet has more than 256 columns; bring"),
    ],
)
def test_the_page_names_the_bound_in_the_customers_language(
    client: FlaskClient, language: str, said: str
) -> None:
    answer = ask(client, SPARSE, language)
    assert answer.status_code == 422
    assert said in answer.text
    assert f'<p class="quiet">{said}' in answer.text
    assert f'<html lang="{language}">' in answer.text


def test_every_bound_has_its_sentence_in_each_language_and_its_series(client: FlaskClient) -> None:
    bounds = get_args(Bound)
    assert {*bounds, "busy"} == {*UPLOAD_REFUSALS}
    for language in CODES:
        for bound in bounds:
            assert sentence(Message.of(f"bound.{bound}", limit=17, found=18), language)
    for reason in UPLOAD_REFUSALS:
        assert refused(client, reason) >= 0


def test_what_reading_has_cost_is_counted(client: FlaskClient) -> None:
    def spent() -> float:
        text = client.get("/metrics").text
        return float(text.partition("\nopenwatt_upload_cpu_seconds_total ")[2].split()[0])

    before = spent()
    send(client, "/v1/bills", HOURLY.encode() * 200, power_kva=6)
    assert spent() > before


@pytest.mark.parametrize(
    ("body", "parameter", "said"),
    [
        (LISTS, "body", "is longer than 65536 bytes without its file"),
        (b'{"file":[' + b"[]," * 3_000_000 + b"1]}", "file", "must be of type string"),
        (b"[" + b"[]," * 3_000_000 + b"1]", "body", "must be a JSON object"),
        (b'{"a":' + b"[" * 3_000_000, "body", "is not JSON"),
        (b'{"file":"' + b"A" * 70_000 + b'","file":"' + b"A" * 70_000 + b'"}', "body", "without its file"),
    ],
)
def test_a_large_json_body_is_built_only_where_its_file_is_what_is_large(
    client: FlaskClient, body: bytes, parameter: str, said: str
) -> None:
    answer = client.post("/v1/bills", data=body, content_type="application/json")
    assert answer.status_code in {400, 422}
    assert any(named == parameter and said in message for named, message in faults(answer))


def test_a_large_file_in_json_is_read(client: FlaskClient) -> None:
    sent = {"power_kva": 6, "file": base64.b64encode(TWO_DAYS + b"\n" * 100_000).decode()}
    small = {"power_kva": 6, "file": base64.b64encode(TWO_DAYS).decode()}
    assert len(json.dumps(sent)) > 64 * 1024
    assert told(client.post("/v1/bills", json=sent)) == told(client.post("/v1/bills", json=small))


def test_ten_thousand_faults_are_told_by_the_first_hundred(client: FlaskClient) -> None:
    answer = client.post("/v1/bills", json={f"{n}": 1 for n in range(5000)})
    assert answer.status_code == 400
    assert len((answer.json or {})["faults"]) == 100


@pytest.fixture
def taken(client: FlaskClient) -> Iterator[FlaskClient]:
    """A service all of whose places for files are taken."""
    free = uploads.upload_slots.free
    held = 0
    while free.acquire(blocking=False):
        held += 1
    assert held >= 1
    yield client
    free.release(held)


def test_a_file_too_many_is_put_off_and_counted(taken: FlaskClient) -> None:
    before = refused(taken, "busy")
    answer = send(taken, "/v1/bills", HOURLY.encode(), power_kva=6)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert (answer.json or {})["detail"] == "Other files are being read. Try again in a few seconds."
    assert refused(taken, "busy") == before + 1
    assert taken.get("/v1/bills?kwh=4500&power_kva=6").status_code == 200, "others are answered"


def test_the_page_puts_it_off_in_the_customers_language(taken: FlaskClient) -> None:
    answer = ask(taken, HOURLY.encode(), "fr")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "D’autres fichiers sont en cours de lecture" in answer.text


def test_the_first_bytes_of_a_body_always_come_in_and_the_oldest_comes_to_its_end(
    client: FlaskClient,
) -> None:
    memory = BodyMemory(most=4 * MB, seconds=0.1)
    memory.grow("oldest", 3 * MB)
    memory.grow("second", 3 * MB)  # of each the first MB is free
    memory.grow("third", 1 * MB)
    memory.grow("oldest", 20 * MB)
    with client.application.app_context(), pytest.raises(UploadsBusyError):
        memory.grow("second", 1 * MB)
    memory.grow("fourth", 1 * MB)
    memory.release("oldest")
    memory.grow("second", 20 * MB)  # now it is the oldest
    memory.release("second")
    memory.release("third")
    memory.release("fourth")
    memory.release("fourth")
    assert memory.held_bytes == 0


def test_a_body_waits_until_another_has_gone() -> None:
    memory = BodyMemory(most=1 * MB, seconds=30)
    memory.grow("first", 5 * MB)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(memory.grow, "second", 5 * MB)
        time.sleep(0.1)
        assert not waiting.done()
        memory.release("first")
        waiting.result(10)


def test_a_body_without_room_is_received_to_its_end_and_dropped(client: FlaskClient) -> None:
    memory = BodyMemory(most=0, seconds=0.01)
    memory.grow("other", 2 * MB)
    with client.application.app_context():
        body = HeldBytes(memory, "mine")
        for _ in range(40):
            assert body.write(bytes(MB // 4)) == MB // 4
        assert body.tell() <= 2 * MB
        with pytest.raises(UploadsBusyError):
            body.value()
    assert memory.held_bytes == 2 * MB


def test_nothing_is_held_after_an_answer(client: FlaskClient) -> None:
    for data in (HOURLY.encode(), SPARSE, b"\n" * (MB // 4), b"binary\x00" * 1000):
        send(client, "/v1/bills", data, power_kva=6)
        ask(client, data)
    client.post("/v1/bills", data=LISTS, content_type="application/json")
    assert uploads.body_memory.held_bytes == 0
    assert threading.active_count() < 50
