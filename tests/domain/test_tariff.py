"""A tariff refuses to contradict itself; freshness says how old the last look is."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from openwatt.domain.errors import TariffError
from openwatt.domain.freshness import data_status
from openwatt.domain.guards import guard
from openwatt.domain.tariff import Tariff

TARIFF = Tariff(
    supplier="EDF",
    offer="Tarif Bleu",
    option="BASE",
    power_kva=6,
    applies_from=dt.date(2025, 8, 1),
    applies_to=dt.date(2026, 1, 31),
    subscription_eur_per_year_ht=Decimal("132.84"),
    subscription_eur_per_year_ttc=Decimal("185.64"),
    prices_eur_per_kwh_ht={"BASE": Decimal("0.1327")},
    prices_eur_per_kwh_ttc={"BASE": Decimal("0.1952")},
)


def test_every_contradiction_is_named() -> None:
    with pytest.raises(TariffError) as caught:
        replace(
            TARIFF,
            power_kva=0,
            applies_to=dt.date(2025, 7, 31),
            prices_eur_per_kwh_ht={"HP": Decimal("0.1")},
            prices_eur_per_kwh_ttc={"BASE": Decimal("NaN")},
            subscription_eur_per_year_ht=Decimal(-1),
        )
    assert len(caught.value.faults) == 5
    assert "EDF Tarif Bleu BASE 0 kVA" in str(caught.value)


def test_an_unknown_option_and_empty_sides_are_refused() -> None:
    with pytest.raises(TariffError, match="option 'SOLEIL' is none of BASE"):
        replace(TARIFF, option="SOLEIL")
    with pytest.raises(TariffError, match="no subscription, neither HT nor TTC"):
        replace(TARIFF, subscription_eur_per_year_ht=None, subscription_eur_per_year_ttc=None)
    with pytest.raises(TariffError, match="no price per kWh"):
        replace(TARIFF, prices_eur_per_kwh_ht={}, prices_eur_per_kwh_ttc={})


def test_both_ends_of_a_period_belong_to_it() -> None:
    days = [dt.date(2025, 7, 31), dt.date(2025, 8, 1), dt.date(2026, 1, 31), dt.date(2026, 2, 1)]
    assert [TARIFF.holds_on(day) for day in days] == [False, True, True, False]


def test_a_month_is_a_twelfth_rounded_half_up() -> None:
    assert TARIFF.subscription_eur_per_month_ttc == Decimal("15.47")
    odd = replace(TARIFF, subscription_eur_per_year_ttc=Decimal("0.06"))
    assert odd.subscription_eur_per_month_ttc == Decimal("0.01")


@pytest.mark.parametrize(
    ("days_since_seen", "status"),
    [(0, "fresh"), (7, "fresh"), (8, "verifying"), (13, "verifying"), (14, "stale")],
)
def test_a_tariff_in_force_ages_by_the_last_look(days_since_seen: int, status: str) -> None:
    now = dt.datetime(2025, 12, 1, 12, tzinfo=dt.UTC)
    seen = now - dt.timedelta(days=days_since_seen)
    assert data_status(TARIFF, on=now.date(), last_seen_at=seen, now=now, changes=()) == status


def test_what_is_over_can_no_longer_change_and_what_ended_before_the_day_is_stale() -> None:
    now, seen = dt.datetime(2026, 3, 1, tzinfo=dt.UTC), dt.datetime(2025, 8, 1, tzinfo=dt.UTC)
    assert data_status(TARIFF, on=dt.date(2026, 1, 31), last_seen_at=seen, now=now, changes=()) == "fresh"
    assert data_status(TARIFF, on=dt.date(2026, 2, 1), last_seen_at=now, now=now, changes=()) == "stale"


@pytest.mark.parametrize(
    ("price", "verdict"), [("0.2928", "ok"), ("0.2929", "alert"), ("0.0976", "ok"), ("0.0975", "alert")]
)
def test_a_guard_alerts_beyond_half_of_the_regulated_figure(price: str, verdict: str) -> None:
    offer = replace(TARIFF, prices_eur_per_kwh_ttc={"BASE": Decimal(price)})
    assert guard(offer, TARIFF).verdict == verdict


def test_nothing_in_common_cannot_be_compared() -> None:
    ht = replace(TARIFF, subscription_eur_per_year_ttc=None, prices_eur_per_kwh_ttc={})
    ttc = replace(TARIFF, subscription_eur_per_year_ht=None, prices_eur_per_kwh_ht={})
    assert guard(ht, ttc).verdict == "not_comparable"
    assert guard(ht, None).verdict == "not_comparable"
