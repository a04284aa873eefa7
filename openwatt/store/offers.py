"""Suppliers and their offers in the database."""

from dataclasses import dataclass

from openwatt.domain.tariff import NoPrice
from openwatt.store.database import Connection, Database
from openwatt.store.sql import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSupplier:
    """A supplier with the number of its offers and contracts."""

    name: str
    offers: int
    contracts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOffer:
    """An offer with the options and subscribed powers (kVA) under which it is sold.

    One of which no price is known has none of either; `no_price` says why.
    """

    supplier: str
    name: str
    regulated: bool
    url: str | None
    options: list[str]
    powers_kva: list[int]
    no_price: NoPrice | None


def stored_suppliers(database: Database) -> list[StoredSupplier]:
    """Every supplier, by name."""
    return database.read("offers/suppliers", {}, StoredSupplier)


def stored_offers(database: Database, supplier: str | None) -> list[StoredOffer]:
    """Every offer, or those of one supplier (in any case of letters), by supplier and name."""
    return database.read("offers/offers", {"supplier": supplier}, StoredOffer)


def add_offer_without_price(
    connection: Connection, supplier: str, offer: str, url: str | None, no_price: NoPrice
) -> int:
    """Adds an offer of which no price is known, inside the caller's transaction; 0 when it is there."""
    parameters = {"supplier": supplier, "offer": offer, "url": url, "no_price": no_price}
    return connection.execute(statement("offers/insert_without_price"), parameters).rowcount
