"""What explains a ranking, at the API: each part on request, exact, and every fault named."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from openwatt.domain.legal_time import Span
from tests.web.api.test_bills import TWO_DAYS, file_of, send

ADDRESS = "/v1/bills/explanation"
BASE, HPHC = "EDF~Tarif Bleu~BASE", "EDF~Tarif Bleu~HPHC"
QUESTION = {"kwh": 5000, "power_kva": 6}


def explained(client: FlaskClient, **query: object) -> Any:
    answer = client.get(ADDRESS, query_string={**QUESTION, **query})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "private, no-store"
    return answer.json


def decimal(number: object) -> Decimal:
    return Decimal(str(number))


def test_parts_that_are_not_requested_are_null(client: FlaskClient) -> None:
    page = explained(client)
    assert (page["versus"], page["what_if"], page["past_years"]) == (None, None, None)
    assert page["span"]["start"] < page["span"]["end"]


def test_two_contracts_have_the_totals_of_the_ranking_and_tables_that_add_up(client: FlaskClient) -> None:
    versus = explained(client, first=BASE, second=HPHC)["versus"]
    ranking: Any = client.get("/v1/bills", query_string={**QUESTION, "details": "true"}).json["ranking"]  # type: ignore[index]
    for side, option in (("first", "BASE"), ("second", "HPHC")):
        (ranked,) = [one for one in ranking if one["offer"] == "Tarif Bleu" and one["option"] == option]
        cost = versus[side]
        assert cost["total_ttc_eur"] == ranked["total_ttc_eur"]
        assert sum(decimal(one["kwh"]) for one in cost["registers"]) == 5000
        assert abs(sum((decimal(one["kwh"]) for one in cost["hours"]), Decimal(0)) - 5000) <= Decimal("0.012")
        months = sum((decimal(one["amount_eur_ttc"]) for one in cost["months"]), Decimal(0))
        assert abs(months - decimal(cost["total_ttc_eur"])) <= Decimal("0.07")
        hours = sum((decimal(one["amount_eur_ttc"]) for one in cost["hours"]), Decimal(0))
        assert abs(hours - decimal(cost["energy_ttc_eur"])) <= Decimal("0.13")
        by_register: dict[str, Decimal] = {}
        for line in ranked["bill"]["lines"]:
            if "register" in line:
                kwh = by_register.get(line["register"], Decimal(0)) + decimal(line["kwh"])
                by_register[line["register"]] = kwh
        assert by_register.keys() == {one["register"] for one in cost["registers"]}
        for one in cost["registers"]:
            assert abs(by_register[one["register"]] - decimal(one["kwh"])) <= Decimal("0.01")
    totals = decimal(versus["second"]["total_ttc_eur"]) - decimal(versus["first"]["total_ttc_eur"])
    assert abs(decimal(versus["difference_ttc_eur"]) - totals) <= Decimal("0.01")
    assert len(versus["reasons"]) == 3


def test_a_changed_home_is_ranked_as_a_home_that_was_always_so(client: FlaskClient) -> None:
    found = explained(client, other_power_kva=9, supplier="EDF", offer="Tarif Bleu", option="BASE")["what_if"]
    at_nine: Any = client.get("/v1/bills", query_string={"kwh": 5000, "power_kva": 9}).json
    totals = [(one["offer"], one["option"], one["total_ttc_eur"]) for one in at_nine["ranking"]]
    assert [(one["offer"], one["option"], one["total_ttc_eur"]) for one in found["ranking"]] == totals
    assert found["present_after"]["power_kva"] == 9
    assert found["assumptions"] == []
    changed = explained(
        client, car_km_per_week=210, car_kwh_per_100_km="15.4", heat_pump_kwh=3000, shift_percent=10
    )["what_if"]
    assert decimal(changed["car_kwh"]) == Decimal("1686.3")  # 210 × 15.4 / 100 × 365 / 7
    assert decimal(changed["heat_pump_kwh"]) == 3000
    (plain,) = [one for one in changed["ranking"] if (one["offer"], one["option"]) == ("Tarif Bleu", "BASE")]
    more: Any = client.get("/v1/bills", query_string={"kwh": 9686, "power_kva": 6}).json
    (alike,) = [one for one in more["ranking"] if (one["offer"], one["option"]) == ("Tarif Bleu", "BASE")]
    # 0.3 kWh apart, at one price for all hours.
    assert abs(decimal(plain["total_ttc_eur"]) - decimal(alike["total_ttc_eur"]) - Decimal("0.06")) < Decimal(
        "0.01"
    )
    assert len(changed["assumptions"]) == 5


def test_past_years_are_those_of_the_api_and_say_what_they_lack(client: FlaskClient) -> None:
    years = explained(client, past_years="true")["past_years"]["years"]
    assert len(years) == 10
    year = years[2]
    query = {**QUESTION, "prices": "then", "from": year["span"]["start"], "to": year["span"]["end"]}
    then: Any = client.get("/v1/bills", query_string=query).json
    (ranked,) = [one for one in then["ranking"] if (one["offer"], one["option"]) == ("Tarif Bleu", "BASE")]
    costs = {(one["offer"], one["option"]): one for one in year["contracts"]}
    assert costs["Tarif Bleu", "BASE"]["total_ttc_eur"] == ranked["total_ttc_eur"]
    lacking = [one for one in year["contracts"] if one["total_ttc_eur"] is None]
    assert lacking
    assert all(one["missing"] for one in lacking)


def test_a_measured_use_costs_in_a_past_year_what_a_meter_of_those_days_would_have(
    client: FlaskClient,
) -> None:
    winter = Span(dt.date(2026, 1, 5), dt.date(2026, 2, 5))
    tempo = {"option": "TEMPO", "supplier": "EDF", "offer": "Tarif Bleu"}
    fields = {"power_kva": 6, "off_peak_hours": "22:00-06:00"}
    page: Any = send(client, ADDRESS, file_of(600, winter), past_years="true", **fields, **tempo).json
    year = page["past_years"]["years"][2]
    assert year["span"] == {"start": "2024-01-08", "end": "2024-02-08"}  # two times 52 weeks before
    then = file_of(600, Span(dt.date(2024, 1, 8), dt.date(2024, 2, 8)))
    bills: Any = send(client, "/v1/bills", then, prices="then", **fields).json
    totals = {one["option"]: one["total_ttc_eur"] for one in bills["ranking"] if one["offer"] == "Tarif Bleu"}
    costs = {one["option"]: one["total_ttc_eur"] for one in year["contracts"] if one["offer"] == "Tarif Bleu"}
    assert costs == {option: totals[option] for option in ("TEMPO", "BASE")}


def test_a_file_is_explained_too(client: FlaskClient) -> None:
    answer = send(client, ADDRESS, TWO_DAYS, power_kva=6, first=BASE, second=HPHC, shift_percent=50)
    assert answer.status_code == 200, answer.text
    page: Any = answer.json
    assert page["versus"]["first"]["hours"] is not None
    assert decimal(page["what_if"]["moved_kwh"]) > 0


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ({"first": BASE}, 422, "second"),
        ({"first": BASE, "second": "No~Such~BASE"}, 422, "second"),
        ({"first": "Tarif Bleu", "second": BASE}, 400, "first"),
        ({"shift_percent": 101}, 400, "shift_percent"),
        ({"car_kwh_per_100_km": 18}, 422, "car_kwh_per_100_km"),
        ({"car_km_per_week": 200, "car_kwh_per_100_km": 0}, 400, "car_kwh_per_100_km"),
        ({"car_km_per_week": 200, "car_hours": "tea"}, 422, "car_hours"),
        ({"details": "true"}, 400, "details"),
    ],
)
def test_every_fault_is_named(
    client: FlaskClient, query: dict[str, object], status: int, parameter: str
) -> None:
    answer = client.get(ADDRESS, query_string={**QUESTION, **query})
    assert answer.status_code == status, answer.text
    problem: Any = answer.json
    assert [fault["parameter"] for fault in problem["faults"]] == [parameter]


def test_kwh_by_register_have_no_hours_to_change(client: FlaskClient) -> None:
    query = {"register_kwh": ["HP=3000", "HC=2000"], "power_kva": 6}
    refused = client.get(ADDRESS, query_string={**query, "shift_percent": 20})
    assert refused.status_code == 422
    versus = client.get(ADDRESS, query_string={**query, "first": BASE, "second": HPHC}).json["versus"]  # type: ignore[index]
    assert versus["first"]["hours"] is None
    assert len(versus["reasons"]) == 2
