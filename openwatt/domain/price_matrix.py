"""The price matrix: the exact totals of many contracts, for one home or many, in one product."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import lcm

import numpy as np

from openwatt.domain.bill import DAYS_PER_YEAR
from openwatt.domain.contract import Contract, PricePeriod
from openwatt.domain.legal_time import Minutes, Span, day_number
from openwatt.domain.load_curve import PER_KWH
from openwatt.domain.usage import Usage
from openwatt.domain.whole_arrays import Whole, fitted, highest_of, smallest

#: Energies are in kWh / 60,000 and subscriptions in days / 365: amounts meet over this denominator.
_COMMON = lcm(PER_KWH, DAYS_PER_YEAR)


@dataclass(frozen=True, slots=True, eq=False)
class PriceMatrix:
    """Prices with all taxes of contracts that share their registers, over one span.

    `edges` are the days, counted from the span's start, between which no price
    changes. `prices[period × registers + register, contract]` and
    `subscriptions[contract]` are whole: in EUR / `denominator` per W × minute, and
    for the whole span. Days and sides without a price count 0; `bill.what_is_partial` tells them.
    """

    contracts: tuple[Contract, ...]
    span: Span
    edges: Minutes
    prices: Whole
    subscriptions: Whole
    denominator: int

    def totals(self, usage: Usage) -> tuple[Fraction, ...]:
        """What each contract costs with all taxes, in EUR, exact."""
        used = np.diff(usage.before[self.edges, :-1], axis=0).reshape(1, -1)
        return tuple(Fraction(int(total), self.denominator) for total in self.numerators(used)[0])

    def numerators(self, used: Minutes) -> Whole:
        """Totals `[home, contract]` in EUR / `denominator`, of energies `[home, row of prices]`."""
        highest = int(used.sum(axis=1).max()) * highest_of(self.prices) + highest_of(self.subscriptions)
        totals: Whole = fitted(used, highest) @ fitted(self.prices, highest)
        totals += fitted(self.subscriptions, highest)
        return totals


def price_matrix(
    priced: Sequence[tuple[Contract, Sequence[PricePeriod]]], registers: Sequence[str]
) -> PriceMatrix:
    """The matrix of contracts whose periods lie over one span; at least one contract."""
    span = Span(priced[0][1][0].span.start, priced[0][1][-1].span.end)
    first = day_number(span.start)
    days = {day_number(period.span.start) - first for _, periods in priced for period in periods}
    edges = np.array(sorted(days | {span.days}), dtype=np.int64)
    decimals = max((_decimals(price) for _, periods in priced for price in _all_prices(periods)), default=0)
    unit = 10**decimals
    prices = np.zeros((len(edges) - 1, len(registers), len(priced)), dtype=object)
    subscriptions = np.zeros(len(priced), dtype=object)
    for column, (_, periods) in enumerate(priced):
        for period in periods:
            start, end = (
                int(np.searchsorted(edges, day_number(day) - first))
                for day in (period.span.start, period.span.end)
            )
            for row, register in enumerate(registers):
                price = (period.prices_ttc or {}).get(register, Decimal(0))
                prices[start:end, row, column] = int(price * unit) * (_COMMON // PER_KWH)
            per_year = period.subscription_ttc or Decimal(0)
            subscriptions[column] += int(per_year * unit) * period.span.days * (_COMMON // DAYS_PER_YEAR)
    return PriceMatrix(
        contracts=tuple(contract for contract, _ in priced),
        span=span,
        edges=edges,
        prices=smallest(prices.reshape(-1, len(priced))),
        subscriptions=smallest(subscriptions),
        denominator=_COMMON * unit,
    )


def _all_prices(periods: Sequence[PricePeriod]) -> Sequence[Decimal]:
    return [
        price
        for period in periods
        for price in (*(period.prices_ttc or {}).values(), period.subscription_ttc)
        if price is not None
    ]


def _decimals(price: Decimal) -> int:
    exponent = price.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
