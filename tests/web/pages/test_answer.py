"""The answer page: what to do, what a contract opens to, what may be filtered, and what stands apart."""

import datetime as dt
import re
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from openwatt.catalogue.shipped_facts import shipped_offer_terms
from openwatt.domain.legal_time import Span
from openwatt.web.pages.i18n import LANGUAGES
from tests.conftest import NOW
from tests.web.api.test_bills import file_of
from tests.web.pages.test_home import ask, cells

ASKED = "kwh=4500&power_kva=6&profile=electric_heating"
ENGLISH = LANGUAGES["en"]


def page_of(client: FlaskClient, query: str) -> str:
    """The page of an answer in English, as it is read."""
    return unescape(client.get(f"/?{ASKED}&lang=en{query}").text)


def rows_of(text: str, *, apart: bool = False) -> list[str]:
    """The rows of the ranking, or of the tables beside it."""
    kind = 'class="ranking apart"' if apart else 'class="ranking"'
    tables = re.findall(rf"<table {kind}.*?</table>", text, re.DOTALL)
    return [row for table in tables for row in re.findall(r'<tr role="row".*?</tr>', table, re.DOTALL)[1:]]


def wanted(choice: str, line: dict[str, Any]) -> bool:
    """Whether a contract of the API's ranking is what a filter asks for."""
    terms = shipped_offer_terms().get((line["supplier"], line["offer"]))
    seen = dt.date.fromisoformat(line["last_seen_on"])
    holds: dict[str, bool] = {
        "only_option=HPHC": line["option"] == "HPHC",
        "only_pricing=fixed": bool(terms and terms.pricing == "fixed"),
        "only_pricing=indexed": bool(terms and terms.pricing == "indexed"),
        "only_green=yes": bool(terms and terms.green),
        "only_seen=92": seen >= NOW.date() - dt.timedelta(days=92),
        "only_seen=31": seen >= NOW.date() - dt.timedelta(days=31),
        "only_option=castle": True,
        "only_seen=-1": True,
    }
    return holds[choice]


@pytest.mark.parametrize(
    "choice",
    [
        "only_option=HPHC",
        "only_pricing=fixed",
        "only_pricing=indexed",
        "only_green=yes",
        "only_seen=92",
        "only_seen=31",
        "only_option=castle",
        "only_seen=-1",
    ],
)
def test_a_filter_leaves_the_contracts_that_it_asks_for_and_the_baseline(
    client: FlaskClient, choice: str
) -> None:
    told: Any = client.get(f"/v1/bills?{ASKED}").json
    matching = [line for line in told["ranking"] if wanted(choice, line)]
    text = page_of(client, f"&{choice}")
    chosen = len(matching) < len(told["ranking"])
    count = "answer.matching" if chosen else "answer.every"
    count += "_one" if len(matching) == 1 else ""
    assert ENGLISH.text(count, count=len(matching), every=len(told["ranking"])) in text
    shown = cells(text, "cost")
    baseline = [line for line in told["ranking"] if line["saving_against_baseline_eur"] == 0][:1]
    expected = matching + [line for line in baseline if line not in matching]
    assert sorted(shown) == sorted(f"€{line['total_ttc_eur_per_year']:,.2f}" for line in expected)
    if matching:
        best = next(line for line in matching if not line["unseen_registers"])
        assert ENGLISH.text("home.best", offer=best["offer"], supplier=best["supplier"]) in text
    else:
        assert ENGLISH.texts["answer.nothing"] in text
    assert (ENGLISH.texts["answer.show_all"] in text) == chosen


def test_a_filter_stays_in_the_address_and_can_be_left(client: FlaskClient) -> None:
    fields = {"kwh": "4500", "only_green": "yes"}
    assert "only_green=yes" in client.post("/", data=fields).headers["Location"]
    left = client.post("/", data=fields | {"show_all": "1"}).headers["Location"]
    assert "only_green" not in left
    chosen = client.post("/", data=fields | {"part": "ranking"}).headers["Location"]
    assert chosen.endswith("#ranking")
    assert left.endswith("#ranking")


def test_a_contract_opens_to_what_the_api_says_of_it(client: FlaskClient) -> None:
    told: Any = client.get("/v1/tariffs?power_kva=6&limit=500").json
    tariffs = {(one["supplier"], one["offer"], one["option"]): one for one in told["tariffs"]}
    ranking: Any = client.get(f"/v1/bills?{ASKED}").json
    rows = rows_of(page_of(client, "")) + rows_of(page_of(client, ""), apart=True)
    assert len(rows) == len(ranking["ranking"]) + len(ranking["outdated"])
    checked = 0
    for line in ranking["ranking"]:
        named = f"{line['offer']}, {ENGLISH.text('option.' + line['option'])}</span></summary>"
        supplier = f"{line['supplier']} · {ENGLISH.text('option.' + line['option'])}"
        (row,) = [one for one in rows if named in one and supplier in one]
        tariff = tariffs[line["supplier"], line["offer"], line["option"]]
        for price in tariff["prices_eur_per_kwh_ttc"].values():
            assert f"€{price:.4f}" in row
        subscription = f"€{tariff['subscription_eur_per_month_ttc']:.2f}"
        assert ENGLISH.text("answer.per_month", amount=subscription) in row
        terms = shipped_offer_terms()[line["supplier"], line["offer"]]
        assert (f'href="{terms.page_url}"' in row) == (terms.page_url is not None)
        assert all(source["title"] in row for source in line["sources"])
        if terms.pricing is None:
            assert ENGLISH.texts["answer.not_known"] in row
        checked += 1
    assert checked > 20
    (history,) = re.findall(r'href="(/history[^"]+)"', rows[0])
    assert ranking["ranking"][0]["offer"] in unescape(client.get(history).text)


@pytest.mark.parametrize("prices", ["now", "then"])
def test_savings_are_words_against_one_contract_that_the_head_names(client: FlaskClient, prices: str) -> None:
    text = page_of(client, f"&prices={prices}")
    told: Any = client.get(f"/v1/bills?{ASKED}&prices={prices}").json
    assert ENGLISH.text("answer.versus", offer="Tarif Bleu", option="Base") in text
    shown = re.findall(r'<td role="cell" class="saves">\s*<span class="(\w+)"[^>]*>([^<]+)<', text)
    whole = [line for line in told["ranking"] if line["whole"]]
    assert len(shown) == len(whole) > 20
    amounts = sorted(line["saving_against_baseline_eur_per_year"] for line in whole)
    words = {"gain": "answer.less", "loss": "answer.more"}
    expected = [ENGLISH.text(words["gain"], amount=f"€{one:,.2f}") for one in amounts if one > 0]
    assert sorted(said for kind, said in shown if kind == "gain") == sorted(expected)
    assert sum(kind == "loss" for kind, _ in shown) == sum(one < 0 for one in amounts)
    assert ENGLISH.texts["answer.versus_present"] in page_of(
        client, f"&prices={prices}&present=EDF~Tarif Bleu~HPHC"
    )


def test_contracts_that_lack_prices_stand_apart_without_a_cost(client: FlaskClient) -> None:
    text = page_of(client, "&prices=then")
    told: Any = client.get(f"/v1/bills?{ASKED}&prices=then").json
    lacking = [line for line in told["ranking"] if not line["whole"]]
    assert len(lacking) > 5
    assert ENGLISH.text("answer.incomplete", count=len(lacking)) in text
    apart = rows_of(text, apart=True)
    assert len(apart) == len(lacking)
    for line, row in zip(lacking, apart, strict=True):
        assert line["offer"] in row
        assert line["partial"][0][1:] in row
        head = row.split("<details")[0]
        assert "€" not in head
    # How far a price can be trusted is said whatever prices are counted.
    assert 'class="badge stale"' in "".join(rows_of(text))


def test_whoever_has_the_cheapest_contract_is_told_to_change_nothing(client: FlaskClient) -> None:
    told: Any = client.get(f"/v1/bills?{ASKED}").json
    best = told["ranking"][0]
    text = page_of(client, f"&present={quote('~'.join((best['supplier'], best['offer'], best['option'])))}")
    head = text.split('class="best"')[1].split("</div>")[0]
    assert ENGLISH.texts["answer.already"] in head
    assert 'class="button"' not in head


def test_prices_of_the_past_lead_to_those_of_today_and_to_no_supplier(client: FlaskClient) -> None:
    text = page_of(client, "&prices=then")
    head = text.split('class="best"')[1].split("<section")[0]
    assert ENGLISH.texts["answer.prices_then"] in head
    assert 'rel="noreferrer external"' not in head
    (now,) = re.findall(r'<a class="button" href="([^"]+)"', head)
    told: Any = client.get(f"/v1/bills?{ASKED}").json
    best = told["ranking"][0]
    answer = unescape(client.get(now).text)
    assert ENGLISH.text("home.best", offer=best["offer"], supplier=best["supplier"]) in answer


def test_a_week_sends_no_household_to_a_supplier(client: FlaskClient) -> None:
    week = file_of(600, Span(dt.date(2026, 6, 1), dt.date(2026, 6, 8)))
    text = unescape(ask(client, week).text)
    head = text.split('class="best"')[1].split("<section")[0]
    assert ENGLISH.texts["answer.next_part"] in head
    assert 'rel="noreferrer external"' not in head


def test_a_present_contract_that_lacks_prices_is_no_baseline(client: FlaskClient) -> None:
    present = "EDF~Zen Online~BASE"
    text = page_of(client, f"&prices=then&present={present}")
    told: Any = client.get(f"/v1/bills?{ASKED}&prices=then&supplier=EDF&offer=Zen Online&option=BASE").json
    (own,) = [line for line in told["ranking"] if line["bill"]]
    assert own["whole"] is False
    assert told["baseline"]["offer"] == "Tarif Bleu"
    assert ENGLISH.texts["answer.present_incomplete"] in text
    assert ENGLISH.text("answer.versus", offer="Tarif Bleu", option="Base") in text
