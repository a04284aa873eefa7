"""The history is insert-only, keeps two times, and is published only where it changed."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from openwatt.catalogue.loader import load_catalogue
from openwatt.domain.tariff import Tariff
from openwatt.store.database import Database
from openwatt.store.documents import documents_seen
from openwatt.store.errors import CorrectionError
from openwatt.store.export import export_rows
from openwatt.store.tariffs import (
    Observation,
    SourceDocument,
    TariffFilter,
    publish,
    record_sighting,
    tariff_history,
    tariffs_on,
)

HISTORY = (
    "suppliers",
    "offers",
    "contracts",
    "documents",
    "runs",
    "sightings",
    "tariffs",
    "tempo_days",
    "catalogue_editions",
    "reviews",
    "address_overrides",
    "confirmations",
)
#: What is overwritten: the schema's own number, a cache's key, and whose turn it is to ask a host.
NOT_HISTORY = ("schema_migrations", "data_version", "fetch_turns")
SHEET = SourceDocument(
    reference="sha256:1",
    kind="supplier",
    title="a sheet",
    url="https://example.org/sheet.pdf",
    sha256="a" * 64,
)
TARIFF = Tariff(
    supplier="Lumière",
    offer="Fixe",
    option="HPHC",
    power_kva=6,
    applies_from=dt.date(2025, 2, 1),
    applies_to=None,
    subscription_eur_per_year_ht=Decimal("140.00"),
    subscription_eur_per_year_ttc=None,
    prices_eur_per_kwh_ht={"HP": Decimal("0.1500"), "HC": Decimal("0.1100")},
    prices_eur_per_kwh_ttc={},
)


def at(month: int, day: int = 1) -> dt.datetime:
    return dt.datetime(2025, month, day, tzinfo=dt.UTC)


def observed(tariff: Tariff, observed_at: dt.datetime) -> Observation:
    return Observation(tariff, observed_at, SHEET, None, "test")


def dearer(tariff: Tariff, hp: str, applies_from: dt.date | None = None) -> Tariff:
    prices = {"HP": Decimal(hp), "HC": tariff.prices_eur_per_kwh_ht["HC"]}
    return replace(tariff, prices_eur_per_kwh_ht=prices, applies_from=applies_from or tariff.applies_from)


def test_no_row_of_the_history_can_be_changed_or_removed(filled_url: str) -> None:
    with psycopg.connect(filled_url, autocommit=True) as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'public' "
            "and table_type = 'BASE TABLE'"
        ).fetchall()
        assert {name for (name,) in tables} == {*HISTORY, *NOT_HISTORY}
        for table in HISTORY:
            column = connection.execute(
                "select column_name from information_schema.columns where table_name = %s "
                "and is_identity = 'NO' order by ordinal_position limit 1",
                [table],
            ).fetchone()
            assert column
            for change in (
                f"update {table} set {column[0]} = {column[0]}",
                f"delete from {table}",
                f"truncate {table} cascade",
            ):
                with pytest.raises(psycopg.errors.RestrictViolation, match="insert-only"):
                    connection.execute(change.encode())


def test_the_services_role_writes_the_history_and_fetch_turns_alone(filled_url: str) -> None:
    with psycopg.connect(filled_url, autocommit=True) as connection:
        rights = connection.execute(
            "select relname, has_table_privilege('openwatt_writer', oid, 'select'), "
            "has_table_privilege('openwatt_writer', oid, 'insert'), "
            "has_table_privilege('openwatt_writer', oid, 'update, delete, truncate') "
            "from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        ).fetchall()
        assert {table for table, _, _, _ in rights} == {*HISTORY, *NOT_HISTORY}
        assert {table for table, reads, _, _ in rights if not reads} == set()
        assert {table for table, _, adds, _ in rights if adds} == {*HISTORY, "fetch_turns"}
        assert {table for table, _, _, changes in rights if changes} == {"fetch_turns"}
        connection.execute("set role openwatt_writer")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("insert into schema_migrations (number, name) values (9999, 'later')")


def test_the_service_works_as_a_role_that_cannot_change_anything(
    filled_url: str, database: Callable[[str], Database]
) -> None:
    opened = database(filled_url)
    opened.read_number("database/data_version")
    with opened._pool().connection() as connection:  # noqa: SLF001 - the test looks at what the pool configures
        assert connection.execute("select current_user").fetchone() == ("openwatt_writer",)
        for change in (
            "update tariffs set note = 'x'",
            "delete from tempo_days",
            "update data_version set version = 0",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(change.encode())


def test_publishing_twice_adds_nothing(empty_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        counts = []
        for observed_at in (at(2), at(2), at(3)):
            with connection.transaction():
                counts.append(publish(connection, [observed(TARIFF, observed_at)]))
    assert counts == [1, 0, 0]


def test_one_transaction_may_publish_twice(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        later = dearer(TARIFF, "0.1700", dt.date(2025, 8, 1))
        assert [publish(connection, [observed(tariff, at(2))]) for tariff in (TARIFF, later)] == [1, 1]


def test_a_correction_is_a_new_row_and_both_beliefs_can_be_asked(
    empty_url: str, database: Callable[[str], Database]
) -> None:
    for tariff, observed_at in ((TARIFF, at(2)), (dearer(TARIFF, "0.1600"), at(4))):
        with psycopg.connect(empty_url) as connection:
            publish(connection, [observed(tariff, observed_at)])
    opened, wanted, on = database(empty_url), TariffFilter(supplier="Lumière"), dt.date(2025, 5, 1)

    def believed(known_at: dt.datetime | None) -> list[Decimal]:
        found = tariffs_on(opened, wanted, on=on, known_at=known_at, limit=10)
        return [published.tariff.prices_eur_per_kwh_ht["HP"] for published in found]

    assert believed(None) == [Decimal("0.1600")]
    assert believed(at(3)) == [Decimal("0.1500")]
    assert believed(at(1)) == []


def test_the_same_instant_cannot_say_two_things(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        publish(connection, [observed(TARIFF, at(2))])
    with psycopg.connect(empty_url) as connection, pytest.raises(CorrectionError, match="newer observed_at"):
        publish(connection, [observed(dearer(TARIFF, "0.1600"), at(2))])


def test_a_following_tariff_ends_the_one_before_it(
    empty_url: str, database: Callable[[str], Database]
) -> None:
    with psycopg.connect(empty_url) as connection:
        later = dearer(TARIFF, "0.1700", dt.date(2025, 8, 1))
        publish(connection, [observed(TARIFF, at(2)), observed(later, at(7, 4))])
    opened, wanted = database(empty_url), TariffFilter()
    (june,) = tariffs_on(opened, wanted, on=dt.date(2025, 6, 1), limit=10)
    (before,) = tariffs_on(opened, wanted, on=dt.date(2025, 6, 1), known_at=at(7, 3), limit=10)
    (last_day,) = tariffs_on(opened, wanted, on=dt.date(2025, 7, 31), limit=10)
    (first_day,) = tariffs_on(opened, wanted, on=dt.date(2025, 8, 1), limit=10)
    assert june.tariff.applies_to == dt.date(2025, 7, 31)
    assert before.tariff.applies_to is None  # the next price was not published yet
    assert last_day.tariff == june.tariff
    assert first_day.tariff.prices_eur_per_kwh_ht["HP"] == Decimal("0.1700")
    history = tariff_history(opened, wanted, since=dt.date(2025, 7, 31), until=dt.date(2025, 8, 1), limit=10)
    assert [published.tariff for published in history] == [last_day.tariff, first_day.tariff]


def test_digits_survive_the_database(empty_url: str, database: Callable[[str], Database]) -> None:
    odd = replace(
        TARIFF,
        subscription_eur_per_year_ht=Decimal("140.10"),
        prices_eur_per_kwh_ht={"HP": Decimal("0.15000"), "HC": Decimal("0.110000000000000000001")},
    )
    with psycopg.connect(empty_url) as connection:
        publish(connection, [observed(odd, at(2))])
    (found,) = tariffs_on(database(empty_url), TariffFilter(), on=dt.date(2025, 6, 1), limit=10)
    assert str(found.tariff.subscription_eur_per_year_ht) == "140.10"
    assert {r: str(p) for r, p in found.tariff.prices_eur_per_kwh_ht.items()} == {
        "HP": "0.15000",
        "HC": "0.110000000000000000001",
    }


def test_a_look_at_the_source_makes_a_tariff_fresher(
    empty_url: str, database: Callable[[str], Database]
) -> None:
    with psycopg.connect(empty_url) as connection:
        publish(connection, [observed(TARIFF, at(2))])
        record_sighting(connection, SHEET.reference, at(6))
        record_sighting(connection, SHEET.reference, at(5))
    (found,) = tariffs_on(database(empty_url), TariffFilter(), on=dt.date(2025, 6, 1), limit=10)
    assert (found.observed_at, found.last_seen_at) == (at(2), at(6))


def test_every_publication_moves_the_data_version(
    empty_url: str, database: Callable[[str], Database]
) -> None:
    opened = database(empty_url)
    before = opened.read_number("database/data_version")
    with psycopg.connect(empty_url) as connection:
        publish(connection, [observed(TARIFF, at(2))])
    assert opened.read_number("database/data_version") > before


def test_the_catalogue_is_loaded_once_for_each_edition(empty_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        first, second = load_catalogue(connection), load_catalogue(connection)
        with connection.transaction():
            connection.execute("alter table catalogue_editions disable trigger user")
            connection.execute("delete from catalogue_editions")
        third = load_catalogue(connection)  # another edition that says the same
    assert first > 5000
    assert (second, third) == (0, 0)


@pytest.mark.parametrize(
    "row",
    [
        {"prices_eur_per_kwh_ht": '{"HP": -0.1}'},
        {"prices_eur_per_kwh_ht": '{"HP": "0.1"}'},
        {"prices_eur_per_kwh_ht": "{}"},
        {"subscription_eur_per_year_ht": None},
        {"subscription_eur_per_year_ht": -1},
        {"applies_to": dt.date(2025, 1, 1)},
    ],
)
def test_the_database_refuses_a_tariff_that_makes_no_sense(empty_url: str, row: dict[str, object]) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        with connection.transaction():
            publish(connection, [observed(TARIFF, at(2))])
        values = {
            "applies_to": None,
            "subscription_eur_per_year_ht": 140,
            "prices_eur_per_kwh_ht": '{"HP": 0.1, "HC": 0.1}',
        } | row
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(
                "insert into tariffs (contract_id, applies_from, applies_to, observed_at, document_id, "
                "reader, subscription_eur_per_year_ht, prices_eur_per_kwh_ht) "
                "select 1, '2025-02-01', %(applies_to)s, now(), 1, 'test', "
                "%(subscription_eur_per_year_ht)s, %(prices_eur_per_kwh_ht)s",
                values,
            )


def test_the_suppliers_own_word_replaces_the_same_word_of_a_secondary_source(
    empty_url: str, database: Callable[[str], Database]
) -> None:
    secondary = SourceDocument(reference="repository", kind="secondary", title="a public repository")
    sheet_url = "https://example.org/sheet.pdf"
    repeated = Observation(TARIFF, at(2), secondary, None, "test", sheet_url=sheet_url, confidence="medium")
    sourced = []
    with psycopg.connect(empty_url, autocommit=True) as connection:
        for observation, published in (
            (repeated, 1),
            (repeated._replace(observed_at=at(3)), 0),
            (observed(TARIFF, at(4)), 1),
            (repeated._replace(observed_at=at(5)), 0),
            (observed(TARIFF, at(6)), 0),
        ):
            with connection.transaction():
                assert publish(connection, [observation]) == published
            (found,) = tariffs_on(database(empty_url), TariffFilter(), on=dt.date(2025, 7, 1), limit=10)
            sourced.append((found.kind, found.sheet_url, found.confidence))
    assert sourced == [("secondary", sheet_url, "medium")] * 2 + [("supplier", None, None)] * 3


def test_a_secondary_side_without_taxes_gives_way_to_the_regulators(
    empty_url: str, database: Callable[[str], Database]
) -> None:
    derived = SourceDocument(reference="derived", kind="secondary", title="our own computation")
    regulator = SourceDocument(reference="cre", kind="regulator", title="open data")
    both = replace(TARIFF, prices_eur_per_kwh_ttc={"HP": Decimal("0.21"), "HC": Decimal("0.16")})
    with psycopg.connect(empty_url, autocommit=True) as connection:
        for month, ht_document, published in ((2, derived, 1), (3, regulator, 1), (4, regulator, 0)):
            with connection.transaction():
                one = Observation(both, at(month), SHEET, ht_document, "test")
                assert publish(connection, [one]) == published
    (found,) = tariffs_on(database(empty_url), TariffFilter(), on=dt.date(2025, 7, 1), limit=10)
    assert (found.kind, found.ht_kind) == ("supplier", "regulator")


def test_a_document_keeps_fresh_what_it_still_says_and_nothing_else(
    empty_url: str, database: Callable[[str], Database]
) -> None:
    both = [TARIFF, replace(TARIFF, power_kva=9)]
    later = SourceDocument(reference="sha256:2", kind="supplier", title="the next download of the sheet")
    with psycopg.connect(empty_url, autocommit=True) as connection:
        with connection.transaction():
            publish(connection, [observed(tariff, at(2)) for tariff in both])
        record_sighting(connection, SHEET.reference, at(2))
        for month in (3, 4):
            again = observed(TARIFF, at(month))._replace(document=later)
            with connection.transaction():
                assert publish(connection, [again]) == 0
            record_sighting(connection, later.reference, at(month))
        (confirmations,) = connection.execute("select count(*) from confirmations").fetchone() or (0,)
    assert confirmations == 1

    def seen(known_at: dt.datetime | None = None) -> dict[int, dt.datetime]:
        found = tariffs_on(
            database(empty_url), TariffFilter(), on=dt.date(2025, 5, 1), known_at=known_at, limit=10
        )
        return {one.tariff.power_kva: one.last_seen_at for one in found}

    assert seen() == {6: at(4), 9: at(2)}
    assert seen(at(3, 15)) == {6: at(3), 9: at(2)}
    assert seen(at(2, 15)) == {6: at(2), 9: at(2)}
    history = tariff_history(
        database(empty_url), TariffFilter(), since=dt.date(2025, 1, 1), until=dt.date(2025, 5, 1), limit=10
    )
    assert {one.tariff.power_kva: one.last_seen_at for one in history} == {6: at(4), 9: at(2)}
    shown = {one.title: (one.tariffs, one.last_seen_at) for one in documents_seen(database(empty_url))}
    assert shown == {SHEET.title: (1, at(2)), later.title: (1, at(4))}
    with psycopg.connect(empty_url) as connection:
        exported = {row.tariff.power_kva: row.last_seen_at for row in export_rows(connection)}
    assert exported == {6: at(4), 9: at(2)}
