"""Two documents that say one regulated tariff: each keeps what only the other says, in any order."""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from openwatt.catalogue.references import known_references, shipped_references
from openwatt.catalogue.shipped_facts import shipped_tariffs
from openwatt.domain.doubts import References
from openwatt.domain.tariff import Tariff
from openwatt.ingest.inspection import Inspection, inspect_document
from openwatt.ingest.publication import make_document, publish_inspection
from openwatt.store.database import Database, bind_to_history
from openwatt.store.documents import store_content
from openwatt.store.tariffs import (
    PublishedTariff,
    TariffFilter,
    known_tariffs,
    regulated_history,
    tariffs_on,
)
from tests.ingest.conftest import SOURCES, START, Desk
from tests.ingest.drawn_sheets import simple_and_double, three_tables_in_cents

EDF, CRE = "edf_tarif_bleu", "cre_open_data_base"
DAY = dt.date(2025, 8, 1)
#: What the regulator published for that day: the catalogue's figures without taxes.
REGULATOR = [
    replace(line.tariff, subscription_eur_per_year_ttc=None, prices_eur_per_kwh_ttc={}, applies_to=None)
    for line in shipped_tariffs()
    if (line.tariff.offer, line.tariff.applies_from) == ("Tarif Bleu", DAY)
]


def open_data() -> bytes:
    """The regulator's file of Base prices."""
    rows = [
        f"01/08/2025;;{one.power_kva};{one.subscription_eur_per_year_ht};{one.prices_eur_per_kwh_ht['BASE']}"
        for one in REGULATOR
        if one.option == "BASE" and one.power_kva <= 15
    ]
    assert len(rows) == 5
    return "\r\n".join(
        [
            "DATE_DEBUT;DATE_FIN;P_SOUSCRITE;PART_FIXE_HT;PART_VARIABLE_HT",
            *(row.replace(".", ",") for row in rows),
        ]
    ).encode()


SHEETS = {EDF: three_tables_in_cents().pdf, CRE: open_data()}
REFERENCES = shipped_references()


def inspected(source: str, content: bytes, references: References = REFERENCES) -> Inspection:
    found = inspect_document(content, SOURCES, references, on=START.date(), name=source)
    assert found.outcome == "published", found.doubts
    return found


READ = {source: inspected(source, content) for source, content in SHEETS.items()}
BASE_6 = ("BASE", 6)


class History:
    """A database in which nothing was known, and what is published to it day by day."""

    def __init__(self, connection: psycopg.Connection[Any], database: Database) -> None:
        self.connection = connection
        self.database = database
        self.day = START

    def publish(self, source: str, inspection: Inspection, content: bytes) -> int:
        self.day += dt.timedelta(days=1)
        document = make_document(SOURCES[source], content, url=None)
        with self.connection.transaction():
            store_content(self.connection, document)
            return publish_inspection(
                self.connection, SOURCES[source], inspection, document=document, observed_at=self.day
            )

    def see(self, source: str, *, stamp: int = 0) -> int:
        """Publishes the drawn sheet of a source, as the download of one day."""
        return self.publish(source, READ[source], SHEETS[source] + b"\r\n" * stamp)

    def now(self) -> dict[tuple[str, int], PublishedTariff]:
        found = tariffs_on(self.database, TariffFilter(), on=START.date(), limit=1000)
        return {(one.tariff.option, one.tariff.power_kva): one for one in found}


@pytest.fixture
def history(empty_url: str, database: Callable[[str], Database]) -> Iterator[History]:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        bind_to_history(connection, 60)
        yield History(connection, database(empty_url))


def sha256(source: str, *, stamp: int = 0) -> str:
    return hashlib.sha256(SHEETS[source] + b"\r\n" * stamp).hexdigest()


@pytest.mark.parametrize("first", SHEETS)
def test_both_sides_are_kept_whichever_document_comes_first(history: History, first: str) -> None:
    (second,) = set(SHEETS) - {first}
    assert history.see(first) > 0
    merged = history.see(second)
    assert merged > 0
    one = history.now()[BASE_6]
    assert one.tariff.prices_eur_per_kwh_ttc == {"BASE": Decimal("0.1952")}
    assert one.tariff.prices_eur_per_kwh_ht == {"BASE": Decimal("0.1327")}
    assert one.tariff.subscription_eur_per_year_ttc == Decimal("185.64")
    assert one.tariff.subscription_eur_per_year_ht is not None
    assert one.document.sha256 == sha256(EDF)
    assert one.ht_document is not None
    assert one.ht_document.sha256 == sha256(CRE)
    # Who may still sign is said by the supplier's sheet alone.
    assert history.now()["BASE", 36].tariff.closed_to_new_customers


@pytest.mark.parametrize("first", SHEETS)
def test_the_documents_never_take_turns(history: History, first: str) -> None:
    (second,) = set(SHEETS) - {first}
    for source in (first, second):
        history.see(source)
    known = {key: one.tariff for key, one in history.now().items()}
    for day in (1, 2, 3):
        assert [history.see(source, stamp=day) for source in (first, second)] == [0, 0]
    assert {key: one.tariff for key, one in history.now().items()} == known


def test_two_documents_read_at_the_same_moment_are_merged_one_after_the_other(
    history: History, empty_url: str
) -> None:
    history.see(EDF)
    with psycopg.connect(empty_url) as other:
        known_tariffs(other, "EDF", ["Tarif Bleu"])
        history.connection.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            history.see(CRE)
        other.rollback()
        assert history.see(CRE) > 0


def changed(inspection: Inspection, change: Callable[[Tariff], Tariff]) -> Inspection:
    """The same reading with other figures."""

    class Changed(Inspection):
        def tariffs(self) -> list[Tariff]:
            return [change(tariff) for tariff in inspection.tariffs()]

    return Changed(source=inspection.source, outcome=inspection.outcome, reading=inspection.reading)


def test_a_corrected_side_keeps_the_other_and_the_document_that_confirmed_it_last(history: History) -> None:
    for source in SHEETS:
        history.see(source)
    history.see(EDF, stamp=1)

    def dearer(tariff: Tariff) -> Tariff:
        prices = {name: price + Decimal("0.0001") for name, price in tariff.prices_eur_per_kwh_ht.items()}
        return replace(tariff, prices_eur_per_kwh_ht=prices, applies_to=dt.date(2026, 1, 31))

    corrected = changed(READ[CRE], dearer)
    assert history.publish(CRE, corrected, SHEETS[CRE] + b" ") > 0
    one = history.now()[BASE_6]
    assert one.tariff.prices_eur_per_kwh_ht == {"BASE": Decimal("0.1328")}
    assert one.tariff.prices_eur_per_kwh_ttc == {"BASE": Decimal("0.1952")}
    assert one.document.sha256 == sha256(EDF, stamp=1)
    assert one.tariff.applies_to == dt.date(2026, 1, 31)
    assert history.see(EDF, stamp=2) == 0, "the sheet knows of no end, the regulator does"


def test_a_new_grid_of_the_regulator_is_what_later_sheets_are_held_against(desk: Desk) -> None:
    """The prices of August 2025 are unknown here; HT alone says what EDF and the market must print."""
    before = dt.date(2025, 7, 31)
    past = [
        replace(tariff, applies_to=min(tariff.applies_to or before, before))
        for tariff in regulated_history(desk.connection)
        if tariff.applies_from <= before
    ]
    assert len(past) > 100
    without = known_references(past)
    sheet = inspect_document(
        SHEETS[EDF],
        SOURCES,
        without,
        on=START.date(),
        name=EDF,
    )
    assert {doubt.rule for doubt in sheet.doubts} == {"regulated-unknown"}
    known = known_references([*past, *REGULATOR])
    assert inspected(EDF, SHEETS[EDF], known).doubts == ()
    assert inspected("yeli_verte", simple_and_double().pdf, known).doubts == ()
