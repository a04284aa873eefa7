"""The rounding of figures in JSON: amounts to the cent, shares to a tenth of a per cent."""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from msgspec import Meta

from openwatt.domain.bill import rounded, to_cents

Eur = Annotated[
    Decimal | None, Meta(description="EUR, rounded to the cent; null where it cannot be computed.")
]
Percent = Annotated[Decimal | None, Meta(description="Per cent; null where it cannot be computed.")]


def cents(amount: Fraction | None) -> Decimal | None:
    """An exact amount in EUR, rounded to the cent; None where it is not known."""
    return None if amount is None else to_cents(amount)


def percent(part: Fraction | None, whole: Fraction | None) -> Decimal | None:
    """A part of a whole in per cent, to one decimal; None where one is not known or the whole is 0."""
    return None if part is None or not whole else rounded(100 * part / whole, 1)
