"""The page of the price of now: what it shows, what it says of faults, and where its links lead."""

import datetime as dt
import html
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.domain.legal_time import PARIS, Span
from openwatt.settings import Settings
from openwatt.web.pages.i18n import LANGUAGES
from openwatt.web.pages.price_charts import draw_timeline, draw_week
from tests.conftest import Server, close_app
from tests.prices.worked import regulated

TEMPO = "/now?contract=EDF~Tarif+Bleu~TEMPO&power_kva=9&lang=en"
HPHC = "/now?contract=EDF~Tarif+Bleu~HPHC&power_kva=6&lang=en"
CLOCK = [dt.datetime(2026, 1, 5, 12, tzinfo=PARIS)]


@pytest.fixture(scope="module")
def url(server: Server, filled: str) -> str:
    """The address of a database of the module's own, with the shipped catalogue."""
    return server.url(server.create(filled))


@pytest.fixture
def then(url: str) -> Iterator[FlaskClient]:
    """A client of an app whose clock stands at noon of a red day."""
    app: Flask = create_app(Settings(database_url=url, workers=1), clock=lambda: CLOCK[0])
    yield app.test_client()
    close_app(app)


def snippets(page: str) -> list[str]:
    """The texts to copy."""
    return [html.unescape(text) for text in re.findall(r"<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)]


def test_the_price_is_that_of_the_api(then: FlaskClient) -> None:
    page = then.get(TEMPO).text
    assert "€0.6468" in page
    assert "Red peak" in page
    assert "until" in page
    assert re.search(r"<strong>19</strong>", page)  # red days left, worked out in the tests of the API
    assert re.search(r'<rect class="day ROUGE today"', page)
    # Two days have five stretches here, and a week of seven days 3 or 4 parts each.
    assert len(re.findall(r'<rect class="part ', page)) > 20


def test_an_address_may_name_the_contract_as_the_api_does(then: FlaskClient) -> None:
    def without_addresses(page: str) -> str:
        return re.sub(r'(?:href|content)="[^"]*"', "", page)

    for query in ("option=TEMPO", "supplier=EDF&offer=Tarif+Bleu&option=TEMPO"):
        answer = then.get(f"/now?{query}&power_kva=9&lang=en")
        assert answer.status_code == 200
        assert without_addresses(answer.text) == without_addresses(then.get(TEMPO).text)
    assert 'id="contract-fault"' in then.get("/now?option=NONE&power_kva=9&lang=en").text


def test_what_is_not_known_says_why(client: FlaskClient) -> None:
    page = client.get(TEMPO).text
    assert LANGUAGES["en"].texts["now.not_known"] in page
    assert "has not been announced" in page
    assert 'class="part unknown"' in page
    assert "No source gives the colour of" in page


def test_without_a_choice_the_regulated_base_is_shown(client: FlaskClient) -> None:
    answer = client.get("/now?lang=en")
    assert "EDF · Tarif Bleu · Base · 6 kVA" in answer.text
    assert "€0.2001" in answer.text
    assert "no known change" in answer.text
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    # A home's contract is its own.
    assert client.get(f"{HPHC}&off_peak_hours=22:30-06:30").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("address", "field", "said"),
    [
        (HPHC, "off_peak_hours", "Write the off-peak hours as 22:30-06:30"),
        (f"{HPHC}&off_peak_hours=at+night", "off_peak_hours", "is not a range of hours"),
        (TEMPO.replace("power_kva=9", "power_kva=3"), "contract", "is not sold at this power"),
        (TEMPO.replace("power_kva=9", "power_kva=99"), "power_kva", "Choose a power from 1 to 36 kVA."),
        ("/now?contract=x&lang=en", "contract", "is not sold at this power"),
        ("/now?contract=%00~b~BASE&lang=en", "contract", "is not sold at this power"),
        (f"{HPHC}&chosen_weekday=someday", "chosen_weekday", "Choose a day from the list."),
    ],
)
def test_a_fault_is_said_at_its_field(client: FlaskClient, address: str, field: str, said: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 400
    assert f'id="{field}-fault"' in answer.text
    assert said in html.unescape(answer.text)
    assert "<svg" not in answer.text


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_text_to_copy_holds_the_contract_and_works(client: FlaskClient, code: str) -> None:
    address = f"{HPHC.replace('lang=en', f'lang={code}')}&off_peak_hours=22%3A30-06%3A30"
    home_assistant, evcc, curl = snippets(client.get(address).text)
    rest: Any = yaml.safe_load(home_assistant)["rest"]
    charging: Any = yaml.safe_load(evcc)
    forecast = charging["tariffs"]["grid"]["forecast"]
    addresses = [rest[0]["resource"], forecast["uri"], curl.split('"')[1]]
    for one in addresses:
        found = urlsplit(one)
        assert (found.scheme, found.netloc) == ("http", "localhost")
        answer = client.get(f"{found.path}?{found.query}")
        assert answer.status_code == 200, answer.text
        if one != forecast["uri"]:
            assert answer.json["contract"]["option"] == "HPHC"  # type: ignore[index]  # JSON
        else:
            assert {*answer.json[0]} == {"start", "end", "value"}  # type: ignore[index]  # JSON
    sensors = [sensor["value_template"] for sensor in rest[0]["sensor"]]
    assert sensors == ["{{ value_json.price_eur_per_kwh_ttc }}", "{{ value_json.register or 'unknown' }}"]


def test_what_is_typed_is_shown_and_not_run(client: FlaskClient) -> None:
    page = client.get(HPHC + "&off_peak_hours=%22%3E%3Cscript%3E").text
    assert "<script>" not in page
    assert "&#34;&gt;&lt;script&gt;" in page


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_of_another_length_is_drawn_whole(day: str, hours: int) -> None:
    prices = regulated("HPHC", 6, "22:30-06:30")
    first = dt.date.fromisoformat(day)
    span = Span(first, first + dt.timedelta(days=1))
    intervals = prices.intervals(span.start_min, span.end_min)
    (row,) = draw_week(intervals)
    # By what clocks show, every day is as long.
    widths = [bar.width for bar in row.bars]
    assert sum(widths) == pytest.approx(100, abs=0.1)
    assert [width / 100 * 24 for width in widths] == pytest.approx([6.5, 16, 1.5], abs=0.02)
    drawn = draw_timeline(intervals, span.start_min + 60)
    # By the hours there are, one is missing or more.
    assert sum(bar.width for bar in drawn.bars) == pytest.approx(100, abs=0.1)
    assert drawn.bars[1].width / 100 * hours == pytest.approx(16, abs=0.02)
    assert drawn.now == pytest.approx(100 / hours, abs=0.02)
