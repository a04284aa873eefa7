import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import psycopg
import pytest

from openwatt.domain.tariff import Tariff
from openwatt.store.database import Database
from openwatt.store.tariffs import (
    Observation,
    SourceDocument,
    TariffFilter,
    publish,
    tariff_history,
    tariffs_on,
)

SHEET = SourceDocument(reference="sheet", kind="supplier", title="A sheet")
EVERYTHING = TariffFilter()


def observation(applies_from: str, price: str, seen_on: str) -> Observation:
    tariff = Tariff(
        supplier="Watt",
        offer="One",
        option="BASE",
        power_kva=6,
        applies_from=dt.date.fromisoformat(applies_from),
        applies_to=None,
        subscription_eur_per_year_ht=None,
        subscription_eur_per_year_ttc=Decimal(150),
        prices_eur_per_kwh_ht={},
        prices_eur_per_kwh_ttc={"BASE": Decimal(price)},
        closed_to_new_customers=False,
        note=None,
    )
    observed_at = dt.datetime.fromisoformat(f"{seen_on}T00:00:00+00:00")
    return Observation(
        tariff=tariff, observed_at=observed_at, document=SHEET, ht_document=None, reader="test"
    )


@pytest.fixture
def publish_in_turn(empty_url: str) -> Callable[..., None]:
    def run(*observations: Observation) -> None:
        for each in observations:
            with psycopg.connect(empty_url) as connection:
                assert publish(connection, [each]) == 1

    return run


@pytest.fixture
def store(empty_url: str, database: Callable[[str], Database]) -> Database:
    return database(empty_url)


def believed(store: Database, on: str, known_on: str) -> list[tuple[str, str, str | None]]:
    known_at = dt.datetime.fromisoformat(f"{known_on}T12:00:00+00:00")
    found = tariffs_on(store, EVERYTHING, on=dt.date.fromisoformat(on), known_at=known_at, limit=10)
    return [
        (
            str(each.tariff.applies_from),
            str(each.tariff.prices_eur_per_kwh_ttc["BASE"]),
            str(each.tariff.applies_to) if each.tariff.applies_to else None,
        )
        for each in found
    ]


def test_an_older_observation_published_late_counts_from_its_own_instant(
    store: Database, publish_in_turn: Callable[..., None]
) -> None:
    publish_in_turn(
        observation("2025-02-01", "0.20", "2025-03-01"),
        observation("2025-02-01", "0.21", "2025-02-10"),
    )
    assert believed(store, "2025-04-01", "2025-02-09") == []
    assert believed(store, "2025-04-01", "2025-02-20") == [("2025-02-01", "0.21", None)]
    assert believed(store, "2025-04-01", "2025-03-20") == [("2025-02-01", "0.20", None)]


def test_a_period_that_was_not_yet_known_ends_none(
    store: Database, publish_in_turn: Callable[..., None]
) -> None:
    publish_in_turn(
        observation("2025-02-01", "0.20", "2025-02-01"),
        observation("2025-08-01", "0.19", "2025-08-01"),
        observation("2025-05-01", "0.25", "2025-09-01"),
    )
    assert believed(store, "2025-07-01", "2025-07-01") == [("2025-02-01", "0.20", None)]
    assert believed(store, "2025-07-01", "2025-08-15") == [("2025-02-01", "0.20", "2025-07-31")]
    assert believed(store, "2025-07-01", "2025-09-15") == [("2025-05-01", "0.25", "2025-07-31")]


def test_a_period_observed_several_times_is_one_entry_of_the_history(
    store: Database, publish_in_turn: Callable[..., None]
) -> None:
    publish_in_turn(
        observation("2025-02-01", "0.20", "2025-03-01"),
        observation("2025-02-01", "0.21", "2025-02-10"),
        observation("2025-02-01", "0.22", "2025-04-01"),
        observation("2025-08-01", "0.19", "2025-08-01"),
    )
    found = tariff_history(
        store, EVERYTHING, since=dt.date(2025, 1, 1), until=dt.date(2025, 12, 31), limit=10
    )
    assert [each.tariff.prices_eur_per_kwh_ttc["BASE"] for each in found] == [
        Decimal("0.22"),
        Decimal("0.19"),
    ]
