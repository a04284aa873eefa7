"""The page of prices over time: what it says where an offer has no price, and how far a price was seen."""

import re
from html import unescape

import pytest
from flask.testing import FlaskClient

from openwatt.web.pages.i18n import LANGUAGES
from tests.web.pages.test_discovery import addresses
from tests.web.pages.test_pages import Page, shown

TEXTS = LANGUAGES["en"].texts
STABLE = "offer=Alpiq~%C3%89lectricit%C3%A9+Stable"


def said(client: FlaskClient, query: str) -> tuple[str, list[str]]:
    """What the page says is missing, and the addresses that it names instead."""
    text = client.get(f"/history?lang=en&{query}").text
    found = re.search(r'<div class="missing"[^>]*>(.*?)</div>', text, re.DOTALL)
    part = found[1] if found else ""
    links = [unescape(one) for one in re.findall(r'href="([^"]+)"', part)]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", part)).split()), links


@pytest.mark.parametrize(
    ("query", "key", "other"),
    [
        (f"{STABLE}&option=TEMPO&power_kva=6", "no_option", "option=BASE"),
        (f"{STABLE}&option=BASE&power_kva=1", "no_power", "power_kva=6"),
    ],
)
def test_what_an_offer_has_not_is_said_with_what_it_has(
    client: FlaskClient, query: str, key: str, other: str
) -> None:
    reason, links = said(client, query)
    assert reason.startswith("Alpiq · Électricité Stable")
    assert TEXTS[f"history.{key}"].partition("}")[2].partition("{")[0].strip() in reason
    assert any(other in one for one in links)
    for one in links:
        assert said(client, one.partition("?")[2]) == ("", [])
        first, *_ = [table for table in shown(client, one).every("table") if "data-chart" in table]
        assert first["data-chart"] == "Alpiq Électricité Stable"


def test_an_offer_that_is_not_known_or_has_no_price_is_said(client: FlaskClient) -> None:
    assert said(client, "offer=Nobody~Nothing") == (TEXTS["history.no_offer"], [])
    assert said(client, f"{STABLE}&option=BASE&power_kva=6") == ("", [])


def test_a_choice_that_the_regulated_tariff_has_not_is_said(client: FlaskClient) -> None:
    text = TEXTS["history.no_regulated"]
    offers = client.get("/v1/offers").json["offers"]  # type: ignore[index]  # JSON
    market = next(one for one in offers if "SUPER_CREUSES" in one["options"] and not one["regulated"])
    query = f"offer={market['supplier']}~{market['name']}&option=SUPER_CREUSES&power_kva=9&lang=en"
    assert text in client.get(f"/history?{query}").text
    assert text not in client.get(f"/history?{STABLE}&option=BASE&lang=en").text


def test_a_price_that_was_not_seen_lately_is_not_that_of_today(client: FlaskClient) -> None:
    page = client.get(f"/history?{STABLE}&option=BASE&power_kva=6&lang=en").text
    tariff = client.get(
        "/v1/tariffs?supplier=Alpiq&offer=%C3%89lectricit%C3%A9+Stable&option=BASE&power_kva=6"
    )
    (item,) = tariff.json["tariffs"]  # type: ignore[index]  # JSON
    assert item["data_status"] == "stale"
    seen = item["last_seen_at"][:10]
    assert f'data-from="{item["applies_from"]}" data-seen="{seen}"' in page
    row = page.partition(f'data-from="{item["applies_from"]}"')[2].partition("</tr>")[0]
    assert TEXTS["history.seen_to"].partition("{")[0] in row
    assert TEXTS["history.open"] not in row


def test_the_periods_of_a_contract_follow_each_other_with_their_prices_first(client: FlaskClient) -> None:
    page = client.get("/history?option=HPHC&power_kva=6&lang=en").text
    rows = re.findall(r'<tr data-from="([^"]+)"(?: data-to="([^"]+)")? data-seen', page)
    assert len(rows) > 15
    assert [start for start, _ in rows] == sorted((start for start, _ in rows), reverse=True)
    assert not rows[0][1]
    assert all(end for _, end in rows[1:])
    heads = re.findall(
        r"<th scope=\"col\"[^>]*?(?: data-register=\"(\w+)\")?>", page.partition("data-chart")[2]
    )
    assert heads[:4] == ["", "HP", "HC", ""]


def test_an_offer_has_an_address_for_search_engines_and_a_misspelt_one_has_not(client: FlaskClient) -> None:
    page = Page(client.get(f"/history?{STABLE}&utm_source=x").text)
    assert addresses(page)["canonical"] == (
        "http://localhost/history?offer=Alpiq~%C3%89lectricit%C3%A9+Stable&option=BASE&power_kva=6"
    )
    assert "Alpiq Électricité Stable" in client.get(f"/history?{STABLE}").text.partition("</title>")[0]
    page = Page(client.get("/history?offer=Nobody~Nothing").text)
    assert addresses(page)["canonical"] == "http://localhost/history"
