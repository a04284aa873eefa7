"""The catalogue's table of what an offer promises beside its prices, each line with its sources."""

from typing import Any, get_args

from openwatt.catalogue import table
from openwatt.domain.offer_terms import Condition, OfferTerms, Pricing


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
