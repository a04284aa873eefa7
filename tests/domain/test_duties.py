import csv
import datetime as dt
from decimal import Decimal

import pytest

from openwatt.catalogue.shipped_facts import shipped_duties
from openwatt.domain.duties import (
    DatedRate,
    Duties,
    price_eur_per_kwh_ttc,
    subscription_eur_per_month_ttc,
)
from openwatt.domain.errors import UnknownDutyError
from tests.sentences.refusals import refused
from tests.shared_data import SHARED, needs_shared_data

AUGUST_2025 = dt.date(2025, 8, 1)


@pytest.fixture(scope="module")
def duties() -> Duties:
    return shipped_duties()


@pytest.mark.parametrize(
    ("option", "power_kva", "ht_per_year", "billed_per_month"),
    [
        ("BASE", 3, "102.12", "11.73"),
        ("BASE", 6, "132.84", "15.47"),
        ("BASE", 36, "454.56", "54.29"),
        ("HPHC", 12, "202.44", "23.76"),
        ("TEMPO", 36, "456.00", "54.43"),
    ],
)
def test_a_subscription_comes_out_as_the_printed_sheet_bills_it(
    duties: Duties, option: str, power_kva: int, ht_per_year: str, billed_per_month: str
) -> None:
    computed = subscription_eur_per_month_ttc(
        Decimal(ht_per_year), power_kva, AUGUST_2025, duties, turpe_formula="CU4"
    )
    assert computed == Decimal(billed_per_month), option


@needs_shared_data
def test_the_24_billed_subscriptions_of_august_2025_come_out_to_the_cent(duties: Duties) -> None:
    ht = {}
    with (SHARED / "grids/truth/trve_cre_2025_07.csv").open(encoding="utf-8-sig") as lines:
        for row in csv.DictReader(lines):
            ht[row["option"], row["kva"]] = Decimal(row["abo_year_ht"])
    billed = {}
    with (SHARED / "trve/trve_history_edf_grid.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["valid_from"] == "2025-08-01":
                key = (row["option"], row["power_kva"])
                billed[key] = Decimal(row["fixed_eur_per_month_incl_tax_edf"])
    assert len(billed) == 24
    computed = {
        key: subscription_eur_per_month_ttc(ht[key], int(key[1]), AUGUST_2025, duties, turpe_formula="CU4")
        for key in billed
    }
    assert computed == billed


@pytest.mark.parametrize(
    ("ht", "day", "ttc"),
    [
        ("0.1327", "2025-08-01", "0.1952"),
        ("0.1434", "2025-08-01", "0.2081"),
        ("0.1063", "2025-08-01", "0.1635"),
        ("0.5090", "2025-08-01", "0.6468"),
        ("0.1297", "2026-02-01", "0.1927"),
        ("0.1361", "2026-08-01", "0.2001"),
        ("0.1361", "2027-01-31", "0.2001"),
        ("0.1374", "2022-02-01", "0.1740"),  # with the local tax at its maximum
        ("0.1887", "2023-08-01", "0.2276"),
        ("0.1887", "2024-02-01", "0.2516"),
    ],
)
def test_a_price_per_kwh_is_taxed_at_the_rates_of_its_day(
    duties: Duties, ht: str, day: str, ttc: str
) -> None:
    assert price_eur_per_kwh_ttc(Decimal(ht), dt.date.fromisoformat(day), duties) == Decimal(ttc)


def test_half_of_a_hundredth_of_a_cent_is_rounded_up() -> None:
    rates = [("accise", "0"), ("tcfe_local_max", "0"), ("tva_kwh", "0")]
    duties = Duties(
        tuple(
            DatedRate(
                duty=duty,
                unit="",
                applies_from=None,
                applies_to=None,
                value=Decimal(value),
                source="a test",
            )
            for duty, value in rates
        ),
        (),
    )
    assert price_eur_per_kwh_ttc(Decimal("0.12345"), AUGUST_2025, duties) == Decimal("0.1235")


def test_a_rate_holds_on_its_last_day_and_not_on_the_next(duties: Duties) -> None:
    assert duties.rate("tva_subscription", dt.date(2025, 7, 31)) == Decimal("5.5")
    assert duties.rate("tva_subscription", dt.date(2025, 8, 1)) == 20
    assert duties.rate("cta", dt.date(2026, 1, 31)) == Decimal("21.93")
    assert duties.rate("cta", dt.date(2026, 2, 1)) == 15


def test_a_day_without_a_rate_is_refused_with_the_duty_and_the_day(duties: Duties) -> None:
    with refused(UnknownDutyError, match="accise is known for 2010-06-01"):
        price_eur_per_kwh_ttc(Decimal("0.08"), dt.date(2010, 6, 1), duties)
    with refused(UnknownDutyError, match="tcfe_local_max is known for 2019-06-01"):
        price_eur_per_kwh_ttc(Decimal("0.08"), dt.date(2019, 6, 1), duties)
    with refused(UnknownDutyError, match="accise is known for 2027-02-01"):
        price_eur_per_kwh_ttc(Decimal("0.1361"), dt.date(2027, 2, 1), duties)
    with refused(UnknownDutyError, match="CU4 at 6 kVA is known for 2027-08-01"):
        subscription_eur_per_month_ttc(Decimal(140), 6, dt.date(2027, 8, 1), duties, turpe_formula="CU4")
    with refused(UnknownDutyError, match="CU4 at 7 kVA is known for 2025-08-01"):
        subscription_eur_per_month_ttc(Decimal(140), 7, AUGUST_2025, duties, turpe_formula="CU4")


def rate(duty: str, applies_from: str, applies_to: str | None, value: str) -> DatedRate:
    return DatedRate(
        duty=duty,
        unit="",
        applies_from=dt.date.fromisoformat(applies_from),
        applies_to=dt.date.fromisoformat(applies_to) if applies_to else None,
        value=Decimal(value),
        source="a test",
    )


def test_a_day_of_change_is_one_on_which_a_value_differs_or_ends() -> None:
    rates = (
        rate("accise", "2025-01-01", "2025-05-31", "1"),
        rate("accise", "2025-06-01", "2025-06-30", "1.0"),  # set again at the same value
        rate("accise", "2025-07-01", "2025-07-31", "2"),
        rate("accise", "2025-09-01", "2025-12-31", "2"),  # after a month of which nothing is known
        rate("cta", "2025-03-01", None, "15"),  # the first one known, and no end
    )
    changes = [dt.date(2025, 7, 1), dt.date(2025, 8, 1), dt.date(2026, 1, 1)]
    for known in (rates, rates[::-1]):
        duties = Duties(known, ())
        assert list(duties.change_days()) == changes
        assert duties.latest_change(dt.date(2025, 6, 30)) is None
        assert duties.latest_change(dt.date(2025, 7, 31)) == changes[0]
        assert duties.latest_change(dt.date(2025, 8, 1)) == changes[1]


def test_the_shipped_duties_name_the_days_of_their_changes(duties: Duties) -> None:
    assert [str(day) for day in duties.change_days()][-6:] == [
        "2025-02-01",
        "2025-08-01",
        "2026-02-01",
        "2026-08-01",
        "2027-02-01",  # the accise ends
        "2027-08-01",  # the network's fixed parts end
    ]
    assert duties.latest_change(dt.date(2026, 11, 28)) == dt.date(2026, 8, 1)
    parts = Duties((), duties.turpe)
    assert [str(day) for day in parts.change_days()] == ["2026-08-01", "2027-08-01"]
