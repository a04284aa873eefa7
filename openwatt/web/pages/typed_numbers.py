"""Numbers as people type them into a form: with spaces, a unit, and the signs of either language."""

import re
from decimal import ROUND_HALF_UP, Decimal

#: The unit that people copy with the figure from a bill.
_UNIT = re.compile(r"kwh(?:/an(?:née)?|paran|/year|/yr|ayear|peryear)?\.?$")
#: Thousands grouped by one sign, and decimals after the other: 5.000, 1,234,567.8, 12'500.
_GROUPED = re.compile(r"(\d{1,3}(?:([.,'’])\d{3})(?:\2\d{3})*)(?:(?!\2)[.,](\d+))?")
_DECIMALS = re.compile(r"(\d+)[.,](\d+)")


def whole_kwh(text: str) -> str | None:
    """The whole number of kWh in a text, half a kWh rounded up; None where it is no number.

    A year of a home decides what one sign before three digits means: 5.000 and 12,500 are
    thousands, while 500,125 is half a thousand with decimals and not half a million.
    """
    figure = _UNIT.sub("", re.sub(r"\s", "", text).casefold())
    if figure.isascii() and figure.isdigit():
        return str(int(figure))
    if (found := _GROUPED.fullmatch(figure)) and not re.fullmatch(r"\d{3}[.,]\d{3}", figure):
        whole, _, decimals = found.groups()
        digits = re.sub(r"\D", "", whole)
    elif found := _DECIMALS.fullmatch(figure):
        digits, decimals = found.groups()
    else:
        return None
    return str(Decimal(f"{digits}.{decimals or 0}").quantize(Decimal(1), ROUND_HALF_UP))
