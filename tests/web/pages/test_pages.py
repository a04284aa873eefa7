"""What browsers see, and what they are told not to do."""

import re
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from string import Formatter
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.domain.tariff import OPTIONS, REGISTERS
from openwatt.sentences.catalogue import texts as catalogue_texts
from openwatt.settings import Settings
from openwatt.web.pages.i18n import LANGUAGES
from tests.conftest import close_app

PAGES = ("/", "/now", "/tariffs", "/history", "/status", "/docs")
ANSWERED = "/?kwh=4500&power_kva=6&profile=electric_heating"
SHOWN = [f"{page}?lang={code}" for page in PAGES for code in LANGUAGES]
SHOWN += [f"{ANSWERED}&lang={code}" for code in LANGUAGES]


class Page(HTMLParser):
    """The elements of a page: name and attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def every(self, *tags: str) -> list[dict[str, str | None]]:
        """The attributes of every element of these names."""
        return [attributes for tag, attributes in self.elements if tag in tags]


def shown(client: FlaskClient, address: str, status: int = 200) -> Page:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    return Page(answer.text)


def test_the_documentation_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    answer = client.get("/docs")
    sources = [unescape(one) for one in re.findall(r'(?:src|href)="([^"]+)"', answer.text)]
    sources = [one for one in sources if not one.startswith(("#", "http://localhost/docs"))]
    assert len(sources) >= 4
    for source in sources:
        assert source.startswith("/")
        assert client.get(source, buffered=True).status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_every_answer_is_guarded(client: FlaskClient) -> None:
    for address in ("/v1/tariffs", "/health", "/nowhere", "/docs", "/static/docs.js", *PAGES):
        headers = client.get(address, buffered=True).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_the_contract_is_tagged(client: FlaskClient) -> None:
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)


@pytest.mark.parametrize("address", SHOWN)
def test_a_page_asks_nobody_else_and_holds_nothing_inline(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"unsafe|https?:|\*", policy)
    page = Page(answer.text)
    loaded = [one.get("src") for one in page.every("script", "img")]
    loaded += [one["href"] for one in page.every("link") if one.get("rel") not in {"alternate", "canonical"}]
    assert len(loaded) >= 3
    for source in loaded:
        assert source is not None
        assert source.startswith("/static/")
        assert client.get(source, buffered=True).status_code == 200
    assert not page.every("style", "iframe", "object", "embed", "base")
    for _, attributes in page.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("address", SHOWN)
def test_every_link_of_a_page_answers(client: FlaskClient, address: str) -> None:
    links = {one["href"] or "" for one in shown(client, address).every("a")}
    ours = {one for one in links if not urlsplit(one).netloc}
    assert len(ours) > 6
    for one in ours:
        if one.startswith("#"):
            assert f'id="{one[1:]}"' in client.get(address).text
        else:
            assert client.get(one, buffered=True).status_code in {200, 302}, one
    assert all(one.startswith("https://") for one in links - ours)


@pytest.mark.parametrize("address", SHOWN)
def test_every_field_has_its_label(client: FlaskClient, address: str) -> None:
    page = shown(client, address)
    labelled = {one.get("for") for one in page.every("label")}
    fields = [one for one in page.every("input", "select", "textarea") if one.get("type") != "hidden"]
    assert {one.get("id") for one in fields} <= labelled
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_language_says_everything() -> None:
    texts = {code: LANGUAGES[code].texts for code in LANGUAGES}
    assert len(texts["fr"]) > 100
    assert set(texts["fr"]) == set(texts["en"])
    for key in texts["fr"]:
        names = [{name for _, name, _, _ in Formatter().parse(texts[code][key]) if name} for code in texts]
        assert names[0] == names[1], key
        assert all(texts[code][key].strip() for code in texts)
    keys = [f"option.{option}" for option in OPTIONS] + [f"register.{register}" for register in REGISTERS]
    assert [key for key in keys if key not in texts["fr"]] == []


def test_every_text_is_used_and_every_one_used_is_there() -> None:
    pages = files("openwatt.web.pages")
    code = "\n".join(
        entry.read_text()
        for folder in (pages, pages / "templates")
        for entry in folder.iterdir()
        if entry.name.endswith((".html", ".py"))
    )
    texts = LANGUAGES["fr"].texts
    used = set(re.findall(r"""(?:\bt|\bsay)\(\s*["']([a-z_]+\.[A-Za-z0-9_]+)["']\s*[,)]""", code))
    assert len(used) > 50
    assert [key for key in used if key not in texts] == []
    families = set(re.findall(r"""["']([a-z_]+\.(?:[a-z]+_)?)["'] ~""", code))
    families |= set(re.findall(r"""f["']([a-z_]+\.(?:[a-z]+_)?)\{""", code))
    named = set(re.findall(r"""["']([a-z_]+\.[a-z_0-9]+)["']""", code))
    unused = [key for key in texts if key not in named and not any(key.startswith(one) for one in families)]
    assert unused == []


def test_every_register_has_a_colour_in_tables_and_charts() -> None:
    static = files("openwatt.web.pages") / "static"
    css, script = ((static / name).read_text("utf-8") for name in ("site.css", "history.js"))
    assert len(REGISTERS) > 20
    for register in REGISTERS[1:]:
        assert f".register.{register}::before" in css
        assert f".part.{register}" in css
        assert f'{register}: "--' in script


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("fr-CA,fr;q=0.9", "fr"), ("en-GB,en;q=0.8,fr;q=0.5", "en"), ("de", "fr"), ("", "fr")],
)
def test_a_page_speaks_the_language_of_the_browser(client: FlaskClient, asked: str, spoken: str) -> None:
    answer = client.get("/tariffs", headers={"Accept-Language": asked})
    assert answer.headers["Content-Language"] == spoken
    assert Page(answer.text).every("html") == [{"lang": spoken}]
    assert "Accept-Language" in answer.headers["Vary"]


def test_a_chosen_language_stays_on_every_page(client: FlaskClient) -> None:
    links = [one["href"] or "" for one in shown(client, "/tariffs?lang=en").every("a")]
    assert {"/?lang=en", "/history?lang=en", "/status?lang=en"} <= set(links)


def test_figures_are_written_as_the_language_does() -> None:
    french, english = LANGUAGES["fr"], LANGUAGES["en"]
    assert french.eur(-1234.5) == "\N{MINUS SIGN}1\N{NARROW NO-BREAK SPACE}234,50\N{NO-BREAK SPACE}€"
    assert english.eur(-1234.5) == "\N{MINUS SIGN}€1,234.50"
    assert french.percent(12.34, signed=True) == "+12,3\N{NO-BREAK SPACE}%"


def test_the_tariffs_are_filtered_and_told_with_their_source(client: FlaskClient) -> None:
    text = client.get("/tariffs?lang=en&supplier=EDF&option=TEMPO&power_kva=9&on=2026-03-01").text
    assert text.count('<th role="rowheader"') == 1
    # Grille Tarif Bleu of 2026-02-01, Tempo 9 kVA: a red peak kWh.
    assert "€0.7060" in text
    assert "EDF, grille de prix Tarif Bleu applicable au 2026-02-01" in text


def test_a_secondary_source_is_marked_and_explained(client: FlaskClient) -> None:
    mark = '<span class="badge muted" title="Price read from the supplier’s price sheet by a third party'
    for page in ("/tariffs?option=BASE&power_kva=6&on=2024-12-01", "/history?option=BASE&power_kva=6"):
        shown = client.get(f"{page}&lang=en").text
        assert mark in shown
        assert "Check it before you sign up.</" in shown
    assert mark not in client.get("/tariffs?option=BASE&power_kva=6&on=2024-08-01&lang=en").text


def test_every_tariff_is_reached_by_turning_pages(client: FlaskClient) -> None:
    address, seen = "/tariffs?lang=en", 0
    while address:
        page = shown(client, address)
        seen += sum(one.get("role") == "rowheader" for one in page.every("th"))
        address = next((one["href"] or "" for one in page.every("a") if one.get("rel") == "next"), "")
    assert seen == len(client.get("/v1/tariffs?limit=1000").json["tariffs"])  # type: ignore[index]
    assert seen > 600


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/tariffs?on=tomorrow&power_kva=9", "on"),
        ("/tariffs?option=%3Cscript%3E", "option"),
        ("/tariffs?power_kva=0", "power_kva"),
        ("/tariffs?supplier=" + "x" * 101, "supplier"),
        ("/history?offer=EDF", "offer"),
        ("/history?offer=EDF~%00", "offer"),
        ("/history?option=NONE", "option"),
    ],
)
def test_a_fault_stands_beside_its_field(client: FlaskClient, address: str, field: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 400
    assert answer.headers["Cache-Control"] == "no-store"
    page = Page(answer.text)
    faulty = [one for one in page.every("input", "select") if one.get("aria-invalid")]
    assert [(one["id"], one["aria-describedby"]) for one in faulty] == [(field, f"{field}-fault")]
    assert f'id="{field}-fault">{LANGUAGES["fr"].texts[f"fault.{field}"]}' in answer.text
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "?cursor=nonsense",
        "?%FF=%FF&on=%FF",
        "?supplier=%F0%9F%94%8C",
        "?a=1&a=2&=&&&",
        "?on=0001-01-01",
        "?on=9999-12-31",
    ],
)
@pytest.mark.parametrize("page", PAGES)
def test_no_question_breaks_a_page(client: FlaskClient, page: str, query: str) -> None:
    assert client.get(page + query).status_code in {200, 400}


def test_the_history_tells_every_price_of_the_regulated_tariff(client: FlaskClient) -> None:
    page = shown(client, "/history?option=BASE&power_kva=6")
    days = [one["datetime"] or "" for one in page.every("time")]
    assert "2012-07-23" in days
    assert len(page.every("data")) >= 23
    beside = shown(client, "/history?offer=Alpiq~%C3%89lectricit%C3%A9+Stable&option=HPHC")
    assert [one["data-chart"] for one in beside.every("table") if "data-chart" in one] == [
        "Alpiq Électricité Stable",
        "EDF Tarif Bleu",
    ]


def test_an_offer_that_is_not_known_has_no_history(client: FlaskClient) -> None:
    page = shown(client, "/history?offer=Nobody~Nothing&option=BASE")
    assert [one["data-chart"] for one in page.every("table") if "data-chart" in one] == ["EDF Tarif Bleu"]


def test_a_page_without_its_database_says_so_in_words() -> None:
    app = create_app(Settings(database_url="postgresql://nobody@127.0.0.1:1/none", workers=1))
    client = app.test_client()
    for address in SHOWN:
        answer = client.get(address)
        if address.startswith("/docs"):  # it needs none
            assert answer.status_code == 200
            continue
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
        assert answer.content_type.startswith("text/html")
    assert LANGUAGES["en"].texts["status.away"] in client.get("/status?lang=en").text
    close_app(app)


def test_too_long_a_question_is_refused_in_words(client: FlaskClient) -> None:
    answer = client.get("/tariffs?lang=en&supplier=" + "x" * 5000)
    assert answer.status_code == 414
    assert catalogue_texts("en")["problem_type.request-uri-too-long.detail"] in answer.text


def test_the_status_page_judges_the_service_and_the_data_apart(client: FlaskClient) -> None:
    text = client.get("/status?lang=en").text
    found = re.findall(r'<p class="verdict (\w+)" role="status">([^<]+)</p>', text)
    listed: Any = client.get("/v1/tariffs?limit=1000")
    unconfirmed = sum(one["data_status"] in {"stale", "broken"} for one in listed.json["tariffs"])
    assert unconfirmed > 100
    texts = LANGUAGES["en"].texts
    said = texts["status.unconfirmed"].format(count=unconfirmed, contracts=len(listed.json["tariffs"]))
    assert found == [("good", texts["status.works"]), ("fair", said)]
