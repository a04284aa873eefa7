"""What leads to an answer: an example home, the way to a meter's file, and what a file was recognised as."""

import re
from html import unescape

import pytest
from flask.testing import FlaskClient

from openwatt.web.pages.i18n import LANGUAGES
from tests.shared_data import needs_shared_data
from tests.web.api.test_bills import TWO_DAYS
from tests.web.pages.test_carried_use import carried_in, send_back
from tests.web.pages.test_home import CURVE, PLAIN, ask, cells


def facts(page: str) -> list[str]:
    (listed,) = re.findall(r'<dl class="recognised">(.*?)</dl>', page, re.DOTALL)
    return re.findall(r"<dd>([^<]+)</dd>", listed)


@needs_shared_data
def test_what_a_file_was_recognised_as_stands_before_its_answer(client: FlaskClient) -> None:
    page = unescape(ask(client, CURVE.read_bytes(), "en").text)
    assert facts(page) == [
        "Load curve from Enedis (CSV)",
        "9 Aug 2023 to 24 Jul 2024",
        "30 min",
        "6.0 kW, on 8 Jan 2024",
    ]
    assert page.index('<dl class="recognised">') < page.index('id="answer"')
    assert facts(unescape(send_back(client, carried_in(page)).text)) == facts(page)


def test_typed_kwh_and_a_refused_file_are_recognised_as_nothing(client: FlaskClient) -> None:
    assert "recognised" not in ask(client, kwh="4500").text
    assert "recognised" not in ask(client, b"no curve").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_example_is_answered_at_its_address_and_said_to_be_invented(
    client: FlaskClient, language: str
) -> None:
    texts = LANGUAGES[language].texts
    front = unescape(client.get(f"/?lang={language}").text)
    (link,) = re.findall(rf'href="([^"]+)">{texts["home.example"]}</a>', front)
    page = unescape(client.get(link).text)
    assert texts["home.example_says"] in page
    assert 'class="heat"' in page
    assert "measured_use" not in page, "an address asks the same: nothing is to be carried"
    assert "recognised" not in page
    assert len(cells(page, "cost")) > 10
    table = client.get(f"{link}&download=csv")
    assert table.content_type.startswith("text/csv")
    assert texts["table.example"] in page, "the sheet to print does not call it measured"
    assert texts["table.measured"] not in page
    # Its form asks for the same home with another power, and leads to the address of that.
    sent = {**PLAIN, "example": "house", "power_kva": "9", "off_peak_hours": "22h30-6h30"}
    other = client.post(f"/?lang={language}", data=sent, content_type="multipart/form-data")
    assert other.status_code == 303
    assert "example=house&power_kva=9" in other.headers["Location"]
    assert texts["home.example_says"] in unescape(client.get(other.headers["Location"]).text)


def test_typed_kwh_and_a_file_replace_the_example(client: FlaskClient) -> None:
    said = LANGUAGES["en"].texts["home.example_says"]
    assert ask(client, kwh="4500", example="house").text == ask(client, kwh="4500").text
    assert ask(client, TWO_DAYS, example="house").text == ask(client, TWO_DAYS).text
    assert said in unescape(ask(client, example="house").text)
    assert 'id="file-fault"' in ask(client, example="castle").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_way_to_a_file_is_told_in_numbered_steps_with_drawings(
    client: FlaskClient, language: str
) -> None:
    page = client.get(f"/?lang={language}").text
    (guide,) = re.findall(r'<section class="guide".*?</section>', page, re.DOTALL)
    steps = re.findall(r"<li>(.*?)</li>", guide, re.DOTALL)
    assert len(steps) == 5
    for number, step in enumerate(steps, 1):
        assert LANGUAGES[language].texts[f"guide.step_{number}"] in unescape(step)
        assert step.count('<svg viewBox="0 0 240 140" aria-hidden="true"') == 1
    assert "style=" not in guide
    assert 'id="guide"' not in ask(client, kwh="4500").text
