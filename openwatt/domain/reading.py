"""The reading of a document: lines, perhaps incomplete, each figure with its place on the page."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from openwatt.domain.tariff import OPTIONS, Tariff

Tax = Literal["HT", "TTC"]

#: Both tax sides, in the order in which sheets print them.
SIDES: tuple[Tax, ...] = ("HT", "TTC")

#: The largest document that is fetched, taken from a request or read; the largest real one has 1 MB.
MAX_DOCUMENT_BYTES = 25 * 1024 * 1024

#: The name of the subscription among the meanings of a line's figures; the others are registers.
SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedDay:
    """A day as a sheet prints it; with the precision "month" it is the first of that month."""

    day: dt.date
    precision: Literal["day", "month"]
    printed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """An amount in the field's units (EUR per year or per kWh) and the words it was read from.

    `box` is left, top, right and bottom on the page in whole points, from the top
    left corner; `page` counts from 1; both are None for a document without pages.
    A composed amount has `parts` and stands where its first does. `step` is the
    last printed decimal in the field's units: what rounding may hide.
    """

    amount: Decimal
    printed: str
    step: Decimal
    page: int | None = None
    box: tuple[int, int, int, int] | None = None
    parts: tuple["Figure", ...] = ()

    @property
    def where(self) -> str:
        """The place in a few words, for a person who looks at the sheet."""
        return f"page {self.page}, « {self.printed} »" if self.page else f"« {self.printed} »"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a grid as read: an offer, an option, a power, and what was found of its figures.

    `figures` maps a meaning (`subscription` or a register of the option) and a
    tax side to a figure. `decoys` holds what the sheet prints beside them about
    another tariff (the regulated one), which must never be published as the offer's.
    `sums` holds amounts with taxes that the document computes itself and that are not
    what is billed: they are checked, and never published.
    """

    supplier: str
    offer: str
    option: str
    power_kva: int
    figures: Mapping[tuple[str, Tax], Figure]
    decoys: Mapping[tuple[str, Tax], Figure] = field(default_factory=dict)
    sums: Mapping[tuple[str, Tax], Figure] = field(default_factory=dict)
    applies_from: PrintedDay | None = None
    applies_to: dt.date | None = None
    closed_to_new_customers: bool = False

    def __str__(self) -> str:
        return f"{self.offer} {self.option} {self.power_kva} kVA"

    @property
    def first_day(self) -> dt.date:
        """The day from which a dated line applies. Raises ValueError when it is not dated."""
        if self.applies_from is None:
            raise ValueError(f"{self} has no date")
        return self.applies_from.day

    def amount(self, meaning: str, tax: Tax) -> Decimal | None:
        """The amount of a meaning on a tax side, or None when it was not read."""
        figure = self.figures.get((meaning, tax))
        return None if figure is None else figure.amount

    def complete_sides(self) -> tuple[Tax, ...]:
        """The tax sides on which the subscription and every register of the option were read."""
        registers = OPTIONS.get(self.option)
        return tuple(
            tax
            for tax in SIDES
            if registers and all((meaning, tax) in self.figures for meaning in (SUBSCRIPTION, *registers))
        )

    def tariff(self) -> Tariff | None:
        """The tariff this line says, or None while it is incomplete on both sides or undated."""
        sides = self.complete_sides()
        if not sides or self.applies_from is None:
            return None
        prices = {
            tax: {register: self.figures[register, tax].amount for register in OPTIONS[self.option]}
            if tax in sides
            else {}
            for tax in ("HT", "TTC")
        }
        return Tariff(
            supplier=self.supplier,
            offer=self.offer,
            option=self.option,
            power_kva=self.power_kva,
            applies_from=self.applies_from.day,
            applies_to=self.applies_to,
            subscription_eur_per_year_ht=self.amount(SUBSCRIPTION, "HT") if "HT" in sides else None,
            subscription_eur_per_year_ttc=self.amount(SUBSCRIPTION, "TTC") if "TTC" in sides else None,
            prices_eur_per_kwh_ht=prices["HT"],
            prices_eur_per_kwh_ttc=prices["TTC"],
            closed_to_new_customers=self.closed_to_new_customers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A reason not to publish: the rule's name, what a person needs to know to act, and where to look."""

    rule: str
    message: str
    where: str


#: What a check of lines against each other or against the law finds: the rule's name, the lines, what is
#: wrong, and where the first figure stands.
Disagreement = tuple[str, list[Line], str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that was taken from one document.

    `announced` holds the options that the sheet's titles name, read or not;
    `faults` what the reader itself could not understand; `unknown_headers` the words
    above tables that have no meaning for it, each with its page.
    """

    lines: tuple[Line, ...]
    announced: frozenset[str] = frozenset()
    faults: tuple[Doubt, ...] = ()
    unknown_headers: tuple[str, ...] = ()

    def tariffs(self) -> list[Tariff]:
        """The tariffs of every line that is complete, in the order of the sheet."""
        return [tariff for line in self.lines if (tariff := line.tariff()) is not None]
