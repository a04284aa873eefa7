"""What other tools get wrong; the mistakes that need a real meter are in `tests/meter/test_real_meter.py`."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from openwatt.catalogue.calendars import calendar_for
from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.bill import make_bill, to_cents
from openwatt.domain.calendar import Home
from openwatt.domain.contract import Contract, DutyDays, SourcedTariff, price_periods
from openwatt.domain.duties import Duties
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.tariff import Tariff
from openwatt.domain.usage import use_of_curve
from openwatt.sentences.catalogue import sentence

TODAY = dt.date(2026, 11, 22)


def constant(watts: int, span: Span, step: int = 30) -> LoadCurve:
    starts = np.arange(span.start_min, span.end_min, step, dtype=np.int64)
    return LoadCurve(starts, np.full_like(starts, step), np.full_like(starts, step * watts))


def regulated(option: str, power_kva: int) -> Contract:
    key = ("EDF", "Tarif Bleu", option, power_kva)
    return next(one for one in shipped_market().contracts if one.key == key)


def month(year: int, number: int) -> Span:
    return next(iter(Span(dt.date(year, number, 1), dt.date(year + 1, 12, 31)).months()))


def cost(contract: Contract, curve: LoadCurve, span: Span, *hours: str) -> Fraction:
    home = Home(tuple(parse_off_peak_hours(text) for text in hours))
    usage = use_of_curve(curve, home, span)(calendar_for(contract.option))
    bill = make_bill(
        contract, usage, price_periods(contract, span, DutyDays(shipped_market().duties), "then", TODAY)
    )
    assert bill.ttc is not None
    return bill.ttc


def test_watts_are_not_watt_hours() -> None:
    day = Span(dt.date(2025, 3, 1), dt.date(2025, 3, 2))
    # 24 kWh at 0.2016 and a day of 164.64 a year; read as Wh per half hour it would be 48 kWh.
    assert to_cents(cost(regulated("BASE", 6), constant(1000, day), day)) == Decimal("5.29")


def test_a_month_has_its_own_days_and_not_30_44() -> None:
    amounts = [cost(regulated("BASE", 6), constant(0, month(2025, n)), month(2025, n)) for n in (3, 4)]
    assert amounts == [Fraction(16464 * 31, 36500), Fraction(16464 * 30, 36500)]


def test_a_year_costs_the_yearly_subscription_and_not_twelve_of_them() -> None:
    year = Span(dt.date(2025, 8, 1), dt.date(2026, 2, 1))
    assert cost(regulated("BASE", 6), constant(0, year), year) == Fraction(18564, 100) * 184 / 365


def test_the_subscription_is_that_of_the_power() -> None:
    day = Span(dt.date(2026, 3, 1), dt.date(2026, 3, 2))
    by_power = {kva: cost(regulated("HPHC", kva), constant(0, day), day, "22:00-06:00") for kva in (6, 9, 12)}
    # EDF's grid of 2026-02-01: 15.65, 19.56 and 23.32 EUR a month.
    assert by_power == {
        6: Fraction(1565 * 12, 36500),
        9: Fraction(1956 * 12, 36500),
        12: Fraction(2332 * 12, 36500),
    }


def test_off_peak_hours_start_at_the_half_hour_when_they_do() -> None:
    day = Span(dt.date(2025, 3, 1), dt.date(2025, 3, 2))
    starts = np.array([day.start_min + 22 * 60], dtype=np.int64)
    half_hour = LoadCurve(starts, np.array([30], dtype=np.int64), np.array([60_000], dtype=np.int64))
    at_22, at_22_30 = (
        cost(regulated("HPHC", 6), half_hour, day, hours) for hours in ("22:00-06:00", "22:30-06:30")
    )
    assert at_22_30 - at_22 == Fraction("0.2146") - Fraction("0.1696")


def test_an_hourly_step_over_a_half_hour_boundary_is_shared_and_said() -> None:
    day = Span(dt.date(2025, 3, 1), dt.date(2025, 3, 2))
    usage = use_of_curve(constant(1000, day, 60), Home((parse_off_peak_hours("22:30-06:30"),)), day)(
        calendar_for("HPHC")
    )
    assert dict(
        zip(usage.registers, (usage.between(day.start, day.end) // 60_000).tolist(), strict=False)
    ) == {
        "HP": 16,
        "HC": 8,
    }
    assert [(finding.kind, finding.count) for finding in usage.findings] == [("split", 2)]


def test_stripping_the_offset_would_lose_an_autumn_hour() -> None:
    day = Span(dt.date(2025, 10, 26), dt.date(2025, 10, 27))
    # 25 h of 1 kW at 0.1952, and a day of 185.64 a year.
    assert to_cents(cost(regulated("BASE", 6), constant(1000, day), day)) == Decimal("5.39")
    assert to_cents(Fraction("4.88") + Fraction("185.64") / 365) == Decimal("5.39")


def test_missing_days_are_not_zero_and_the_bill_says_that_it_is_partial() -> None:
    span = Span(dt.date(2025, 3, 1), dt.date(2025, 3, 5))
    first = constant(1000, Span(span.start, dt.date(2025, 3, 2)))
    contract = regulated("BASE", 6)
    usage = use_of_curve(first, Home(), span)(calendar_for("BASE"))
    bill = make_bill(
        contract, usage, price_periods(contract, span, DutyDays(shipped_market().duties), "then", TODAY)
    )
    assert (bill.coverage.expected_half_hours, bill.coverage.present_half_hours) == (192, 48)
    assert tuple(map(sentence, bill.partial)) == (
        "144 of 192 half hours were not measured and cost nothing here",
    )


def test_prices_change_on_the_day_they_apply_and_not_when_they_were_published() -> None:
    # The grid of 2025-08-01 was published on 4 July 2025.
    contract = regulated("BASE", 6)
    assert [
        contract.on(day).tariff.prices_eur_per_kwh_ttc["BASE"]  # type: ignore[union-attr]  # both days have a price
        for day in (dt.date(2025, 7, 31), dt.date(2025, 8, 1))
    ] == [Decimal("0.2016"), Decimal("0.1952")]


def test_no_shipped_price_is_in_cents_or_only_one_of_its_parts() -> None:
    contracts = shipped_market().contracts
    assert len(contracts) > 100
    for contract in contracts:
        for sourced in contract.tariffs:
            for price in sourced.tariff.prices_eur_per_kwh_ttc.values():
                assert Decimal("0.05") < price < Decimal("1.20"), contract
            yearly = sourced.tariff.subscription_eur_per_year_ttc
            assert yearly is None or yearly > 45, contract


def test_the_engie_price_is_the_sum_of_its_three_parts() -> None:
    contract = next(
        one for one in shipped_market().contracts if one.key == ("Engie", "Elec Référence 3 ans", "BASE", 6)
    )
    # Pages 4 and 5 of the sheet, HT: supply 0.09652, network (CU) 0.0484, obligations 0.01051.
    assert contract.tariffs[0].tariff.prices_eur_per_kwh_ht["BASE"] == Decimal("0.15543")


def tariff(**changes: object) -> Tariff:
    fields: dict[str, object] = {
        "supplier": "S",
        "offer": "O",
        "option": "BASE",
        "power_kva": 6,
        "applies_from": dt.date(2025, 3, 1),
        "applies_to": None,
        "subscription_eur_per_year_ht": Decimal(100),
        "subscription_eur_per_year_ttc": None,
        "prices_eur_per_kwh_ht": {"BASE": Decimal("0.13")},
        "prices_eur_per_kwh_ttc": {},
    }
    return Tariff(**fields | changes)  # type: ignore[arg-type]  # a table of fields for the test's eyes


def test_a_change_of_tva_reprices_a_contract_whose_own_price_stays() -> None:
    span = Span(dt.date(2025, 7, 31), dt.date(2025, 8, 2))
    contract = Contract("S", "O", "BASE", 6, (SourcedTariff(tariff()),))
    before, after = price_periods(contract, span, DutyDays(shipped_market().duties), "then", TODAY)
    assert (before.span.end, after.span.start) == (dt.date(2025, 8, 1), dt.date(2025, 8, 1))
    # (0.13 + 0.0337) x 1.20 and (0.13 + 0.02998) x 1.20
    assert (before.prices_ttc, after.prices_ttc) == ({"BASE": Decimal("0.1964")}, {"BASE": Decimal("0.1920")})
    # (100 + 0.2193 x 99.46) x 1.20 / 12 = 12.18; the network's part before August 2025 is not known.
    assert after.subscription_ttc == Decimal("12.18") * 12
    assert before.subscription_ttc is None
    assert "no TURPE fixed part" in sentence(before.notes[0])


def test_a_sheet_s_own_price_with_taxes_is_kept_as_long_as_the_duties_hold() -> None:
    printed = tariff(
        prices_eur_per_kwh_ttc={"BASE": Decimal("0.1999")}, subscription_eur_per_year_ttc=Decimal(130)
    )
    span = Span(dt.date(2025, 3, 1), dt.date(2025, 3, 3))
    contract = Contract("S", "O", "BASE", 6, (SourcedTariff(printed),))
    (period,) = price_periods(contract, span, DutyDays(shipped_market().duties), "then", TODAY)
    assert (period.prices_ttc, period.subscription_ttc) == ({"BASE": Decimal("0.1999")}, Decimal(130))
    _, after = price_periods(
        contract,
        Span(dt.date(2025, 7, 31), dt.date(2025, 8, 2)),
        DutyDays(shipped_market().duties),
        "then",
        TODAY,
    )
    assert after.prices_ttc == {"BASE": Decimal("0.1920")}  # (0.13 + 0.02998) x 1.20
    (unknown,) = price_periods(contract, span, DutyDays(Duties((), ())), "then", TODAY)
    assert unknown.prices_ttc == {"BASE": Decimal("0.1999")}


@pytest.mark.parametrize(("option", "eur"), [("TEMPO", "3.887"), ("BASE", "2.001"), ("HPHC", "1.8102")])
def test_a_red_day_of_4_kwh_hp_and_6_kwh_hc_at_the_prices_of_august_2026(option: str, eur: str) -> None:
    # 6 January 2026 was red; it is priced at what holds now, the prices of August 2026.
    red = dt.date(2026, 1, 6)
    span = Span(red, red + dt.timedelta(days=2))
    at = [span.start_min + hour * 60 for hour in (12, 22)]
    ten_kwh = LoadCurve(
        np.array(at, dtype=np.int64),
        np.array([60, 60], dtype=np.int64),
        np.array([240_000, 360_000], dtype=np.int64),
    )
    home = Home((parse_off_peak_hours("22:00-06:00"),), colours=shipped_colours())
    contract = regulated(option, 6)
    usage = use_of_curve(ten_kwh, home, span)(calendar_for(option))
    bill = make_bill(
        contract, usage, price_periods(contract, span, DutyDays(shipped_market().duties), "now", TODAY)
    )
    amounts = [line.amount_ttc for line in bill.energy_lines if line.amount_ttc is not None]
    assert sum(amounts) == Fraction(eur)
