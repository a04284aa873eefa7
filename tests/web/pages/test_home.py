"""The front page: a file or kWh in, an answer out, every fault beside its field, nothing kept."""

import datetime as dt
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from openwatt.app import create_app
from openwatt.sentences.catalogue import texts as catalogue_texts
from openwatt.settings import Settings
from openwatt.store.tariffs import record_sighting
from openwatt.web.pages import home as home_page
from openwatt.web.pages.i18n import LANGUAGES
from tests.conftest import NOW, close_app
from tests.shared_data import SHARED, needs_shared_data
from tests.web.api.test_bills import TWO_DAYS

CURVE = SHARED / "load_curves" / "Enedis_Conso_Heure_20230809-20240725_1429xxxxxxxxxx.csv"
PLAIN = {
    "power_kva": "6",
    "profile": "base",
    "prices": "now",
    "present": "",
    "kwh": "",
    "off_peak_hours": "",
    "off_peak_summer": "",
    "off_peak_winter": "",
}


def ask(client: FlaskClient, file: bytes | None = None, language: str = "en", **fields: str) -> TestResponse:
    """Sends the form as a browser does, every field and a file or none, and follows where it leads."""
    sent: dict[str, Any] = {**PLAIN, **fields, "file": (io.BytesIO(file or b""), "curve.csv" if file else "")}
    address = f"/?lang={language}"
    return client.post(address, data=sent, content_type="multipart/form-data", follow_redirects=True)


def cells(text: str, name: str) -> list[str]:
    return re.findall(rf'<td role="cell" class="{name}">(?:<strong>|<span[^>]*>)?([^<]+)', text)


def test_typed_kwh_are_answered_with_the_ranking_of_the_api(client: FlaskClient) -> None:
    answer = ask(client, kwh="4 500", profile="electric_heating", off_peak_hours="23:00-07:00")
    assert answer.status_code == 200
    told: Any = client.get(
        "/v1/bills?kwh=4500&profile=electric_heating&power_kva=6&off_peak_hours=23:00-07:00"
    ).json
    every = told["ranking"] + told["outdated"]
    costs = cells(answer.text, "cost") + cells(answer.text, "cost quiet")
    assert len(costs) == len(every) > 20
    assert costs[:10] == [f"€{line['total_ttc_eur_per_year']:,.2f}" for line in every[:10]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_file_nothing_is_said_to_be_measured(client: FlaskClient, language: str) -> None:
    texts = LANGUAGES[language].texts
    without = ask(client, None, language, kwh="4500")
    assert texts["home.complete"] not in without.text
    assert texts["home.assumed_off_peak"] in without.text
    assert texts["home.complete"] in ask(client, TWO_DAYS, language).text


def test_an_answer_in_the_address_can_be_shared_and_downloaded(client: FlaskClient) -> None:
    shared = client.get("/?kwh=4500&power_kva=6&lang=en")
    assert cells(shared.text, "cost") == cells(ask(client, kwh="4500").text, "cost")
    table = client.get("/?kwh=4500&power_kva=6&download=csv")
    assert table.content_type.startswith("text/csv")
    assert table.headers["Content-Disposition"] == 'attachment; filename="openwatt-2026-11-22.csv"'
    shown = cells(shared.text, "cost") + cells(shared.text, "cost quiet")
    assert len(table.text.splitlines()) == 1 + len(shown) > 20


def test_a_price_that_was_not_seen_lately_is_told_with_a_caution(client: FlaskClient) -> None:
    now, then = (ask(client, kwh="4500", prices=prices).text for prices in ("now", "then"))
    # The shipped catalogue is of November 2025 and February 2026, a year and months before the tests' day.
    assert 'class="caution"' in now
    assert 'class="badge stale"' in now
    assert 'class="caution"' not in then


def seen_by(url: str, at: dt.datetime, *, market: bool) -> None:
    """Says that every document of the regulated tariff was seen at an instant, or of market offers too."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "select distinct d.reference from documents d join tariffs t using (document_id)"
            " join contracts using (contract_id) join offers o using (offer_id)"
            " where t.applies_to is null and (o.regulated or %s)",
            (market,),
        ).fetchall()
        assert rows
        for (reference,) in rows:
            record_sighting(connection, reference, at)


#: After the end of the accise that the product knows: nothing that it ships can be a price of this day.
LATE = dt.datetime(2027, 3, 1, 10, tzinfo=dt.UTC)


@pytest.fixture
def late(filled_url: str) -> Iterator[FlaskClient]:
    app = create_app(Settings(database_url=filled_url, workers=1), clock=lambda: LATE)
    yield app.test_client()
    close_app(app)


@pytest.mark.parametrize("code", LANGUAGES)
def test_outdated_prices_are_folded_below_and_win_nothing(
    late: FlaskClient, filled_url: str, code: str
) -> None:
    ours = LANGUAGES[code]
    seen_by(filled_url, LATE, market=False)
    page = unescape(late.get(f"/?kwh=4500&power_kva=6&lang={code}").text)
    head, folded = page.split('<details class="rest">', 1)
    told: Any = late.get("/v1/bills?kwh=4500&power_kva=6").json
    assert {line["supplier"] for line in told["ranking"]} == {"EDF"}
    assert len(told["outdated"]) > 10
    day = ours.day(dt.date(2027, 2, 1))
    assert ours.text("home.best_regulated", offer="Tarif Bleu", supplier="EDF") in head
    assert ours.text("home.regulated_alone", day=day) in head
    assert "<code>openwatt ingest</code>" in head
    summary = ours.text("home.outdated_contracts", count=len(told["outdated"]), day=day)
    assert f"<summary>{summary}</summary>" in folded  # without a script, and closed
    for line in told["outdated"]:
        assert line["offer"] in folded
        assert line["offer"] not in head.split('id="answer"')[1]
    # The link ranks them all the same, and another goes back.
    (link,) = re.findall(r'href="(/\?[^"#]*include_outdated=true[^"#]*)#ranking"', page)
    plain = unescape(late.get(link).text)
    assert ours.texts["home.why_outdated"] not in plain
    assert ours.text("home.includes_outdated", day=day) in plain
    assert ours.texts["home.outdated"] in plain
    assert ours.text("home.best", offer="Tarif Bleu", supplier="EDF") in plain  # still of today
    (back,) = re.findall(r'href="(/\?[^"#]*)#ranking"', plain)
    assert "include_outdated" not in back
    assert "include_outdated" not in late.get("/?kwh=4500&power_kva=6&prices=then").text


def test_a_market_offer_of_today_is_ranked_beside_the_regulated_tariff(
    late: FlaskClient, filled_url: str
) -> None:
    seen_by(filled_url, LATE, market=True)
    page = late.get("/?kwh=4500&power_kva=6&lang=en").text
    assert "openwatt ingest" not in page
    assert LANGUAGES["en"].texts["home.why_outdated"] not in unescape(page)
    assert len(cells(page, "cost")) > 10


def test_a_present_contract_with_an_outdated_price_stays_the_baseline_and_is_said_to_be(
    late: FlaskClient, filled_url: str
) -> None:
    seen_by(filled_url, LATE, market=False)
    query = "kwh=4500&power_kva=6&supplier=Alpiq&offer=Électricité Stable&option=BASE"
    told: Any = late.get(f"/v1/bills?{query}").json
    (present,) = [line for line in told["outdated"] if line["bill"]]
    assert present["outdated_reason"] == (
        "last seen on 2025-10-28; duties or the network tariff changed on 2026-02-01, "
        "and it has not been seen since"
    )
    assert {line["outdated_reason"] for line in told["ranking"]} == {None}
    assert (present["offer"], present["saving_against_present_eur"]) == ("Électricité Stable", None)
    for line in told["ranking"]:
        saving = Decimal(str(present["total_ttc_eur"])) - Decimal(str(line["total_ttc_eur"]))
        assert abs(saving - Decimal(str(line["saving_against_present_eur"]))) <= Decimal("0.01")
    page = unescape(late.get("/?kwh=4500&power_kva=6&present=Alpiq~Électricité Stable~BASE&lang=en").text)
    english = LANGUAGES["en"]
    seen = english.day(dt.date.fromisoformat(present["last_seen_on"]))
    assert english.text("home.caution_present", seen=seen, day=english.day(dt.date(2027, 2, 1))) in page
    (row,) = re.findall(r'<tr role="row" class="yours">.*?</tr>', page, re.DOTALL)
    assert english.texts["home.outdated"] in row
    assert english.text("home.seen", day=seen) in row


@pytest.mark.parametrize("code", LANGUAGES)
def test_where_no_price_can_be_today_s_the_page_says_so(late: FlaskClient, code: str) -> None:
    texts = LANGUAGES[code].texts
    page = unescape(late.get(f"/?kwh=4500&power_kva=6&lang={code}").text)
    assert texts["home.none_of_today"] in page
    assert texts["home.advice_no_price"] in page
    assert texts["home.months"] not in page
    assert "<code>openwatt ingest</code>" in page


def test_what_is_sent_is_kept_by_nobody(client: FlaskClient) -> None:
    assert client.get("/?kwh=4500&power_kva=6").headers["Cache-Control"] == "private, no-store"
    assert ask(client, kwh="4500").headers["Cache-Control"] == "private, no-store"
    assert ask(client, kwh="4500", download="json").headers["Cache-Control"] == "private, no-store"


def test_an_error_of_ours_repeats_nothing_of_what_was_sent(
    shared_app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("a home of 4321 kWh")

    monkeypatch.setattr(home_page, "answer_of", fails)
    answer = ask(shared_app.test_client(), kwh="4321")
    assert answer.status_code == 500
    assert catalogue_texts("en")["problem_type.internal-server-error.detail"] in answer.text
    assert caplog.records
    assert "4321" not in caplog.text


@needs_shared_data
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_meters_file_is_answered_with_every_picture(client: FlaskClient, language: str) -> None:
    answer = ask(client, CURVE.read_bytes(), language, prices="then", present="EDF~Tarif Bleu~TEMPO")
    assert answer.status_code == 200, answer.text
    assert 'class="heat"' in answer.text
    # Tempo days from 9 August 2023 to 24 July 2024: every red one, and what RTE announced of the others.
    days = [answer.text.count(f'class="day {colour}"') for colour in ("BLEU", "BLANC", "ROUGE", "unknown")]
    assert days == [286, 43, 22, 0]
    assert all(f'class="part {register}"' in answer.text for register in ("ROUGE_HP", "BLEU_HC"))
    assert LANGUAGES[language].texts["home.yours"] in answer.text
    assert "1429" not in answer.text


@needs_shared_data
def test_the_columns_of_a_file_add_up_to_its_bill(client: FlaskClient) -> None:
    fields = {"power_kva": "6", "prices": "then", "option": "TEMPO", "off_peak_hours": "22:00-06:00"}
    sent = {**fields, "file": (io.BytesIO(CURVE.read_bytes()), "curve.csv")}
    told: Any = client.post("/v1/bills", data=sent, content_type="multipart/form-data").json
    (present,) = [line for line in told["ranking"] if line.get("bill")]
    text = ask(
        client,
        CURVE.read_bytes(),
        prices="then",
        present="EDF~Tarif Bleu~TEMPO",
        off_peak_hours="22:00-06:00",
    ).text
    head, *tables = text.rpartition("Month by month")[2].split("<table")  # the best is the present one
    caption = head.split("<figcaption")[1].split("</figcaption>")[0]
    rows = re.findall(r"<tr>.*?</tr>", tables[0], re.DOTALL)[1:]
    amounts = [float(re.findall(r"€([\d,.]+)", row)[-1].replace(",", "")) for row in rows]
    *months, whole, scaled = amounts
    assert len(months) == 12
    assert sum(months) == pytest.approx(whole, abs=0.06)
    assert (whole, scaled) == (present["total_ttc_eur"], present["total_ttc_eur_per_year"])
    # What the caption says is what the columns add up to, and the year is said to be scaled.
    assert f"€{whole:,.2f} in 351 days, that is €{scaled:,.2f} for 365 days" in caption
    assert ["(23 d)" in rows[0], "(24 d)" in rows[11]] == [True, True]
    assert text.count('<g class="partial">') == 4  # two months of each of the two charts
    axes = re.findall(r'<path class="rule" d="M40 ([\d.]+)H', text)
    assert axes[: len(axes) // 2] == axes[len(axes) // 2 :]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kwh": "many"}, "kwh"),
        ({"kwh": "0"}, "kwh"),
        ({"kwh": "4500", "power_kva": "99"}, "power_kva"),
        ({"kwh": "4500", "profile": "castle"}, "profile"),
        ({"kwh": "4500", "off_peak_hours": "at night"}, "off_peak_hours"),
        ({"kwh": "4500", "off_peak_hours": "été 2h-10h"}, "off_peak_hours"),
        ({"kwh": "4500", "off_peak_hours": "22h-6h" + " " * 300 + "sauf dimanche"}, "off_peak_hours"),
        ({"kwh": "4500", "off_peak_summer": "2h-10h"}, "off_peak_winter"),
        ({"kwh": "4500", "off_peak_winter": "22h-6h"}, "off_peak_summer"),
        ({"kwh": "4500", "off_peak_winter": "la nuit", "off_peak_summer": "2h-10h"}, "off_peak_winter"),
        ({"kwh": "4500", "off_peak_winter": "été 2h-10h", "off_peak_summer": "2h-10h"}, "off_peak_winter"),
        ({"kwh": "4500", "present": "EDF"}, "present"),
        ({"kwh": "4500", "present": "EDF~Tarif Bleu~NONE"}, "present"),
        ({"kwh": "4500", "present": "Nobody~Nothing~BASE"}, "present"),
        ({"kwh": "4500", "prices": "tomorrow"}, "prices"),
        ({}, "file"),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_fault_stands_beside_its_field(
    client: FlaskClient, language: str, fields: dict[str, str], field: str
) -> None:
    answer = ask(client, None, language, **fields)
    assert answer.status_code in {400, 422}
    said = LANGUAGES[language].texts[f"fault.{field if fields else 'no_use'}"]
    assert re.findall(r'id="(\w+)-fault"', answer.text) == [field]
    assert f'id="{field}-fault">{said}' in answer.text
    assert re.search(rf'id="{field}"[^>]*aria-invalid="true"[^>]* autofocus', answer.text)
    assert answer.text.count("autofocus") == 1
    assert f'<li><a href="#{field}">{said}</a></li>' in answer.text
    assert 'id="answer"' not in answer.text


@pytest.mark.parametrize(
    "fields",
    [
        {"off_peak_summer": "2h-6h et 11h-15h", "off_peak_winter": "22h30-6h30"},
        {"off_peak_hours": "Été : 02h00 à 06h00 et 11h00 à 15h00. Hiver : 22h30 à 06h30"},
        {"off_peak_hours": "22h30-6h30", "off_peak_summer": "de 2h à 6h, de 11h à 15h"},
    ],
)
def test_hours_of_two_seasons_are_taken_as_the_api_takes_them(
    client: FlaskClient, fields: dict[str, str]
) -> None:
    seasons = ["summer 02:00-06:00;11:00-15:00", "winter 22:30-06:30"]
    query = {"kwh": "4500", "profile": "night_heater", "power_kva": "6", "off_peak_hours": seasons}
    told: Any = client.get("/v1/bills", query_string=query).json
    answer = ask(client, None, kwh="4500", profile="night_heater", **fields)
    costs = [f"€{line['total_ttc_eur_per_year']:,.2f}" for line in told["ranking"]]
    assert cells(answer.text, "cost")[:10] == costs[:10]
    (shared,) = re.findall(
        r'<input id="shared" type="url" readonly value="http://localhost(/[^"]+)"', answer.text
    )
    assert cells(client.get(unescape(shared)).text, "cost") == cells(answer.text, "cost")
    assert ('<details class="seasons" open>' in answer.text) == ("off_peak_summer" in fields)


def test_a_day_of_change_before_which_other_hours_hold_is_taken(client: FlaskClient) -> None:
    then = "à partir du 1er février 2026 : 22h30-6h30"
    hours = ["to 2026-01-31 02:00-10:00", "from 2026-02-01 22:30-06:30"]
    query = {"kwh": "4500", "power_kva": "6", "off_peak_hours": hours}
    told: Any = client.get("/v1/bills", query_string=query).json
    pasted = f"jusqu’au 31/01/2026 : 2h-10h puis {then}"
    costs = cells(ask(client, kwh="4500", off_peak_hours=pasted).text, "cost")
    expected = [f"€{line['total_ttc_eur_per_year']:,.2f}" for line in told["ranking"]]
    assert costs[:10] == expected[:10]
    # Without the hours before the change they are asked for.
    assert 'id="off_peak_hours-fault"' in ask(client, kwh="4500", off_peak_hours=then).text


def test_what_is_wrong_with_hours_is_said_in_the_reader_s_language(client: FlaskClient) -> None:
    text = ask(client, None, "fr", kwh="4500", off_peak_hours="22h-6h sauf dimanche").text
    assert "« sauf dimanche » dans « 22h-6h sauf dimanche » n’est pas une plage d’heures" in unescape(
        text.replace("\u00a0", " ")
    )


def test_what_was_typed_is_not_lost_with_a_fault(client: FlaskClient) -> None:
    text = ask(client, kwh='<"4500>', off_peak_hours="23:00-07:00", power_kva="9").text
    assert 'value="&lt;&#34;4500&gt;"' in text
    assert 'value="23:00-07:00"' in text
    assert '<option value="9" selected>' in text


@pytest.mark.parametrize("file", [b"\0\1\2", b"a;b\n1;2\n", b"PK\3\4rubbish", b"%PDF-1.7", b"\xff" * 5000])
def test_a_file_that_is_no_load_curve_is_refused_in_words(client: FlaskClient, file: bytes) -> None:
    answer = ask(client, file)
    assert answer.status_code == 422
    assert LANGUAGES["en"].texts["fault.file"] in answer.text


def test_a_file_and_kwh_exclude_each_other(client: FlaskClient) -> None:
    answer = ask(client, b"no curve", kwh="4500")
    assert set(re.findall(r'id="(\w+)-fault"', answer.text)) == {"file", "kwh"}


def test_the_front_page_has_the_limit_of_bills(filled_url: str) -> None:
    app = create_app(Settings(database_url=filled_url, workers=1, limit_bills="2/hour"), clock=lambda: NOW)
    assert [app.test_client().get("/").status_code for _ in range(3)] == [200, 200, 429]
    assert app.test_client().get("/tariffs").status_code == 200
    close_app(app)


def test_too_large_a_file_is_refused_in_words(client: FlaskClient) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="curve.csv"\r\n\r\n'
    body = head + b"0" * (33 * 1024 * 1024) + b"\r\n--x--\r\n"
    answer = client.post("/?lang=en", data=body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 413
    assert "larger than this address takes: 32 MB at most" in answer.text


AMBIGUOUS = "\n".join(
    ["timestamp;Valeur", *(f"2025-11-{10 + n // 48} {n % 48 // 2:02}:{n % 2 * 30:02};0.4" for n in range(96))]
).encode()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("fr", "peut être le début ou la fin de la mesure"),
        ("en", "may be the start or the end of the measurement"),
    ],
)
def test_an_ambiguous_file_is_a_fault_in_the_customer_s_language(
    client: FlaskClient, code: str, said: str
) -> None:
    answer = ask(client, AMBIGUOUS, code)
    assert answer.status_code == 422
    assert said in answer.text
    assert '<details class="file-options" open>' in answer.text
    told = ask(client, AMBIGUOUS, code, stamps="start", unit="kW")
    assert told.status_code == 200
    assert re.search(r'<option value="start" selected>', told.text)
    assert ask(client, kwh="4500", stamps="start").status_code == 200, "without a file it does not matter"


def test_several_files_of_one_meter_are_dropped_together(client: FlaskClient) -> None:
    parts = [AMBIGUOUS.replace(b"timestamp;Valeur", b"debut;kW"), b"debut;kW\n2025-11-12 00:00;0.4\n"]
    sent = {**PLAIN, "file": [(io.BytesIO(part), f"{n}.csv") for n, part in enumerate(parts)]}
    answer = client.post("/?lang=en", data=sent, content_type="multipart/form-data")
    assert answer.status_code == 200
    assert re.search(r"For 19 kWh from 10 Nov\w* 2025 to 11 Nov", answer.text)
    assert "were measured outside the days" in answer.text
