"""The list of tariffs: its order, its count, its filters and its pages."""

import datetime as dt
import re
import time
from collections.abc import Callable
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.catalogue.shipped_facts import shipped_offer_terms
from openwatt.domain.offer_terms import OfferTerms
from openwatt.settings import Settings
from openwatt.web.http.data_version import MAX_AGE_S
from openwatt.web.pages.i18n import LANGUAGES
from tests.conftest import NOW, close_app
from tests.web.conftest import publish_dear_tariff
from tests.web.pages.test_pages import Page, shown


def rows(client: FlaskClient, query: str) -> list[str]:
    """The rows of a list as text, on all its pages."""
    found: list[str] = []
    address = f"/tariffs?lang=fr&{query}"
    while address:
        text = client.get(address).text
        body = text.partition('<tbody role="rowgroup">')[2].partition("</tbody>")[0]
        found += [
            " ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split())
            for row in body.split('<tr role="row">')[1:]
        ]
        following = re.search(r'rel="next" href="([^"]+)"', text)
        address = unescape(following[1]) if following else ""
    return found


def listed(client: FlaskClient, query: str) -> list[Any]:
    """What the API lists."""
    answer: Any = client.get(f"/v1/tariffs?limit=1000&{query}")
    return answer.json["tariffs"]  # type: ignore[no-any-return]


def amounts(found: list[str], pattern: str) -> list[Decimal]:
    return [Decimal(match[1].replace(",", ".")) for row in found if (match := re.search(pattern, row))]


def test_the_power_of_most_homes_comes_first(client: FlaskClient) -> None:
    found = [re.search(r"(\d+) kVA", row) for row in rows(client, "")]
    powers = [match[1] for match in found if match]
    usual = powers.count("6")
    assert usual > 40
    assert powers[:usual] == ["6"] * usual
    assert len(powers) == len(listed(client, ""))


@pytest.mark.parametrize(
    ("sort", "pattern"),
    [("subscription", r"kVA (\d+,\d\d) € par mois"), ("price", r"(?:Toutes heures|Pleines) (0,\d{4}) €")],
)
@pytest.mark.parametrize("option", ["BASE", "HPHC"])
def test_a_column_sorts_the_whole_list_both_ways(
    client: FlaskClient, sort: str, pattern: str, option: str
) -> None:
    query = f"option={option}&power_kva=6&sort="
    up, down = (amounts(rows(client, query + one), pattern) for one in (sort, f"-{sort}"))
    assert len(up) > 20
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)
    assert len(up) == len(down) == len(listed(client, f"option={option}&power_kva=6"))


def test_the_other_columns_sort_too(client: FlaskClient) -> None:
    assert len(rows(client, "sort=offer")) == len(rows(client, "sort=-seen")) == len(listed(client, ""))
    up, down = (rows(client, f"option=BASE&power_kva=6&sort={sort}") for sort in ("offer", "-offer"))
    assert up != down
    assert sorted(up) == sorted(down)
    assert "Tarif Bleu EDF" not in up[0] + down[0]
    found = rows(client, "power_kva=6&sort=option")
    first, last = (
        [LANGUAGES["fr"].texts[f"option.{one}"] in row for row in found] for one in ("BASE", "TEMPO")
    )
    assert first[: first.count(True)] == [True] * first.count(True)
    assert 0 < first.count(True) <= last.index(True)


def test_what_has_no_price_with_taxes_comes_last_either_way(client: FlaskClient) -> None:
    unknown = [one for one in listed(client, "on=2021-09-01") if one["subscription_eur_per_year_ttc"] is None]
    if unknown:
        for sort in ("subscription", "-subscription"):
            assert "inconnu" in rows(client, f"on=2021-09-01&sort={sort}")[-1]


def test_a_heading_sorts_and_then_turns_the_order_round(client: FlaskClient) -> None:
    def heading(query: str) -> tuple[str, str | None]:
        page = shown(client, f"/tariffs?lang=fr&option=BASE&{query}")
        cells = [one for one in page.every("th") if one.get("role") == "columnheader"]
        links = [
            one["href"] or ""
            for one in page.every("a")
            if (one["href"] or "").startswith("/tariffs?option=BASE&sort")
        ]
        return next(one for one in links if "price" in one), cells[3].get("aria-sort")

    first, order = heading("")
    assert ("sort=price&" in first, order) == (True, None)
    second, order = heading("sort=price")
    assert ("sort=-price&" in second, order) == (True, "ascending")
    third, order = heading("sort=-price")
    assert ("sort=price&" in third, order) == (True, "descending")
    assert all("option=BASE" in one for one in (first, second, third))


def test_the_list_is_counted(client: FlaskClient) -> None:
    text = client.get("/tariffs?lang=en&option=BASE").text
    assert f"<strong>{len(listed(client, 'option=BASE'))} tariffs on 22 Nov 2026</strong>, 1 to 40" in text
    assert "<strong>1 tariff on" in client.get("/tariffs?lang=en&supplier=EDF&option=TEMPO&power_kva=9").text


def test_the_filters_beside_those_of_the_api_select(client: FlaskClient) -> None:
    every = listed(client, "power_kva=6")
    terms = shipped_offer_terms()
    choices: list[tuple[str, Callable[[OfferTerms | None], object]]] = [
        ("pricing=fixed", lambda one: one and one.pricing == "fixed"),
        ("pricing=indexed", lambda one: one and one.pricing == "indexed"),
        ("green=yes", lambda one: one and one.green),
    ]
    for query, wanted in choices:
        expected = [one for one in every if wanted(terms.get((one["supplier"], one["offer"])))]
        assert 0 < len(expected) < len(every)
        assert len(rows(client, f"power_kva=6&{query}")) == len(expected)
    within = dt.timedelta(days=90)
    expected = [one for one in every if NOW - dt.datetime.fromisoformat(one["last_seen_at"]) <= within]
    assert 0 < len(expected) < len(every)
    assert len(rows(client, "power_kva=6&seen=90")) == len(expected)
    assert rows(client, "power_kva=6&seen=7") == []


@pytest.mark.parametrize("page", ["0", "-1", "99999", "100000", "x", "²", "1e3", ""])
def test_a_page_that_is_not_there_is_the_nearest(client: FlaskClient, page: str) -> None:
    found = shown(client, f"/tariffs?page={page}")
    assert len([one for one in found.every("th") if one.get("role") == "rowheader"]) > 0


def test_choices_stay_when_a_page_is_turned_and_when_the_list_is_sorted(client: FlaskClient) -> None:
    page = shown(client, "/tariffs?lang=en&option=BASE&pricing=fixed&sort=-price&page=2")
    links = [unescape(one["href"] or "") for one in page.every("a") if one.get("rel") in {"next", "prev"}]
    assert links
    for one in links:
        for choice in ("lang=en", "option=BASE", "pricing=fixed", "sort=-price"):
            assert choice in one
    selected = Page(client.get("/tariffs?pricing=fixed&green=yes&seen=30&sort=price").text)
    assert {one["value"] for one in selected.every("option") if "selected" in one} == {"fixed", "30", "price"}
    assert [one for one in selected.every("input") if one.get("id") == "green" and "checked" in one]


@pytest.mark.parametrize("field", ["pricing", "green", "seen", "sort"])
def test_a_choice_that_is_not_in_the_list_is_a_fault_beside_its_field(
    client: FlaskClient, field: str
) -> None:
    page = shown(client, f"/tariffs?{field}=nonsense", status=400)
    faulty = [one["id"] for one in page.every("input", "select") if one.get("aria-invalid")]
    assert faulty == [field]
    assert [one for one in page.every("details") if one.get("class") == "more" and "open" in one]


def test_a_tariff_is_listed_within_a_second_of_its_publication(filled_url: str) -> None:
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: NOW)
    client = app.test_client()
    assert rows(client, "supplier=Cher") == []
    publish_dear_tariff(filled_url)
    time.sleep(MAX_AGE_S)
    (row,) = rows(client, "supplier=Cher&option=BASE&power_kva=6")
    assert "0,2929 €" in row
    assert rows(client, "supplier=CHER&on=2025-07-31") == []
    for day in range(1, 9):  # more days than are held at once
        assert len(rows(client, f"supplier=cher&on=2025-08-0{day}")) == 1
    close_app(app)
