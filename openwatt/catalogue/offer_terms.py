"""The catalogue's table of what an offer promises beside its prices, each line with its sources."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal, get_args

from openwatt.catalogue import table

#: `regulated` set by public authorities; `fixed` for a term; `indexed` follows the regulated tariff;
#: `variable` may be changed by the supplier.
Pricing = Literal["regulated", "fixed", "indexed", "variable"]
#: What the customer has to be or do. `flat_rate`: the discount counts within a flat rate that is estimated.
Condition = Literal[
    "new_customers",
    "online",
    "paperless",
    "enedis_network",
    "electric_car",
    "flat_rate",
    "stay_12_months",
    "green_option",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTerms:
    """What the sources state of an offer; None and empty where they state nothing.

    `fixed_months` count from the subscription, `fixed_until` is a day for everybody;
    `page_url` is the supplier's own page of the offer, or its site.
    """

    supplier: str
    offer: str
    pricing: Pricing | None
    fixed_months: int | None
    fixed_until: dt.date | None
    green: bool | None
    green_percent: int | None
    conditions: tuple[Condition, ...]
    page_url: str | None
    sources: tuple[str, ...]
    note: str | None

    def __str__(self) -> str:
        return f"{self.supplier} {self.offer}"


def read_offer_terms(file: table.Table) -> tuple[OfferTerms, ...]:
    """Reads the terms of offers of a CSV file. Raises CatalogueError with every fault."""
    condition = table.one_of(get_args(Condition))
    columns = {
        "supplier": table.text,
        "offer": table.text,
        "pricing": table.optional(table.one_of(get_args(Pricing))),
        "fixed_months": table.optional(table.whole),
        "fixed_until": table.optional(table.day),
        "green": table.optional(table.flag),
        "green_percent": table.optional(table.whole),
        "conditions": lambda cell: tuple(condition(word) for word in cell.split()),
        "page_url": table.optional(table.web_address),
        "source": table.source_ids,
        "note": table.optional(table.text),
    }

    def build(cells: dict[str, Any]) -> OfferTerms:
        terms = OfferTerms(sources=cells.pop("source"), **cells)
        if (terms.fixed_months or terms.fixed_until) and terms.pricing != "fixed":
            raise ValueError("has a term of a fixed price, and is not fixed")
        if terms.green_percent is not None and not (terms.green and 0 < terms.green_percent <= 100):
            raise ValueError("has a green share, and is not green")
        return terms

    return table.read_table(file, columns, build, table.once(str))
