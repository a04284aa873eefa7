import datetime as dt
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from openwatt.catalogue.calendars import calendar_for
from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.bill import make_bill, to_cents, to_kwh
from openwatt.domain.calendar import WEEKDAYS, Home
from openwatt.domain.contract import Contract, DutyDays, SourcedTariff, price_periods
from openwatt.domain.duties import Duties
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.tariff import OPTIONS, Tariff
from openwatt.domain.usage import use_of_curve

FOLDER = Path(__file__).parent / "worked_bills"
WORKED: list[dict[str, Any]] = [
    bill for file in sorted(FOLDER.glob("*.yaml")) for bill in yaml.safe_load(file.read_text("utf-8"))
]


def constant(watts: int, span: Span) -> LoadCurve:
    starts = np.arange(span.start_min, span.end_min, 30, dtype=np.int64)
    return LoadCurve(starts, np.full_like(starts, 30), np.full_like(starts, 30 * watts))


def home_of(worked: dict[str, Any]) -> Home:
    start, end = worked["span"]
    span_days = [start + dt.timedelta(days=n) for n in range(-1, (end - start).days)]
    announced = {
        option: {**dict.fromkeys(span_days, ordinary), **dict.fromkeys(worked.get(key, []), word)}
        for option, key, word, ordinary in (
            ("EJP", "peak_days", "PM", "HN"),
            ("ZEN_FLEX", "sobriety_days", "SOBRIETE", "ECO"),
        )
    }
    colours = {**shipped_colours(), **announced}
    off_peak = (parse_off_peak_hours(worked["off_peak"]),) if "off_peak" in worked else ()
    chosen = WEEKDAYS.index(worked["chosen_weekday"]) if "chosen_weekday" in worked else None
    return Home(off_peak, chosen, colours)


def contract_of(worked: dict[str, Any]) -> tuple[Contract, Duties]:
    if worked.get("tariff") == "catalogue":
        key = ("EDF", "Tarif Bleu", worked["option"], worked["power_kva"])
        market = shipped_market()
        return next(one for one in market.contracts if one.key == key), market.duties
    tariffs = [
        Tariff(
            supplier="Exercise",
            offer="Invented",
            option=worked["option"],
            power_kva=worked["power_kva"],
            applies_from=applies_from,
            applies_to=applies_to,
            subscription_eur_per_year_ht=None,
            subscription_eur_per_year_ttc=Decimal(subscription),
            prices_eur_per_kwh_ht={},
            prices_eur_per_kwh_ttc={register: Decimal(price) for register, price in prices.items()},
        )
        for applies_from, applies_to, subscription, prices in worked["prices"]
    ]
    sourced = tuple(SourcedTariff(tariff) for tariff in tariffs)
    return Contract("Exercise", "Invented", worked["option"], worked["power_kva"], sourced), Duties((), ())


def test_every_option_has_a_worked_bill_and_so_has_every_regulated_year() -> None:
    assert len(WORKED) >= 20
    assert {bill["option"] for bill in WORKED} == set(OPTIONS)
    years = {bill["span"][0].year for bill in WORKED if bill["option"] == "BASE"}
    assert years == {2022, 2023, 2024, 2025, 2026}


@pytest.mark.parametrize("worked", WORKED, ids=[bill["title"] for bill in WORKED])
def test_a_bill_is_what_was_worked_out_by_hand(worked: dict[str, Any]) -> None:
    span = Span(*worked["span"])
    contract, duties = contract_of(worked)
    use = use_of_curve(constant(worked["watts"], span), home_of(worked), span)
    periods = price_periods(contract, span, DutyDays(duties), "then", dt.date(2026, 9, 1))
    bill = make_bill(contract, use(calendar_for(worked["option"])), periods)

    lines = [
        (f"{line.span.start:%Y-%m}", line.register, to_kwh(line.energy), line.price_ttc, line.amount_ttc)
        for line in bill.energy_lines
    ]
    assert sorted(lines) == sorted(
        (month, register, Decimal(kwh), Decimal(price), Fraction(amount))
        for month, register, kwh, price, amount in worked["lines"]
    )
    subscriptions = [
        (
            f"{line.span.start:%Y-%m}",
            line.span.days,
            line.per_year_ttc,
            round(line.amount_ttc or Fraction(-1), 6),
        )
        for line in bill.subscription_lines
    ]
    assert subscriptions == [
        (month, days, Decimal(per_year), Fraction(amount))
        for month, days, per_year, amount in worked["subscription"]
    ]
    assert bill.ttc is not None
    assert str(to_cents(bill.ttc)) == worked["total_ttc"]
    if "total_ht" in worked:
        assert bill.ht is not None
        assert str(to_cents(bill.ht)) == worked["total_ht"]
    assert bill.partial == ()
