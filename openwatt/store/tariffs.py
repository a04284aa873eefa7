"""Tariffs in the database: read as of a day and as known at an instant, published only when they changed."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import kwargs_row

from openwatt.domain.tariff import OPTIONS, Tariff
from openwatt.store.database import Database
from openwatt.store.errors import CorrectionError
from openwatt.store.sql import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A source document of figures. `reference` is its identity: a hash, or a name in the catalogue."""

    reference: str
    title: str
    url: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTariff:
    """A tariff as the database holds it: with where it comes from and when it was seen.

    `document` is the one of the prices with all taxes; `ht_document` is set where
    the prices without taxes come from another one.
    """

    tariff: Tariff
    regulated: bool
    observed_at: dt.datetime
    last_seen_at: dt.datetime
    reader: str
    document: Document
    ht_document: Document | None


#: Far more periods than the regulated tariff will have in a lifetime.
_MOST_REGULATED = 100_000
_TARIFF_COLUMNS = tuple(f.name for f in fields(Tariff))
_DOCUMENT_COLUMNS = tuple(f.name for f in fields(Document))


class TariffFilter(NamedTuple):
    """Which contracts are read; None selects all. Supplier and offer match in any case of letters."""

    supplier: str | None = None
    offer: str | None = None
    option: str | None = None
    power_kva: int | None = None
    regulated: bool | None = None


class Cursor(NamedTuple):
    """The position in a list of tariffs: the sort key of a page's last row."""

    regulated: bool
    supplier: str
    offer: str
    option: str
    power_kva: int
    applies_from: dt.date | None = None


def cursor_after(published: PublishedTariff, *, in_history: bool = False) -> Cursor:
    """The cursor after which the next page of a list, or of a history, begins."""
    tariff = published.tariff
    return Cursor(
        published.regulated,
        tariff.supplier,
        tariff.offer,
        tariff.option,
        tariff.power_kva,
        tariff.applies_from if in_history else None,
    )


def tariffs_on(
    database: Database,
    wanted: TariffFilter,
    *,
    on: dt.date,
    known_at: dt.datetime | None = None,
    after: Cursor | None = None,
    limit: int,
) -> list[PublishedTariff]:
    """The tariff of each contract on a day, regulated offers first, at most `limit`.

    `known_at` selects what was known at that instant. A contract whose last known
    tariff ended before `on` is included with that tariff: its `applies_to` says so.
    """
    parameters = _parameters(wanted, after, limit) | {"on": on, "known_at": known_at or "infinity"}
    return database.read("tariffs/on_day", parameters, published_row)


def tariff_history(
    database: Database,
    wanted: TariffFilter,
    *,
    since: dt.date,
    until: dt.date,
    after: Cursor | None = None,
    limit: int,
) -> list[PublishedTariff]:
    """Every tariff that was in force on a day from `since` to `until`, both included, at most `limit`."""
    parameters = _parameters(wanted, after, limit) | {"since": since, "until": until}
    return database.read("tariffs/history", parameters, published_row)


def _parameters(wanted: TariffFilter, after: Cursor | None, limit: int) -> dict[str, object]:
    cursor = after._asdict() if after else dict.fromkeys(Cursor._fields)
    return wanted._asdict() | {f"after_{name}": value for name, value in cursor.items()} | {"limit": limit}


def _in_order(option: str, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Prices in the order of the option's registers; jsonb keeps them in its own."""
    return {register: prices[register] for register in OPTIONS.get(option, prices) if register in prices}


def published_row(**row: Any) -> PublishedTariff:
    """A row of `tariffs/on_day`, `tariffs/history` or `tariffs/export`, its columns as keywords."""
    values = {name: row[name] for name in _TARIFF_COLUMNS}
    for prices in ("prices_eur_per_kwh_ht", "prices_eur_per_kwh_ttc"):
        values[prices] = _in_order(row["option"], row[prices])
    ht_document = None
    if row["ht_reference"]:
        ht_document = Document(**{name: row[f"ht_{name}"] for name in _DOCUMENT_COLUMNS})
    return PublishedTariff(
        tariff=Tariff(**values),
        regulated=row["regulated"],
        observed_at=row["observed_at"].astimezone(dt.UTC),
        last_seen_at=(row["last_seen_at"] or row["observed_at"]).astimezone(dt.UTC),
        reader=row["reader"],
        document=Document(**{name: row[name] for name in _DOCUMENT_COLUMNS}),
        ht_document=ht_document,
    )


class Observation(NamedTuple):
    """A tariff as it was read from a document: what `publish` adds."""

    tariff: Tariff
    observed_at: dt.datetime
    document: Document
    ht_document: Document | None
    reader: str
    regulated: bool = False
    offer_url: str | None = None


def publish(connection: psycopg.Connection[Any], observations: Iterable[Observation]) -> int:
    """Adds what changed, inside the caller's transaction, and returns how many tariffs that was.

    An observation that says what the newest earlier one of the same contract and
    `applies_from` already says is left out, so publishing twice adds nothing. If it
    comes from another document, that one confirms the stored tariff: it is then as fresh
    as either.

    Raises:
        CorrectionError: when the same instant of observation already holds other figures.
    """
    connection.execute(statement("tariffs/create_incoming"))
    documents: dict[str, Document] = {}
    with connection.cursor().copy(statement("tariffs/copy_incoming")) as copy:
        for tariff, observed_at, document, ht_document, reader, regulated, offer_url in observations:
            documents[document.reference] = document
            if ht_document:
                documents[ht_document.reference] = ht_document
            copy.write_row(
                (
                    tariff.supplier,
                    tariff.offer,
                    tariff.option,
                    tariff.power_kva,
                    tariff.applies_from,
                    tariff.applies_to,
                    observed_at,
                    tariff.subscription_eur_per_year_ht,
                    tariff.subscription_eur_per_year_ttc,
                    _json(tariff.prices_eur_per_kwh_ht),
                    _json(tariff.prices_eur_per_kwh_ttc),
                    tariff.closed_to_new_customers,
                    tariff.note,
                    document.reference,
                    ht_document.reference if ht_document else None,
                    reader,
                    regulated,
                    offer_url,
                )
            )
    store_documents(connection, documents.values())
    for name in ("tariffs/publish_suppliers", "tariffs/publish_offers", "tariffs/publish_contracts"):
        connection.execute(statement(name))
    try:
        published = connection.execute(statement("tariffs/publish")).rowcount
    except psycopg.errors.UniqueViolation as error:
        raise CorrectionError(
            "another figure is already kept for this contract, day and instant of observation "
            f"({error.diag.message_detail}): a correction needs a newer observed_at"
        ) from error
    connection.execute(statement("tariffs/confirm"))
    connection.execute(statement("tariffs/drop_incoming"))
    return published


def store_documents(connection: psycopg.Connection[Any], documents: Iterable[Document]) -> None:
    """Stores each document once, by its reference."""
    with connection.cursor() as cursor:
        cursor.executemany(statement("documents/insert"), [asdict(document) for document in documents])


def record_sighting(
    connection: psycopg.Connection[Any], reference: str, seen_at: dt.datetime, run_id: int | None = None
) -> None:
    """Records that a stored document was found again at its address, by a run if one is given."""
    parameters = {"reference": reference, "seen_at": seen_at, "run_id": run_id}
    connection.execute(statement("documents/record_sighting"), parameters)


def regulated_history(connection: psycopg.Connection[Any]) -> list[Tariff]:
    """Every regulated tariff as it is known now, each period ending where the next begins."""
    wanted = TariffFilter(regulated=True)
    parameters = _parameters(wanted, None, _MOST_REGULATED) | {"since": dt.date.min, "until": dt.date.max}
    with connection.cursor(row_factory=kwargs_row(published_row)) as cursor:
        rows = cursor.execute(statement("tariffs/history"), parameters).fetchall()
    return [row.tariff for row in rows]


def known_tariffs(
    connection: psycopg.Connection[Any], supplier: str, offers: Iterable[str]
) -> list[PublishedTariff]:
    """Every period of some offers as it was last observed, with the end that was read of it.

    A process that merges with what is known waits here for another that does, until the
    other's transaction ends: two documents of one tariff may be read at the same moment.
    """
    connection.execute(statement("tariffs/lock_supplier"), {"supplier": supplier})
    with connection.cursor(row_factory=kwargs_row(published_row)) as cursor:
        parameters = {"supplier": supplier, "offers": list(offers)}
        return cursor.execute(statement("tariffs/known"), parameters).fetchall()


def _json(prices: Mapping[str, Decimal]) -> str:
    """Prices as a JSON object whose numbers keep every digit, which `json.dumps` cannot do."""
    return "{" + ", ".join(f'"{register}": {price}' for register, price in prices.items()) + "}"
