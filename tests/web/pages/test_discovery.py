"""What search engines, shared links, browsers and security researchers find."""

import io
from collections.abc import Callable, Iterator
from typing import Any
from urllib import robotparser
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from openwatt.app import create_app
from openwatt.settings import Settings, SettingsError, read_settings
from openwatt.web.pages.discovery import LISTED
from tests.conftest import NOW, close_app
from tests.web.pages.test_pages import Page

SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
XHTML = "{http://www.w3.org/1999/xhtml}"
BEHIND = {"Host": "watt.example", "X-Forwarded-Proto": "https"}


@pytest.fixture
def client_of(filled_url: str) -> Iterator[Callable[..., FlaskClient]]:
    """A client of an app with some settings."""
    apps: list[Flask] = []

    def of(**settings: Any) -> FlaskClient:
        apps.append(create_app(Settings(database_url=filled_url, workers=1, **settings), clock=lambda: NOW))
        return apps[-1].test_client()

    yield of
    for app in apps:
        close_app(app)


def metas(page: Page) -> dict[str, str]:
    """The properties of a page for search engines and for links that are shared."""
    return {
        one.get("property") or one.get("name") or "": one.get("content") or "" for one in page.every("meta")
    }


def addresses(page: Page) -> dict[str, str]:
    """The canonical address and those in other languages."""
    return {
        one.get("hreflang") or "canonical": one["href"] or ""
        for one in page.every("link")
        if one.get("rel") in {"canonical", "alternate"}
    }


@pytest.mark.parametrize("root", ["", "/electricite"])
def test_the_addresses_of_a_page_are_those_by_which_its_clients_come(
    client_of: Callable[..., FlaskClient], root: str
) -> None:
    client = client_of(trusted_proxies=1, sub_path=root or None)
    page = Page(client.get(f"{root}/tariffs?lang=en&sort=price&supplier=EDF", headers=BEHIND).text)
    base = f"https://watt.example{root}/tariffs?supplier=EDF"
    assert addresses(page) == {
        "canonical": f"{base}&lang=en",
        "fr": f"{base}&lang=fr",
        "en": f"{base}&lang=en",
        "x-default": base,
    }
    assert metas(page)["og:url"] == f"{base}&lang=en"
    picture = metas(page)["og:image"]
    assert picture.startswith(f"https://watt.example{root}/static/card.")
    assert client.get(urlsplit(picture).path, buffered=True).content_type == "image/png"
    assert f'"https://watt.example{root}/v1/prices' in client.get(f"{root}/now", headers=BEHIND).text


@pytest.mark.parametrize("named", ["javascript", "https://evil.example/", "", "ftp"])
def test_nothing_but_a_scheme_is_read_of_a_proxy(client_of: Callable[..., FlaskClient], named: str) -> None:
    client = client_of(trusted_proxies=1)
    headers = {"Host": "watt.example", "X-Forwarded-Proto": named, "X-Forwarded-Host": "evil.example"}
    answer = client.get("/tariffs", headers=headers)
    assert addresses(Page(answer.text))["canonical"] == "http://watt.example/tariffs"
    assert "evil" not in answer.text


def test_without_a_trusted_proxy_no_header_changes_an_address(client: FlaskClient) -> None:
    assert addresses(Page(client.get("/tariffs", headers=BEHIND).text))["x-default"] == (
        "http://watt.example/tariffs"
    )


def test_every_listed_page_says_what_it_is_and_differs_from_the_others(client: FlaskClient) -> None:
    said = []
    for path in LISTED:
        for code in ("fr", "en"):
            answer = client.get(f"{path}?lang={code}")
            assert answer.status_code == 200
            assert "X-Robots-Tag" not in answer.headers
            page = Page(answer.text)
            found = metas(page)
            assert len(found["og:title"]) > 5
            assert 40 <= len(found["description"]) <= 200, found["description"]
            assert found["og:description"] == found["description"]
            assert found["og:locale"] == {"fr": "fr_FR", "en": "en_GB"}[code]
            said.append((found["og:title"], found["description"]))
    assert len(set(said)) == len(said)


@pytest.mark.parametrize(
    "address",
    [
        "/?kwh=4500&power_kva=6",
        "/?kwh=4500&power_kva=6&download=csv",
        "/?power_kva=9",
        "/tariffs?power_kva=0",
        "/now?contract=EDF~Tarif+Bleu~TEMPO",
        "/status",
        "/v1/bills?kwh=4500&power_kva=6",
    ],
)
def test_what_is_one_household_s_or_of_the_moment_is_not_listed(client: FlaskClient, address: str) -> None:
    answer = client.get(address)
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "canonical" not in answer.text


def test_robots_may_read_every_page_and_no_list_without_an_end(client: FlaskClient) -> None:
    answer = client.get("/robots.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    robots = robotparser.RobotFileParser()
    robots.parse(answer.text.splitlines())
    assert robots.site_maps() == ["http://localhost/sitemap.xml"]
    assert all(robots.can_fetch("a robot", f"http://localhost{path}") for path in LISTED)
    assert robots.can_fetch("a robot", "http://localhost/static/card.png")
    assert not robots.can_fetch("a robot", "http://localhost/v1/tariffs?cursor=1")


def test_the_sitemap_names_every_page_in_each_language(client: FlaskClient) -> None:
    answer = client.get("/sitemap.xml", headers={"Host": "watt.example"})
    assert answer.content_type == "application/xml"
    pages = ET.fromstring(answer.data).findall(f"{SITEMAP}url")  # noqa: S314  it is our own
    assert len(pages) == 2 * len(LISTED)
    for page in pages:
        location = page.findtext(f"{SITEMAP}loc")
        assert location
        assert location.startswith("http://watt.example/")
        own = Page(client.get(location, headers={"Host": "watt.example"}).text)
        links = {one.get("hreflang"): one.get("href") for one in page.findall(f"{XHTML}link")}
        assert addresses(own) == {"canonical": location, **links}


def test_a_host_that_is_markup_is_only_text(client: FlaskClient) -> None:
    hostile = {"Host": 'x"><script>alert(1)</script>'}
    for path in ("/tariffs", "/sitemap.xml"):
        assert b"<script>alert" not in client.get(path, headers=hostile).data


def test_icons_and_the_picture_of_shared_links_are_there(client: FlaskClient) -> None:
    for path, size in (
        ("/favicon.ico", (48, 48)),
        ("/static/touch-icon.png", (180, 180)),
        ("/static/card.png", (1200, 630)),
    ):
        with client.get(path, buffered=True) as answer, Image.open(io.BytesIO(answer.data)) as shown:
            assert shown.size == size
            assert len(answer.data) < 20_000


def test_security_txt_is_there_for_an_operator_who_names_a_contact(
    client_of: Callable[..., FlaskClient],
) -> None:
    assert client_of().get("/.well-known/security.txt").status_code == 404
    settings = read_settings(
        {"OPENWATT_SECURITY_CONTACT": "security@example.org", "OPENWATT_SECURITY_EXPIRES": "2027-06-30"}
    )
    client = client_of(security_contact=settings.security_contact, security_expires=settings.security_expires)
    answer = client.get("/.well-known/security.txt", headers={"Host": "watt.example"})
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.text.splitlines() == [
        "Contact: mailto:security@example.org",
        "Expires: 2027-06-30T00:00:00Z",
        "Preferred-Languages: fr, en",
        "Canonical: http://watt.example/.well-known/security.txt",
    ]
    page = client_of(security_contact="https://example.org/security").get("/.well-known/security.txt")
    assert page.text.startswith("Contact: https://example.org/security\nExpires: 2027-05-21T00:00:00Z\n")


@pytest.mark.parametrize("text", ["tomorrow", "2027-02-30", "30/06/2027", "2027-06-30T00:00:00Z"])
def test_an_end_that_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="OPENWATT_SECURITY_EXPIRES must be a day"):
        read_settings({"OPENWATT_SECURITY_EXPIRES": text})
