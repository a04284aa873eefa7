"""Arrays of whole numbers that stay exact at any size: int64 where all fit, else Python's own integers."""

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

#: int64 where every number fits, else objects that are Python's own integers.
Whole = npt.NDArray[Any]

_INT64_LIMIT = 2**63


def fitted(whole: Whole, highest: int) -> Whole:
    """The numbers in an array that can hold results of that size."""
    return whole.astype(np.int64 if highest < _INT64_LIMIT else object, copy=False)


def smallest(whole: Whole) -> Whole:
    """As int64 where every number fits."""
    return fitted(whole, highest_of(whole))


def highest_of(whole: Whole) -> int:
    """The highest absolute value, 0 of none."""
    return max(int(whole.max(initial=0)), -int(whole.min(initial=0)))


def times(whole: Whole, factor: int) -> Whole:
    """Each number times a factor of at least 1."""
    product: Whole = fitted(whole, highest_of(whole) * factor) * factor
    return product


def rounded_products(whole: Whole, factor: Fraction) -> Whole:
    """Each number times a factor above 0, rounded half up away from 0, as `bill.rounded` does."""
    above, below = factor.numerator, factor.denominator
    exact = fitted(whole, max(highest_of(whole) * above + below // 2, above, below))
    sizes = (np.abs(exact) * above + below // 2) // below
    products: Whole = np.where(exact < 0, -sizes, sizes)
    return products
