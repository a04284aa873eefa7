"""What an offer promises beside its prices, as its sources state it."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

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
