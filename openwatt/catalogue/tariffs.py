"""The CSV format of tariffs, shipped with the product or typed from a sheet."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, get_args

from openwatt.catalogue import table
from openwatt.domain.tariff import OPTIONS, Confidence, Tariff

CONFIDENCES: tuple[Confidence, ...] = get_args(Confidence)


@dataclass(frozen=True, slots=True)
class CatalogueTariff:
    """A tariff, the day by which it was known, and the ids of its documents (that of HT, then TTC).

    Of a secondary source: where the supplier's own sheet is, and how sure the figures are.
    """

    tariff: Tariff
    observed_on: dt.date
    sources: tuple[str, ...]
    sheet_url: str | None = None
    confidence: Confidence | None = None


def read_tariffs(file: table.Table) -> tuple[CatalogueTariff, ...]:
    """Reads the tariffs of a CSV file with the columns of `COLUMNS`, in its order.

    A file with secondary observations may have two more: `sheet_url` and `confidence`.

    Raises:
        CatalogueError: with every fault of every line, two lines that give one
            contract two prices on the same day included.
    """
    return table.read_table(file, COLUMNS, _tariff, _ONE_PRICE_A_DAY, _SECONDARY_COLUMNS)


def _prices(cell: str) -> Mapping[str, Decimal]:
    """Reads prices by register, such as `HP=0.1434 HC=0.1063`; an empty cell has none."""
    prices: dict[str, Decimal] = {}
    for word in cell.split():
        register, equals, price = word.partition("=")
        if not register or not equals:
            raise ValueError(f"{word!r} is not a register and its price such as HP=0.1434")
        if register in prices:
            raise ValueError(f"gives {register} twice")
        prices[register] = table.number(price)
    return prices


#: Column → how its cell is read. Subscriptions are in EUR per **year**, prices in EUR per kWh.
COLUMNS: Mapping[str, table.CellReader] = MappingProxyType(
    {
        "supplier": table.text,
        "offer": table.text,
        "option": table.one_of(OPTIONS),
        "power_kva": table.whole,
        "applies_from": table.day,
        "applies_to": table.optional(table.day),
        "closed_to_new_customers": table.flag,
        "subscription_eur_per_year_ht": table.optional(table.number),
        "subscription_eur_per_year_ttc": table.optional(table.number),
        "prices_eur_per_kwh_ht": _prices,
        "prices_eur_per_kwh_ttc": _prices,
        "observed_on": table.day,
        "source": table.source_ids,
        "note": table.optional(table.text),
    }
)
_SECONDARY_COLUMNS: Mapping[str, table.CellReader] = MappingProxyType(
    {
        "sheet_url": table.optional(table.web_address),
        "confidence": table.optional(table.one_of(CONFIDENCES)),
    }
)


def _tariff(cells: dict[str, Any]) -> CatalogueTariff:
    observed_on, sources = cells.pop("observed_on"), cells.pop("source")
    secondary = {name: cells.pop(name, None) for name in _SECONDARY_COLUMNS}
    for column in ("prices_eur_per_kwh_ht", "prices_eur_per_kwh_ttc"):
        cells[column] = _in_order(cells[column], OPTIONS[cells["option"]])
    return CatalogueTariff(Tariff(**cells), observed_on, sources, **secondary)


def _in_order(prices: Mapping[str, Decimal], registers: Sequence[str]) -> Mapping[str, Decimal]:
    """Sorts prices in the option's order; a register that it does not have stays last, to be refused."""
    known = {register: prices[register] for register in registers if register in prices}
    return MappingProxyType(known | dict(prices))


def _contract(line: CatalogueTariff) -> str:
    t = line.tariff
    return f"{t.supplier} {t.offer} {t.option} {t.power_kva} kVA"


_ONE_PRICE_A_DAY = table.one_value_a_day(
    _contract, lambda line: (line.tariff.applies_from, line.tariff.applies_to)
)
