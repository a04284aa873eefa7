"""Suppliers and their offers in the database."""

from dataclasses import dataclass

from openwatt.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSupplier:
    """A supplier with the number of its offers and contracts."""

    name: str
    offers: int
    contracts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOffer:
    """An offer with the options and subscribed powers (kVA) under which it is sold."""

    supplier: str
    name: str
    regulated: bool
    url: str | None
    options: list[str]
    powers_kva: list[int]


def stored_suppliers(database: Database) -> list[StoredSupplier]:
    """Every supplier, by name."""
    return database.read("offers/suppliers", {}, StoredSupplier)


def stored_offers(database: Database, supplier: str | None) -> list[StoredOffer]:
    """Every offer, or those of one supplier (in any case of letters), by supplier and name."""
    return database.read("offers/offers", {"supplier": supplier}, StoredOffer)
