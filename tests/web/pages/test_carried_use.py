"""A page of a file carries the measured use: its next form is answered to the last digit without the file."""

import datetime as dt
import hashlib
import re
import zlib
from base64 import b64decode, b64encode
from html import unescape
from typing import Any

import msgspec
import numpy as np
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from openwatt.domain.errors import MeterFileError
from openwatt.domain.load_curve import Finding, LoadCurve
from openwatt.domain.messages import Message
from openwatt.meter.read import read_load_curve
from openwatt.web.pages import carried_use
from openwatt.web.pages.i18n import LANGUAGES
from tests.conftest import NOW
from tests.shared_data import SHARED, needs_shared_data
from tests.web.api.test_bills import TWO_DAYS
from tests.web.pages.test_home import CURVE, ask

FILES = [CURVE, *(path for path in (SHARED / "meter_files").glob("*") if path.suffix != ".md")]


def send_back(client: FlaskClient, carried: str, language: str = "en", **fields: str) -> TestResponse:
    """Sends the form of an answer as a browser does: no file is chosen in it."""
    return ask(client, None, language, measured_use=carried, **fields)


def carried_in(page: str) -> str:
    (text,) = re.findall(r'<input type="hidden" name="measured_use" value="([^"]+)">', page)
    return unescape(text)


@needs_shared_data
def test_every_file_is_carried_to_the_last_digit() -> None:
    texts = set()
    for path in FILES:
        try:
            curve = read_load_curve(path.read_bytes(), NOW)
        except MeterFileError:
            continue  # no load curve, as its README says
        text = carried_use.write(curve)
        assert text is not None, path.name
        read = carried_use.read(text.encode(), NOW)
        for name in ("starts_min", "steps_min", "energies"):
            assert np.array_equal(getattr(read, name), getattr(curve, name)), path.name
            assert getattr(read, name).dtype == np.int64
        assert (read.findings, read.origins) == (curve.findings, curve.origins), path.name
        assert carried_use.write(read) == text
        texts.add(text)
    assert len(texts) > 10


@needs_shared_data
@pytest.mark.parametrize("prices", ["now", "then"])
def test_the_real_curve_is_answered_again_without_its_file(client: FlaskClient, prices: str) -> None:
    fields = {"prices": prices, "present": "EDF~Tarif Bleu~TEMPO", "off_peak_hours": "22:00-06:00"}
    first = ask(client, CURVE.read_bytes(), **fields)
    carried = carried_in(first.text)
    assert len(carried) < 40_000, "a year of half hours weighs about 28 kB"
    again = send_back(client, carried, **fields)
    assert again.status_code == 200
    assert again.text == first.text
    of_file = ask(client, CURVE.read_bytes(), **fields, download="json")
    assert send_back(client, carried, **fields, download="json").data == of_file.data


def test_it_goes_on_with_other_fields_and_in_another_language(client: FlaskClient) -> None:
    carried = carried_in(ask(client, TWO_DAYS).text)
    other = send_back(client, carried, "fr", power_kva="9")
    assert other.status_code == 200
    assert other.text == ask(client, TWO_DAYS, "fr", power_kva="9").text
    assert LANGUAGES["fr"].texts["home.carried"] in unescape(other.text)


def test_a_file_and_typed_kwh_replace_it(client: FlaskClient) -> None:
    carried = carried_in(ask(client, TWO_DAYS).text)
    other = TWO_DAYS.replace(b";", b";9")
    assert ask(client, other, measured_use=carried).text == ask(client, other).text
    typed = send_back(client, carried, kwh="4500")
    assert "measured_use" not in typed.text


def test_it_is_there_beside_a_fault_of_another_field(client: FlaskClient) -> None:
    faulty = ask(client, TWO_DAYS, off_peak_hours="at night")
    assert faulty.status_code == 422
    fixed = send_back(client, carried_in(faulty.text), off_peak_hours="22:00-06:00")
    assert fixed.text == ask(client, TWO_DAYS, off_peak_hours="22:00-06:00").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_changed_byte_and_another_version_are_faults_of_the_file(
    client: FlaskClient, language: str
) -> None:
    carried = carried_in(ask(client, TWO_DAYS).text)
    middle = len(carried) // 2
    other = "A" if carried[middle] != "A" else "B"
    texts = LANGUAGES[language].texts
    for damaged in (
        carried[:middle] + other + carried[middle + 1 :],
        carried[:-4],
        carried + "AAAA",
        "0" + carried[1:],
        "x",
        "é" * 20,
    ):
        answer = send_back(client, damaged, language)
        assert answer.status_code == 422
        assert re.findall(r'id="(\w+)-fault"', answer.text) == ["file"]
        assert "measured_use" not in answer.text
        assert texts["home.carried"] not in unescape(answer.text)


def sealed(payload: bytes, *, version: str = carried_use.VERSION, deflated: bool = False) -> bytes:
    packed = b64encode(payload if deflated else zlib.compress(payload, 9))
    digest = hashlib.sha256(packed).hexdigest()[:16]
    return f"{version}.{digest}.".encode() + packed


def planes(*numbers: int) -> bytes:
    array = np.array(numbers, dtype="<i8")
    return array.view(np.uint8).reshape(-1, 8).T.tobytes()


START = 29_000_000  # minutes UTC, in 2025
GOOD: list[Any] = [planes(START, 30, 3), 60, planes(1, 2, 3), [], [["csv", "table"]]]


def finding(key: str, **values: Any) -> dict[str, Any]:
    return {"kind": "gap", "count": 1, "message": {"key": key, "values": values}, "first_at": None}


@pytest.mark.parametrize(
    "payload",
    [
        [planes(START, 30, 2**62), 60, planes(1, 2, 3), [], [["csv", "table"]]],
        [planes(START, 30, -3), 60, planes(1, 2, 3), [], [["csv", "table"]]],
        [planes(START, 0, 3), 60, planes(1, 2, 3), [], [["csv", "table"]]],
        [planes(START, 2**40, 3), 60, planes(1, 2, 3), [], [["csv", "table"]]],
        [planes(1, 30, 3), 60, planes(1, 2, 3), [], [["csv", "table"]]],
        [planes(2**62, 30, 3), 60, planes(1, 2, 3), [], [["csv", "table"]]],
        [planes(START, START, 30, 30, 1, 2), 60, planes(1, 2, 3), [], [["csv", "table"]]],
        [planes(START, 30, 3), 60, planes(1, -2, 3), [], []],
        [planes(START, 30, 3), 60, planes(2**62, 2**62, 3), [], []],
        [planes(START, 30, 3), 2**62, planes(1, 2, 3), [], [["csv", "table"]]],
        [planes(START, 30, 3), 0, planes(1, 2, 3), [], [["csv", "table"]]],
        [planes(START, 30, 3), 60, b"1234567", [], []],
        [b"", 60, b"", [], []],
        [planes(START, 30, 3), 60, planes(1, 2, 3), [finding("finding.none_such")], []],
        [planes(START, 30, 3), 60, planes(1, 2, 3), [finding("text", text="a sentence of a stranger")], []],
        [planes(START, 30, 3), 60, planes(1, 2, 3), [finding("finding.gap")], []],
        [planes(START, 30, 3), 60, planes(1, 2, 3), [finding("finding.gap", half_hours="x" * 5000)], []],
        [planes(START, 30, 3), 60, planes(1, 2, 3), [finding("finding.negative")] * 201, []],
        [planes(START + 10**6, 30, 3), 60, planes(1, 2, 3), [], [["csv", "table"]]],
        [*GOOD[:4], [["csv", "a letter"]]],
        [*GOOD[:4], [["csv", "table"]] * 2],
        GOOD[:4],
        "text",
    ],
)
def test_what_no_page_wrote_is_damaged_however_well_it_is_sealed(payload: Any) -> None:
    read = carried_use.read(sealed(msgspec.msgpack.encode(GOOD)), NOW)
    assert read.energies.tolist() == [60, 120, 180]
    with pytest.raises(MeterFileError, match=r"carried\.damaged"):
        carried_use.read(sealed(msgspec.msgpack.encode(payload)), NOW)


def test_nested_messages_have_a_bottom() -> None:
    deep = msgspec.msgpack.encode([*GOOD[:3], [finding("finding.left_out_file", reason="REASON")], []])
    inner = b"\x82\xa3key\xa4text\xa6values\x81\xa4text" * 5000 + b"\xa1x"
    with pytest.raises(MeterFileError, match=r"carried\.damaged"):
        carried_use.read(sealed(deep.replace(b"\xa6REASON", inner)), NOW)


def test_a_bomb_is_not_inflated() -> None:
    bomb = zlib.compress(bytes(100_000_000), 9)
    assert len(bomb) < 100_000
    with pytest.raises(MeterFileError, match=r"carried\.damaged"):
        carried_use.read(sealed(bomb, deflated=True), NOW)
    with pytest.raises(MeterFileError, match=r"carried\.version"):
        carried_use.read(sealed(msgspec.msgpack.encode(GOOD), version="2"), NOW)
    with pytest.raises(MeterFileError, match=r"carried\.too_long"):
        carried_use.read(b"1" * (carried_use.LONGEST_TEXT + 1), NOW)


def test_ten_years_of_half_hours_are_carried_and_more_noise_is_not(client: FlaskClient) -> None:
    rows = 10 * 365 * 48
    rng = np.random.default_rng(7)
    starts = np.arange(rows, dtype=np.int64) * 30 + 23_000_000

    def curve(most: int) -> LoadCurve:
        energies = rng.integers(0, most, rows).astype(np.int64) * 60
        return LoadCurve(starts, np.full(rows, 30, dtype=np.int64), energies, (NOISE,))

    text = carried_use.write(curve(500))
    assert text is not None
    assert b64decode(text.split(".")[2])
    assert carried_use.write(curve(2**40)) is None
    # As long a text as there is passes through a form.
    long = send_back(client, f"1.{'0' * 16}.{'A' * (carried_use.LONGEST_TEXT - 20)}")
    assert long.status_code == 422
    assert 'id="file-fault"' in long.text


NOISE = Finding("gap", 1, Message.of("finding.gap", half_hours=3), dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
