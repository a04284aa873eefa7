"""An installation that loads a newer edition of the catalogue answers as a fresh one does."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import psycopg

from openwatt.catalogue.loader import load_catalogue
from openwatt.catalogue.shipped_facts import SHIPPED, loaded_files
from openwatt.store.database import Database
from openwatt.store.tariffs import PublishedTariff, TariffFilter, tariff_history, tariffs_on

OPEN_DATABASE = Callable[[str], Database]
#: The files of tariffs of the edition before the regulated tariff of 2026 was whole.
OLD_FILES = {"tariffs.csv", "tariffs_market_2025.csv"}
EVERYTHING = TariffFilter()
AUGUST_10 = dt.datetime(2026, 8, 10, 12, tzinfo=dt.UTC)
SEPTEMBER_10 = dt.datetime(2026, 9, 10, 12, tzinfo=dt.UTC)


def old_edition(folder: Path) -> Path:
    """The shipped files as they were before this year's regulated tariff was added."""
    for file in loaded_files():
        if file.name in OLD_FILES or not file.name.startswith("tariffs"):
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def answers(database: Database) -> dict[str, list[PublishedTariff]]:
    found = {
        f"on {on} as known at {known_at}": tariffs_on(
            database, EVERYTHING, on=on, known_at=known_at, limit=10_000
        )
        for on in (dt.date(2026, 3, 1), dt.date(2026, 8, 10), dt.date(2026, 10, 1))
        for known_at in (None, AUGUST_10, SEPTEMBER_10)
    }
    found["history"] = tariff_history(
        database, EVERYTHING, since=dt.date.min, until=dt.date.max, limit=100_000
    )
    assert all(found.values())
    return found


def regulated(tariffs: list[PublishedTariff]) -> list[PublishedTariff]:
    """What the market's offers of spring add to what was known then leaves the regulated tariff as it was."""
    return [tariff for tariff in tariffs if tariff.regulated]


def test_an_installation_of_the_old_edition_ends_with_the_answers_of_a_fresh_one(
    tmp_path: Path, empty_url: str, filled_url: str, database: OPEN_DATABASE
) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        load_catalogue(connection, old_edition(tmp_path))
        before = answers(database(empty_url))
        assert load_catalogue(connection, SHIPPED) >= 60
        assert load_catalogue(connection, SHIPPED) == 0
    after = answers(database(empty_url))
    assert after == answers(database(filled_url))
    for known_at in (AUGUST_10, SEPTEMBER_10):
        for on in (dt.date(2026, 3, 1), dt.date(2026, 8, 10), dt.date(2026, 10, 1)):
            question = f"on {on} as known at {known_at}"
            assert regulated(after[question]) == regulated(before[question]), question


def test_what_was_derived_or_partial_is_superseded_by_what_the_regulator_says(
    tmp_path: Path, empty_url: str, database: OPEN_DATABASE
) -> None:
    wanted = TariffFilter(supplier="EDF", offer="Tarif Bleu", option="BASE", power_kva=6)

    def seen(on: dt.date) -> PublishedTariff:
        (found,) = tariffs_on(database(empty_url), wanted, on=on, limit=2)
        return found

    february, october = dt.date(2026, 3, 1), dt.date(2026, 10, 1)
    with psycopg.connect(empty_url, autocommit=True) as connection:
        load_catalogue(connection, old_edition(tmp_path))
        assert seen(february).ht_reference == "catalogue:derived-ht-2026-02"
        assert seen(october).prices_eur_per_kwh_ht == {}
        load_catalogue(connection, SHIPPED)
    assert seen(february).ht_reference == seen(october).ht_reference == "catalogue:cre-open-data-base-2026"
    assert "derived" not in (seen(february).note or "")
    assert str(seen(october).prices_eur_per_kwh_ht["BASE"]) == "0.1361"
    assert str(seen(october).subscription_eur_per_year_ht) == "143.28"
