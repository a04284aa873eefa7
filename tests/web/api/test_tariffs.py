"""GET /v1/tariffs: the right price of the right day, digit for digit, with its source."""

import csv
import gzip
import io
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from openwatt.catalogue.shipped_facts import shipped_offer_terms, shipped_sources

ITEM_KEYS = {
    "supplier",
    "offer",
    "option",
    "power_kva",
    "applies_from",
    "applies_to",
    "subscription_eur_per_year_ht",
    "subscription_eur_per_year_ttc",
    "subscription_eur_per_month_ttc",
    "prices_eur_per_kwh_ht",
    "prices_eur_per_kwh_ttc",
    "closed_to_new_customers",
    "data_status",
    "data_status_reason",
    "observed_at",
    "last_seen_at",
    "source",
}


Ask = Callable[..., Any]


def trve(ask: Ask, **query: object) -> Any:
    """The one regulated tariff that a question finds."""
    (item,) = ask("/v1/tariffs", supplier="EDF", offer="Tarif Bleu", **query)["tariffs"]
    return item


@pytest.mark.parametrize(
    ("on", "option", "power_kva", "register", "ttc"),
    [
        ("2025-09-01", "BASE", 6, "BASE", 0.1952),
        ("2026-03-01", "BASE", 6, "BASE", 0.1940),
        ("2026-03-01", "BASE", 9, "BASE", 0.1927),
        ("2022-06-01", "TEMPO", 9, "BLEU_HC", 0.0862),  # the regulator's open data says 0.0902
        ("2022-06-01", "TEMPO", 9, "ROUGE_HP", 0.5486),
        ("2026-10-01", "TEMPO", 6, "ROUGE_HP", 0.7295),
        ("2012-07-23", "BASE", 3, "BASE", 0.1256),
        ("2013-07-31", "BASE", 3, "BASE", 0.1256),
        ("2013-08-01", "BASE", 3, "BASE", 0.1329),
    ],
)
def test_the_billed_price_of_a_day_is_answered(
    ask: Ask, on: str, option: str, power_kva: int, register: str, ttc: float
) -> None:
    item = trve(ask, on=on, option=option, power_kva=power_kva)
    assert item["prices_eur_per_kwh_ttc"][register] == ttc


def test_an_item_carries_both_sides_of_the_tax_and_its_source(ask: Ask) -> None:
    item = trve(ask, on="2025-09-01", option="BASE", power_kva=6)
    assert item.keys() >= ITEM_KEYS
    assert item["subscription_eur_per_year_ttc"] == 185.64
    assert item["subscription_eur_per_year_ht"] == 132.84
    assert item["subscription_eur_per_month_ttc"] == 15.47
    assert item["prices_eur_per_kwh_ht"] == {"BASE": 0.1327}
    assert item["applies_to"] == "2026-01-31"
    assert item["source"]["document_sha256"].startswith("1667459072ca")
    assert item["source_ht"]["title"].startswith("CRE")
    assert (item["source"]["kind"], item["source_ht"]["kind"]) == ("supplier", "regulator")
    assert (item["sheet_url"], item["confidence"]) == (None, None)
    assert item["data_status_reason"] is None
    assert item["data_status"] == "fresh"  # its period is over: it can change no more
    assert "185.94" in item["note"]  # what the regulator's open data says instead


def test_a_figure_of_a_public_repository_is_said_to_be_secondary(client: FlaskClient) -> None:
    query = "option=BASE&power_kva=6&on=2024-12-01"
    (item,) = (client.get(f"/v1/tariffs?{query}").json or {})["tariffs"]
    assert item["source"]["title"].startswith("JC144/EDF_Simulateur_Prix")
    assert (item["source"]["kind"], item["source_ht"]["kind"]) == ("secondary", "regulator")
    (row,) = csv.DictReader(io.StringIO(client.get(f"/v1/tariffs?{query}&format=csv").text))
    assert (row["source_kind"], row["source_ht_kind"]) == ("secondary", "regulator")
    history = client.get("/v1/tariffs/history?option=BASE&power_kva=6").json or {}
    kinds = {one["source"]["kind"] for one in history["tariffs"]}
    assert kinds == {"regulator", "supplier", "secondary"}


def test_decimals_are_numbers_written_digit_for_digit(client: FlaskClient) -> None:
    text = client.get("/v1/tariffs?on=2026-03-01&option=BASE&power_kva=6&supplier=EDF").text
    assert '"prices_eur_per_kwh_ttc":{"BASE":0.1940}' in text
    assert '"subscription_eur_per_year_ht":141.60' in text


def test_tempo_registers_come_in_the_order_of_meters(ask: Ask) -> None:
    item = trve(ask, on="2025-09-01", option="TEMPO", power_kva=6)
    assert list(item["prices_eur_per_kwh_ttc"]) == [
        "BLEU_HC",
        "BLEU_HP",
        "BLANC_HC",
        "BLANC_HP",
        "ROUGE_HC",
        "ROUGE_HP",
    ]


def test_a_power_whose_new_price_is_unknown_is_stale_with_its_end(ask: Ask) -> None:
    item = trve(ask, on="2026-03-01", option="TEMPO", power_kva=24)
    assert (item["data_status"], item["applies_to"]) == ("stale", "2026-01-31")
    assert item["data_status_reason"] == "ended"
    assert item["prices_eur_per_kwh_ttc"]["ROUGE_HP"] == 0.6468


def test_stale_tariffs_can_be_left_out(ask: Ask) -> None:
    query = {"on": "2026-07-31", "option": "BASE", "supplier": "EDF", "offer": "Tarif Bleu"}
    everything = ask("/v1/tariffs", **query)["tariffs"]
    query = query | {"on": "2026-08-01"}
    left = ask("/v1/tariffs", **(query | {"include_stale": "false"}))["tariffs"]
    assert len(everything) == 9
    assert left == []  # those in force were last seen in September, the others have ended


def test_today_in_paris_is_the_default_day(ask: Ask) -> None:
    assert ask("/v1/tariffs")["on"] == "2026-11-22"


def test_supplier_and_offer_match_in_any_case_of_letters(ask: Ask) -> None:
    found = ask("/v1/tariffs?supplier=alpiq&offer=ÉLECTRICITÉ+STABLE&on=2025-11-01")["tariffs"]
    assert found
    assert {item["offer"] for item in found} == {"Électricité Stable"}


def test_nothing_is_known_before_it_was_observed(ask: Ask) -> None:
    query = {"on": "2025-09-01", "option": "BASE", "power_kva": 6, "supplier": "EDF"}
    before = ask("/v1/tariffs", **(query | {"known_at": "2025-10-19"}))["tariffs"]
    after = ask("/v1/tariffs", **(query | {"known_at": "2025-10-20"}))["tariffs"]
    assert [item["applies_from"] for item in before] == ["2025-02-01"]
    assert [item["applies_from"] for item in after] == ["2025-08-01"]


def test_pages_follow_each_other_and_miss_nothing(client: FlaskClient, ask: Ask) -> None:
    whole = ask("/v1/tariffs?on=2025-11-10&limit=1000")["tariffs"]
    assert len(whole) > 100
    address: str | None = "/v1/tariffs?on=2025-11-10&limit=97"
    joined: list[object] = []
    while address:
        page = client.get(address)
        joined += page.json["tariffs"]  # type: ignore[index]
        address = page.json["next"]  # type: ignore[index]
        assert ("Link" in page.headers) == (address is not None)
    assert joined == whole


def test_the_regulated_tariff_comes_first(ask: Ask) -> None:
    items = ask("/v1/tariffs?on=2025-11-10&limit=1000")["tariffs"]
    flags = [item["regulated"] for item in items]
    assert {True, False} == set(flags)
    assert flags == sorted(flags, reverse=True)


def test_the_history_of_a_contract_is_whole_and_without_holes(ask: Ask) -> None:
    query = {"supplier": "EDF", "offer": "Tarif Bleu", "option": "BASE", "power_kva": 6}
    items = ask("/v1/tariffs/history", **query)["tariffs"]
    assert [items[0]["applies_from"], items[-1]["applies_from"]] == ["2012-07-23", "2026-08-01"]
    assert len(items) == 24
    ends = [item["applies_to"] for item in items]
    assert ends[-1] is None
    assert all(end < item["applies_from"] for end, item in zip(ends, items[1:], strict=False))


def test_the_history_of_a_span_holds_what_was_in_force_in_it(ask: Ask) -> None:
    query = {
        "supplier": "EDF",
        "option": "BASE",
        "power_kva": 6,
        "since": "2024-11-15",
        "until": "2025-02-01",
    }
    items = ask("/v1/tariffs/history", **query)["tariffs"]
    assert [item["applies_from"] for item in items] == ["2024-11-01", "2025-02-01"]


def test_history_pages_follow_each_other(ask: Ask) -> None:
    whole = ask("/v1/tariffs/history?offer=Tarif%20Bleu&limit=1000")["tariffs"]
    address: str | None = "/v1/tariffs/history?offer=Tarif%20Bleu&limit=50"
    joined: list[object] = []
    while address:
        page = ask(address)
        joined += page["tariffs"]
        address = page["next"]
    assert len(whole) == 498
    assert joined == whole


def test_csv_has_the_same_figures_and_the_same_columns_always(client: FlaskClient) -> None:
    query = "on=2026-03-01&offer=Tarif%20Bleu&power_kva=6"
    by_format = client.get(f"/v1/tariffs?{query}&format=csv")
    by_accept = client.get(f"/v1/tariffs?{query}", headers={"Accept": "text/csv"})
    other = client.get("/v1/tariffs?on=1990-01-01&format=csv")
    assert by_format.data == by_accept.data
    assert by_format.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(by_format.text)))
    assert {row["option"]: row["prices_eur_per_kwh_ttc_BASE"] for row in rows} == {
        "BASE": "0.1940",
        "HPHC": "",
        "TEMPO": "",
    }
    assert other.text.splitlines() == [by_format.text.splitlines()[0]]


def test_an_unchanged_answer_costs_a_304(client: FlaskClient) -> None:
    first = client.get("/v1/tariffs?on=2026-03-01")
    again = client.get("/v1/tariffs?on=2026-03-01", headers={"If-None-Match": first.headers["ETag"]})
    other = client.get("/v1/tariffs?on=2026-03-01", headers={"If-None-Match": '"something-else"'})
    assert (first.status_code, again.status_code, other.status_code) == (200, 304, 200)
    assert again.data == b""
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"] == "public, max-age=60"


def test_gzip_is_the_same_answer_smaller(client: FlaskClient) -> None:
    plain = client.get("/v1/tariffs?on=2026-03-01")
    packed = client.get("/v1/tariffs?on=2026-03-01", headers={"Accept-Encoding": "gzip"})
    refused = client.get("/v1/tariffs?on=2026-03-01", headers={"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert len(packed.data) < len(plain.data) / 5
    assert gzip.decompress(packed.data) == plain.data == refused.data
    assert "Accept-Encoding" in packed.headers["Vary"]


def test_head_answers_like_get_without_a_body(client: FlaskClient) -> None:
    head, get = client.head("/v1/tariffs?on=2026-03-01"), client.get("/v1/tariffs?on=2026-03-01")
    assert head.data == b""
    assert head.headers["ETag"] == get.headers["ETag"]


def test_suppliers_and_offers_are_listed(ask: Ask) -> None:
    suppliers = ask("/v1/suppliers")["suppliers"]
    offers = ask("/v1/offers?supplier=edf")["offers"]
    assert {"name": "EDF", "offers": 11, "contracts": 171} in suppliers
    assert [offer["name"] for offer in offers if offer["regulated"]] == ["Tarif Bleu"]
    assert {"BASE", "HPHC", "TEMPO"} <= set(offers[0]["options"])


def test_an_offer_without_a_price_is_listed_with_the_reason(ask: Ask, client: FlaskClient) -> None:
    offers = {offer["name"]: offer for offer in ask("/v1/offers")["offers"]}
    assert (offers["SoFlex"]["no_price"], offers["SoFlex"]["options"]) == ("spot", [])
    assert offers["Flexibilité nuit & week-end"]["no_price"] == "hours"
    assert offers["Tarif Bleu"]["no_price"] is None
    page = client.get("/tariffs?lang=en").text
    assert "Sobry · SoFlex</a></dt><dd>Its price changes every hour" in page
    assert "Sobry" not in client.get("/tariffs?lang=en&supplier=EDF").text.partition("without-price")[2]


def test_offers_have_the_terms_that_their_sources_state(ask: Ask, client: FlaskClient) -> None:
    offers = {(offer["supplier"], offer["name"]): offer["terms"] for offer in ask("/v1/offers")["offers"]}
    known = shipped_offer_terms()
    assert {key for key, terms in offers.items() if terms is not None} == set(known)
    stable = offers["Alpiq", "Électricité Stable"]
    assert (stable["pricing"], stable["fixed_until"], stable["green"]) == ("fixed", "2026-11-30", False)
    assert stable["conditions"] == ["green_option"]
    documents = {one.id: one.title for one in shipped_sources()}
    for key, terms in known.items():
        assert [one["title"] for one in offers[key]["sources"]] == [documents[one] for one in terms.sources]

    rows = csv.DictReader(io.StringIO(client.get("/v1/offers?format=csv").text))
    found = {(row["supplier"], row["name"]): row for row in rows}
    row = found["Alpiq", "Électricité Stable"]
    assert row["terms_fixed_until"] == "2026-11-30"
    assert row["terms_sources_kind"] == " ".join(one["kind"] for one in stable["sources"])
    assert row["terms_sources_title"] == "; ".join(one["title"] for one in stable["sources"])
    assert found["Sobry", "SoFlex"]["terms_pricing"] == ""


def test_answers_are_valid_json_for_a_strict_reader(client: FlaskClient) -> None:
    assert msgspec.json.decode(client.get("/v1/tariffs?limit=1000").data)
