"""The form of the home page: numbers as people type them, faults in a summary, an answer at its address."""

import re
from html import unescape

import pytest
from flask.testing import FlaskClient

from openwatt.web.pages import carried_use
from openwatt.web.pages.i18n import LANGUAGES
from tests.web.api.test_bills import TWO_DAYS
from tests.web.pages.test_home import PLAIN, ask, cells


def test_several_faults_are_listed_in_the_order_of_the_form(client: FlaskClient) -> None:
    page = unescape(ask(client, None, "fr", kwh="beaucoup", off_peak_winter="la nuit", present="EDF").text)
    listed = re.findall(r'<li><a href="#(\w+)">([^<]+)</a></li>', page)
    assert [field for field, _ in listed] == ["kwh", "present", "off_peak_winter"]
    assert [text for _, text in listed] == re.findall(r'<p class="fault" id="\w+-fault">([^<]+)</p>', page)
    assert re.findall(r'id="(\w+)"[^>]* autofocus', page) == ["kwh"]


def test_an_empty_form_is_not_told_of_the_api(client: FlaskClient) -> None:
    for language, texts in ((code, ours.texts) for code, ours in LANGUAGES.items()):
        page = unescape(ask(client, None, language).text)
        assert texts["fault.no_use"] in page
        assert texts["fault.file"] not in page
        assert "register_kwh" not in page
        assert '<details class="file-options" open>' not in page


def test_no_contract_s_english_stands_on_a_french_page(client: FlaskClient) -> None:
    page = ask(client, None, "fr", kwh="4500", power_kva="99", prices="tomorrow").text
    assert 'id="power_kva-fault"' in page
    assert "must be" not in page


@pytest.mark.parametrize(
    ("typed", "kwh"),
    [
        ("5000 kWh", 5000),
        ("5 000", 5000),
        ("5\u202f000\u00a0kWh/an", 5000),
        ("5000,5", 5001),
        ("5 000,4 kWh", 5000),
        ("5,000", 5000),
        ("5.000", 5000),
        ("12'500", 12500),
        ("5.000,4", 5000),
        ("5,000.4 kwh", 5000),
        ("500,125", 500),
        ("4523.7", 4524),
        ("05000", 5000),
    ],
)
def test_kwh_are_read_as_they_are_typed(client: FlaskClient, typed: str, kwh: int) -> None:
    sent = {**PLAIN, "kwh": typed}
    answer = client.post("/?lang=en", data=sent, content_type="multipart/form-data")
    assert (answer.status_code, answer.location) == (303, f"/?kwh={kwh}&power_kva=6&lang=en#answer")


@pytest.mark.parametrize("typed", ["many", "5000 kW", "5 000 €", "-5000", "5,00,0", "0", "1e3", "½", "²000"])
def test_what_is_no_number_of_kwh_stays_as_it_was_typed(client: FlaskClient, typed: str) -> None:
    page = unescape(ask(client, kwh=typed).text)
    assert 'id="kwh-fault"' in page
    assert f'value="{typed}"' in page


def test_a_typed_question_is_answered_at_its_address(client: FlaskClient) -> None:
    fields = {
        "power_kva": "9",
        "profile": "electric_car",
        "present": "EDF~Tarif Bleu~TEMPO",
        "prices": "then",
    }
    sent = {**PLAIN, **fields, "kwh": "4500", "off_peak_hours": "22h30-6h30"}
    answer = client.post("/?lang=fr", data=sent, content_type="multipart/form-data")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (303, "private, no-store")
    address, _, fragment = answer.headers["Location"].partition("#")
    assert fragment == "answer"
    page = unescape(client.get(address).text)
    # One line says what was asked; the form below it is folded and as it was.
    (line,) = re.findall(r'<span class="what">([^<]+)</span>', page)
    ours = LANGUAGES["fr"]
    assert line.split(" · ") == [
        ours.text("home.asked_kwh", kwh=ours.number(4500)),
        ours.texts["profile.electric_car"],
        ours.text("tariffs.kva", kva=9),
        "Tarif Bleu, Tempo",
        ours.text("home.asked_hours", hours="22h30-6h30"),
        ours.texts["home.asked_then"],
    ]
    assert '<details class="asked">' in page
    assert 'value="22h30-6h30"' in page
    assert '<option value="electric_car" selected>' in page
    # The other language is at an address too, with all that was asked.
    (other,) = re.findall(r'<a href="([^"]+)" hreflang="en"', page.partition("</head>")[2])
    assert cells(client.get(other).text, "cost") != []
    assert re.sub("lang=..", "", other) == re.sub("lang=..", "", address)


def test_faults_and_what_was_typed_go_into_the_other_language(client: FlaskClient) -> None:
    page = unescape(ask(client, None, "fr", kwh="beaucoup", power_kva="9").text)
    (other,) = re.findall(r'<a href="([^"]+)" hreflang="en"', page.partition("</head>")[2])
    answer = client.get(other)
    assert LANGUAGES["en"].texts["fault.kwh"] in answer.text
    assert 'value="beaucoup"' in answer.text
    assert '<option value="9" selected>' in answer.text


def test_a_file_s_answer_goes_into_the_other_language_with_its_use(client: FlaskClient) -> None:
    page = unescape(ask(client, TWO_DAYS, "fr", power_kva="9").text)
    assert LANGUAGES["fr"].texts["home.no_address"] in page
    assert 'id="shared"' not in page
    (action,) = re.findall(r'<button class="language" form="question" formaction="([^"]+)" lang="en"', page)
    (carried,) = re.findall(r'name="measured_use" value="([^"]+)"', page)
    sent = {**PLAIN, "power_kva": "9", "measured_use": carried}
    answer = client.post(action, data=sent, content_type="multipart/form-data")
    assert answer.text == ask(client, TWO_DAYS, "en", power_kva="9").text


def test_where_a_file_is_too_long_to_be_carried_the_page_says_so(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried_use, "LONGEST_TEXT", 50)
    page = unescape(ask(client, TWO_DAYS, "fr").text)
    assert LANGUAGES["fr"].texts["home.not_carried"] in page
    assert "measured_use" not in page
