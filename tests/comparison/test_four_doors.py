"""One question at every door: API, page, command and portfolio answer with the same figures."""

import csv
import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from openwatt.app import create_app
from openwatt.cli import main
from openwatt.domain.legal_time import Span
from openwatt.settings import Settings
from openwatt.store.tariffs import publish
from openwatt.web.pages.i18n import LANGUAGES
from tests.conftest import NOW, close_app
from tests.portfolio.village import curve, export
from tests.store.test_history import TARIFF, observed
from tests.web.api.test_bills import file_of, send
from tests.web.pages.test_home import seen_by

#: Two weeks with red, white and blue days, on both sides of a change of prices.
SPAN = Span(dt.date(2026, 1, 26), dt.date(2026, 2, 9))
PRESENT = ("EDF", "Tarif Bleu", "HPHC")
ENGLISH = LANGUAGES["en"]
#: What a row of a portfolio has under the same names as a contract of a ranking.
ROW_KEYS = (
    "total_ttc_eur",
    "total_ht_eur",
    "total_ttc_eur_per_year",
    "saving_against_regulated_eur",
    "saving_against_regulated_eur_per_year",
    "saving_against_baseline_eur",
    "saving_against_baseline_eur_per_year",
    "closed_to_new_customers",
    "whole",
)
#: The days on which a price of today was seen and overtaken, and who says it.
AGE_KEYS = ("outdated", "last_seen_on", "overtaken_on", "source_kind")
_NAMES = r"(?P<offer>[^<]*)<span[^>]*>(?P<supplier>[^<]*) · (?P<option>[^<]*)</span>"
_RANKED_ROW = re.compile(
    r'<td role="cell" class="place">(?P<place>\d+)</td>\s*<th[^>]*>' + _NAMES + r"(?:(?!</tr>).)*?"
    r"<strong>(?P<total>[^<]*)</strong>(?:(?!</tr>).)*?"
    r'<td role="cell" class="saves">\s*<span[^>]*>(?P<saving>[^<]*)<',
    re.DOTALL,
)
#: A contract beside the ranking: the cost of an outdated one, or why an incomplete one has none.
_APART_ROW = re.compile(
    r'<tr role="row">\s*<th role="rowheader" scope="row">' + _NAMES + r"(?:(?!</tr>).)*?"
    r'<td role="cell" class="(?P<kind>cost|why) quiet">(?P<figure>[^<]*)</td>\s*'
    r'<td role="cell" class="seen">(?P<seen>[^<]*)<',
    re.DOTALL,
)


@pytest.fixture
def client(filled_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    """A service of today over a database that the commands read too.

    The commands read the clock: the regulated tariff's documents were seen today, whichever day that is.
    """
    seen_by(filled_url, dt.datetime.now(dt.UTC), market=False)
    monkeypatch.setenv("OPENWATT_DATABASE_URL", filled_url)
    monkeypatch.chdir(tmp_path)
    app = create_app(Settings(database_url=filled_url, workers=1))
    yield app.test_client()
    close_app(app)


def run(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def read(text: str) -> Any:
    """A JSON answer, its figures digit for digit."""
    return json.loads(text, parse_float=Decimal)


def same_answer(api: Any, command: Any) -> None:
    """Every figure and word of the command's answer is the API's, in the same order."""
    assert len(api["ranking"]) >= 3
    assert all(line["bill"]["lines"] for line in api["ranking"])
    for key in (
        "span",
        "prices",
        "part_of_year",
        "coverage",
        "ranking",
        "left_out",
        "findings",
        "assumptions",
    ):
        assert command[key] == api[key], key
    assert command.get("outdated") == api.get("outdated")
    assert ("outdated" in api) == (api["prices"] == "now")
    assert command["advice"] == {name: item for name, item in api["advice"].items() if item is not None}


def same_rows(api: Any, rows: list[dict[str, str]]) -> None:
    """Every figure of the portfolio's rows is the API's, in the same order."""
    costed = [row for row in rows if row["total_ttc_eur"]]
    every = [*api["ranking"], *api.get("outdated", [])]
    assert [_contract(row) for row in costed] == [_contract(line) for line in every]
    for row, line in zip(costed, every, strict=True):
        for key in AGE_KEYS:
            assert (key in row) == (key in line) == (api["prices"] == "now")
            assert key not in row or row[key] == _cell(line[key])
        assert row["unseen_registers"] == " ".join(line["unseen_registers"])
        for key in ROW_KEYS:
            assert row[key] == _cell(line[key]), (key, _contract(line))
        assert Decimal(row["kwh"]) == line["bill"]["kwh"] + line["bill"]["uncosted_kwh"]
        assert row["reason"] == "; ".join(line["partial"])
    left_out = {_contract(row): row["reason"] for row in rows if not row["total_ttc_eur"]}
    assert left_out == {_contract(line): line["reason"] for line in api["left_out"]}
    coverage = ("expected_half_hours", "present_half_hours")
    assert {tuple(row[key] for key in coverage) for row in rows} == {
        tuple(str(api["coverage"][key]) for key in coverage)
    }


def _contract(line: Any) -> tuple[str, ...]:
    return line["supplier"], line["offer"], line["option"]


def _cell(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def same_page(api: Any, page: str) -> None:
    """Every contract of the page's ranking, its bills and its advice are the API's."""
    rows = sorted(_rows(_RANKED_ROW, page), key=lambda row: int(row["place"]))
    whole = [line for line in api["ranking"] if line["whole"]]
    assert [_shown(row) for row in rows] == [_english(line) for line in whole]
    apart = list(_rows(_APART_ROW, page))
    incomplete = [row for row in apart if row["kind"] == "why"]
    assert [_shown(row) for row in incomplete] == [
        _english(line) for line in api["ranking"] if not line["whole"]
    ]
    assert all(row["figure"].strip() for row in incomplete)
    outdated = [row for row in apart if row["kind"] == "cost"]
    assert [_shown(row) for row in outdated] == [_english(line) for line in api.get("outdated", [])]
    for row, line in zip(outdated, api.get("outdated", []), strict=True):
        assert ENGLISH.day(dt.date.fromisoformat(line["last_seen_on"])) in row["seen"]
    scaled = "" if api["part_of_year"] else "_per_year"
    for row, line in zip(rows, whole, strict=True):
        assert row["total"] == ENGLISH.eur(line[f"total_ttc_eur{scaled}"])
        is_baseline = _contract(line) == _contract(api["baseline"])
        assert row["saving"] == _saving(line[f"saving_against_baseline_eur{scaled}"], is_baseline=is_baseline)
    present = next(line for line in api["ranking"] if _contract(line) == PRESENT)
    amounts = [one["amount_eur_ttc"] for one in present["bill"]["lines"]]
    assert len(amounts) > 2
    for amount in amounts:
        assert f'<td class="figure">{ENGLISH.eur(amount)}</td>' in page
    advice = api["advice"]
    off_peak, red, power = advice["off_peak"], advice["red_days"], advice["power"]
    assert ENGLISH.percent(off_peak["share_percent"]) in page
    assert ENGLISH.percent(off_peak["break_even_percent"]) in page
    assert ENGLISH.eur(red["cost_ttc_eur"]) in page
    assert ENGLISH.eur(red["saving_eur_per_kwh_moved_to_the_night"]) in page
    assert (power is None) or f"{ENGLISH.number(power['highest_w'] / 1000, 1)} kW" in page


def _rows(pattern: re.Pattern[str], page: str) -> Iterator[dict[str, str]]:
    for row in pattern.finditer(page):
        yield {key: unescape(text) for key, text in row.groupdict().items()}


def _shown(row: dict[str, str]) -> tuple[str, ...]:
    return row["supplier"], row["offer"], row["option"]


def _english(line: Any) -> tuple[str, ...]:
    return line["supplier"], line["offer"], ENGLISH.text(f"option.{line['option']}")


def _saving(amount: Decimal | None, *, is_baseline: bool) -> str:
    if is_baseline:
        return "reference"
    if amount is None:
        return "–"
    if not amount:
        return "same cost"
    return f"{ENGLISH.eur(abs(amount))} {'less' if amount > 0 else 'more'}"


@pytest.mark.parametrize("prices", ["now", "then"])
def test_a_load_curve_costs_the_same_at_every_door(client: FlaskClient, tmp_path: Path, prices: str) -> None:
    data = export(curve(7, SPAN))
    file = tmp_path / "homes" / "home.csv"
    file.parent.mkdir()
    file.write_bytes(data)
    supplier, offer, option = PRESENT
    hours = "22:30-06:30"
    fields = {"power_kva": "6", "prices": prices, "off_peak_hours": hours}
    answer = send(
        client, "/v1/bills", data, **fields, supplier=supplier, offer=offer, option=option, details="true"
    )
    assert answer.status_code == 200, answer.text
    api = read(answer.text)
    assert all(api["advice"].values())

    options = ("--power-kva", "6", "--prices", prices, "--off-peak", hours)
    present = ("--supplier", supplier, "--offer", offer, "--option", option)
    same_answer(api, read(run("compare", str(file), *options, *present, "--details", "--json")))

    out = tmp_path / "out.csv"
    run("portfolio", str(file.parent), "--out", str(out), "--jobs", "1", *options)
    with out.open(encoding="utf-8", newline="") as stream:
        same_rows(
            read(send(client, "/v1/bills", data, **fields, details="true").text), list(csv.DictReader(stream))
        )

    page = send(client, "/?lang=en", data, **fields, present="~".join(PRESENT))
    assert page.status_code == 200
    same_page(api, page.text)


def test_include_outdated_ranks_outdated_prices_at_every_door(client: FlaskClient, tmp_path: Path) -> None:
    data = export(curve(7, SPAN))
    file = tmp_path / "homes" / "home.csv"
    file.parent.mkdir()
    file.write_bytes(data)
    fields = {"power_kva": "6", "off_peak_hours": "22:30-06:30"}
    parted = read(send(client, "/v1/bills", data, **fields).text)
    answer = send(client, "/v1/bills", data, **fields, include_outdated="true", details="true")
    assert answer.status_code == 200, answer.text
    api = read(answer.text)
    assert (len(parted["outdated"]), api["outdated"]) == (len(api["ranking"]) - len(parted["ranking"]), [])
    assert any(line["outdated"] for line in api["ranking"])
    seen = [line for line in api["ranking"] if line["whole"] and not line["unseen_registers"]]
    totals = [line["total_ttc_eur"] for line in seen]
    assert totals == sorted(totals)

    options = ("--power-kva", "6", "--off-peak", "22:30-06:30", "--include-outdated")
    same_answer(api, read(run("compare", str(file), *options, "--details", "--json")))
    out = tmp_path / "out.csv"
    run("portfolio", str(file.parent), "--out", str(out), "--jobs", "1", *options)
    with out.open(encoding="utf-8", newline="") as stream:
        same_rows(api, list(csv.DictReader(stream)))
    page = send(client, "/?lang=en", data, **fields, include_outdated="true")
    places = [_shown(row) for row in _rows(_RANKED_ROW, page.text)]
    assert sorted(places) == sorted(_english(line) for line in api["ranking"] if line["whole"])


@pytest.mark.usefixtures("client")
def test_a_present_contract_whose_price_is_outdated_is_said_by_the_command() -> None:
    present = ("--supplier", "Alpiq", "--offer", "Électricité Stable", "--option", "BASE")
    printed = " ".join(run("compare", "--kwh", "5000", "--power-kva", "6", *present).split())
    assert "the present contract counts at its price last seen on 2025-10-28" in printed
    assert "Not ranked: prices that cannot be today's" in printed
    assert "last seen on" not in run("compare", "--kwh", "5000", "--power-kva", "6", "--option", "BASE")
    then = run("compare", "--kwh", "5000", "--power-kva", "6", "--prices", "then", *present)
    assert "today" not in then


def test_yearly_kwh_cost_the_same_at_every_door_that_takes_them(client: FlaskClient) -> None:
    supplier, offer, option = PRESENT
    query = {"power_kva": "6", "kwh": "5000", "profile": "electric_car", "off_peak_hours": "22:00-06:00"}
    names = {"supplier": supplier, "offer": offer, "option": option}
    answer = client.get("/v1/bills", query_string={**query, **names, "details": "true"})
    assert answer.status_code == 200, answer.text
    api = read(answer.text)
    assert api["advice"]["power"] is None

    words = {"off_peak_hours": "off-peak"}
    options = [
        word
        for name, value in {**query, **names}.items()
        for word in (f"--{words.get(name, name.replace('_', '-'))}", value)
    ]
    same_answer(api, read(run("compare", *options, "--details", "--json")))

    page = client.get("/", query_string={**query, "present": "~".join(PRESENT), "lang": "en"})
    assert page.status_code == 200
    same_page(api, page.text)


#: An offer that a customer may have.
SMALL = ("Essai", "Petite puissance", "BASE")


def publish_an_offer_without_a_price_of_today_at_3_kva(url: str) -> None:
    tariffs = [
        replace(
            TARIFF,
            supplier=SMALL[0],
            offer=SMALL[1],
            option=SMALL[2],
            power_kva=power_kva,
            applies_to=last,
            subscription_eur_per_year_ht=None,
            subscription_eur_per_year_ttc=Decimal(power_kva * 30),
            prices_eur_per_kwh_ht={},
            prices_eur_per_kwh_ttc={"BASE": Decimal("0.19")},
        )
        for power_kva, last in ((6, None), (3, dt.date(2026, 7, 31)))
    ]
    with psycopg.connect(url) as connection:
        publish(connection, [observed(tariff, NOW) for tariff in tariffs])


@pytest.mark.parametrize(
    ("prices", "verdict", "on_page", "in_command"),
    [
        (
            "now",
            "no_price",
            "3 kVA would have been enough; its price today is not known",
            "3 kVA would do; no price",
        ),
        ("then", "lower", "3 kVA would have been enough and would have saved you", "3 kVA would do: "),
    ],
)
def test_a_home_that_never_exceeds_a_lower_power_reads_the_same_advice_at_every_door(
    client: FlaskClient,
    filled_url: str,
    tmp_path: Path,
    prices: str,
    verdict: str,
    on_page: str,
    in_command: str,
) -> None:
    publish_an_offer_without_a_price_of_today_at_3_kva(filled_url)
    supplier, offer, option = SMALL
    data = file_of(600, Span(dt.date(2026, 6, 1), dt.date(2026, 6, 8)))
    fields = {"power_kva": "6", "prices": prices}
    answer = send(client, "/v1/bills", data, **fields, supplier=supplier, offer=offer, option=option)
    power = read(answer.text)["advice"]["power"]
    assert (power["highest_w"], power["lower_power_kva"], power["verdict"]) == (600, 3, verdict)
    assert (power["saving_ttc_eur"] is None) == (verdict == "no_price")
    assert on_page in send(client, "/?lang=en", data, **fields, present="~".join(SMALL)).text
    file = tmp_path / "home.csv"
    file.write_bytes(data)
    present = ("--supplier", supplier, "--offer", offer, "--option", option)
    printed = run("compare", str(file), "--power-kva", "6", "--prices", prices, *present)
    assert in_command in printed
    assert "None" not in printed


def test_a_week_of_june_ranks_no_option_whose_dear_days_it_has_not_at_any_door(
    client: FlaskClient, tmp_path: Path
) -> None:
    data = file_of(600, Span(dt.date(2026, 6, 1), dt.date(2026, 6, 8)))
    api = read(send(client, "/v1/bills", data, power_kva="6").text)
    part = api["part_of_year"]
    assert (part["days"], part["measured_percent"]) == (7, 100)
    assert part["missing_seasons"] == ["winter", "spring", "autumn"]
    unseen = ["BLANC_HC", "BLANC_HP", "ROUGE_HC", "ROUGE_HP"]
    assert part["unseen_registers"]["TEMPO"] == unseen
    assert "give its kwh" in part["message"]
    tempo = [line["option"] == "TEMPO" for line in api["ranking"]]
    assert any(tempo)
    assert [bool(line["unseen_registers"]) for line in api["ranking"]] == sorted(
        bool(line["unseen_registers"]) for line in api["ranking"]
    )
    assert all(line["unseen_registers"] == unseen for line in api["ranking"] if line["option"] == "TEMPO")
    assert {line["total_ttc_eur_per_year"] for line in api["ranking"]} == {None}

    page = send(client, "/?lang=en", data, power_kva="6").text
    assert "Over these 7 days" in page
    assert "Missing: winter, spring, autumn." in page
    assert 'href="#kwh"' in page
    assert "less per year" not in page

    folder = tmp_path / "homes"
    folder.mkdir()
    (folder / "home.csv").write_bytes(data)
    printed = run("compare", str(folder / "home.csv"), "--power-kva", "6")
    assert "7 days, 100 % of them measured, do not stand for a year" in printed
    assert "BLANC_HC, BLANC_HP, ROUGE_HC, ROUGE_HP did not run" in printed
    run("portfolio", str(folder), "--out", "out.csv", "--jobs", "1", "--power-kva", "6", "--top", "2")
    with Path("out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2
    assert {(row["total_ttc_eur_per_year"], row["unseen_registers"]) for row in rows} == {("", "")}
