"""Under an answer: two contracts side by side, "what if" and past years, true to the API's own figures."""

import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from openwatt.web.pages import understand as parts
from tests.shared_data import needs_shared_data
from tests.web.pages.test_home import CURVE, PLAIN, ask

BASE, HPHC = "EDF~Tarif Bleu~BASE", "EDF~Tarif Bleu~HPHC"
QUESTION = {"kwh": "5000", "power_kva": "6", "lang": "en"}


def shown(client: FlaskClient, **fields: str) -> str:
    """The text of an answer's parts on request."""
    answer = client.get("/", query_string={**QUESTION, **fields})
    assert answer.status_code == 200, answer.text
    return text_of(answer.text)


def text_of(page: str) -> str:
    part = page[page.index('id="versus"') : page.index('class="private"', page.index('id="versus"'))]
    part = re.sub(r"<(svg|select).*?</\1>", " ", part, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", part)))


def ranking(client: FlaskClient, **query: str) -> dict[str, dict[str, Any]]:
    answer = client.get("/v1/bills", query_string={"kwh": "5000", "power_kva": "6", **query})
    assert answer.status_code == 200, answer.text
    page: Any = answer.json
    return {f"{one['supplier']}~{one['offer']}~{one['option']}": one for one in page["ranking"]}


def euros(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def amounts(text: str) -> list[Decimal]:
    return [euros(one) for one in re.findall(r"€([\d,]+\.\d\d)(?!\d)", text)]


def test_nothing_is_computed_that_was_not_requested(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("contracts_beside", "what_if", "past_years"):
        monkeypatch.delattr(parts, name)
    text = shown(client)
    assert "Two contracts side by side" in text
    assert "What if?" in text
    assert "less than" not in text


def test_two_contracts_stand_beside_each_other_with_the_totals_of_the_ranking(client: FlaskClient) -> None:
    text = shown(client, versus_first=BASE, versus_second=HPHC)
    ranked = ranking(client)
    base, hphc = (Decimal(str(ranked[key]["total_ttc_eur"])) for key in (BASE, HPHC))
    less, more = sorted((base, hphc))
    reason = re.search(r"costs €([\d,.]+) less than .*? over these 365 days", text)
    assert reason
    assert abs(euros(reason.group(1)) - (more - less)) <= Decimal("0.01")
    totals = re.findall(r"Total of 365 days 5,000 ([\d,.]+)", text)
    assert [euros(one) for one in totals] == [base, hphc]
    hours = re.findall(r"\d+:00 to \d+:00 ([\d,]+) €([\d,.]+) €([\d,.]+)", text)
    assert len(hours) == 24
    kwh, *sides = (sum(map(euros, column), Decimal(0)) for column in zip(*hours, strict=True))
    assert abs(kwh - 5000) <= 12
    for total, side in zip((base, hphc), sides, strict=True):
        assert abs(total - Decimal("190.32") - side) < Decimal("0.13")  # the subscription of both, and cents
    french = client.get("/", query_string={**QUESTION, "lang": "fr", "versus_second": HPHC}).text
    assert " de moins que " in french


def test_another_power_alone_is_ranked_as_the_api_ranks_it(client: FlaskClient) -> None:
    text = shown(client, other_power_kva="9", present=BASE)
    at_nine = ranking(client, power_kva="9")
    best = next(one for one in at_nine.values() if not one["closed_to_new_customers"])
    assert re.search(rf"{re.escape(best['offer'])} \({re.escape(best['supplier'])}\) (becomes|remains)", text)
    assert Decimal(str(best["total_ttc_eur_per_year"])) in amounts(text)
    yours = text[: text.index("Yours")].rsplit("Base", 1)[1] + text[text.index("Yours") :]
    before, after, *_ = amounts(yours)
    assert before == Decimal(str(ranking(client)[BASE]["total_ttc_eur_per_year"]))
    assert after == Decimal(str(at_nine[BASE]["total_ttc_eur_per_year"]))


def test_the_kwh_of_a_car_cost_what_their_price_says(client: FlaskClient) -> None:
    """210 km a week at 20 kWh for 100 km are 42 kWh a week: 2,190 in 365 days."""
    text = shown(client, car_km_per_week="210", car_kwh_per_100_km="20", present=BASE)
    assert "adds 2,190 kWh, evenly through the off-peak hours" in text
    before, after, difference = amounts(text[text.index("Yours") :])[:3]
    with_car = ranking(client, kwh="7190")[BASE]  # of one price at all hours: when it runs is the same
    assert after == Decimal(str(with_car["total_ttc_eur_per_year"]))
    assert difference == after - before
    shifted = shown(client, shift_percent="30", present=BASE)
    before, after, difference = amounts(shifted[shifted.index("Yours") :])[:3]
    assert after == before
    assert difference == 0


def test_a_past_year_costs_what_the_api_says_of_its_days(client: FlaskClient) -> None:
    text = shown(client, past_years="true", present=BASE)
    years = re.findall(r"1 (\w+) (\d{4}) – \d+ \w+ (\d{4}) (.*?)(?= 1 \w+ \d{4} – |$)", text)
    assert len(years) == 10
    month, start, end, costs = years[3]
    assert month == "Oct"
    query = {"from": f"{start}-10-01", "to": f"{end}-10-01"}
    then = ranking(client, prices="then", **query)[BASE]
    assert then["whole"]
    assert Decimal(str(then["total_ttc_eur"])) in amounts(costs)
    assert "prices incomplete" in text
    assert "prices known from" in text


@needs_shared_data
def test_after_a_file_the_parts_are_computed_from_the_use_that_the_page_carries(client: FlaskClient) -> None:
    fields: dict[str, Any] = {
        "shift_percent": "20",
        "versus_first": BASE,
        "versus_second": "EDF~Tarif Bleu~TEMPO",
        "past_years": "true",
    }
    first = ask(client, CURVE.read_bytes(), off_peak_hours="22:00-06:00", **fields)
    carried = re.search(r'name="measured_use" value="([^"]+)"', first.text)
    assert carried
    again = ask(client, off_peak_hours="22:00-06:00", measured_use=carried.group(1), **fields)
    assert text_of(again.text) == text_of(first.text)
    assert "20 % of each step of peak hours" in text_of(again.text)
    assert "moved by 52 weeks a year" in text_of(again.text)


def test_what_cannot_be_used_is_said_beside_its_field_and_the_answer_stays(client: FlaskClient) -> None:
    text = shown(
        client, shift_percent="120", versus_first="No~Such~BASE", car_hours="tea time", past_years="true"
    )
    assert "Type a whole number from 1 to 100." in text
    assert "Choose a contract from the list." in text
    assert "Write the hours as 23:00-07:00." in text
    assert "becomes the cheapest" not in text
    assert "Cost of each year" in text
    dated = shown(client, car_km_per_week="200", car_hours="from 2030-01-01 23:00-07:00")
    assert "Write the hours as 23:00-07:00. The hours of" in dated
    assert "Compute past years" in shown(client, past_years="false")
    assert "Choose from the list another contract" in shown(client, versus_first=BASE, versus_second=BASE)
    assert "cannot be computed at this power" in shown(client, other_power_kva="40")


def test_a_change_is_in_the_address_that_can_be_shared(client: FlaskClient) -> None:
    page = client.get("/", query_string={**QUESTION, "heat_pump_kwh": "4000", "versus_second": HPHC}).text
    addresses = {unescape(one) for one in re.findall(r'href="([^"]*heat_pump_kwh=4000[^"#]*)', page)}
    same = [one for one in addresses if "lang=en" in one and "download" not in one and "outdated" not in one]
    assert same
    for address in same:
        assert text_of(client.get(address).text) == text_of(page)


def test_a_button_of_a_part_leads_to_the_address_of_its_answer(client: FlaskClient) -> None:
    def location(**fields: str) -> str:
        sent = client.post("/", data={**PLAIN, "kwh": "5000", **fields})
        assert sent.status_code == 303
        return sent.headers["Location"]

    change = location(shift_percent="25 %", part="what-if")
    assert "shift_percent=25" in change
    assert change.endswith("#what-if")
    assert "past_years=true" in location(part="past-years")
    assert location(part="elsewhere").endswith("#answer")
