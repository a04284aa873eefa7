"""The market of a portfolio: one value, read once, that goes to every process."""

import copyreg
import datetime as dt
import hashlib
import pickle
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

from openwatt.domain.comparison import Market


def _read_only(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


# The shipped tariffs hold such mappings, and Python does not pickle them by itself.
copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))


class PortfolioMarket:
    """Contracts, duties and announced days at one moment; two are equal that hold the same.

    A process that gets it with each part of the work unpacks it once.
    """

    def __init__(self, market: Market, colours: Mapping[str, Mapping[dt.date, str]]) -> None:
        self.market = market
        self.colours = colours

    @cached_property
    def edition(self) -> str:
        """A hash of all that bills rest on, the same in every process and run."""
        changes = self.market.duties.change_days()
        content = (
            self.market.contracts,
            # Of the last day on which a price was seen, only this decides what is outdated: a new
            # look at the same price is no other market.
            [
                bisect_right(changes, tariff.last_seen_on) if tariff.last_seen_on else None
                for contract in self.market.contracts
                for tariff in contract.tariffs
            ],
            sorted(self.market.regulated),
            self.market.duties,
            sorted((option, sorted(days.items())) for option, days in self.colours.items()),
        )
        return hashlib.sha256(repr(content).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PortfolioMarket) and self.edition == other.edition

    def __hash__(self) -> int:
        return hash(self.edition)

    @cached_property
    def _packed(self) -> bytes:
        return pickle.dumps((self.market, self.colours))

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (self.edition, self._packed)


@lru_cache(maxsize=4)
def _unpacked(edition: str, packed: bytes) -> PortfolioMarket:
    found = PortfolioMarket(*pickle.loads(packed))  # noqa: S301 - it comes from the process that hands out the work
    found.__dict__.update(edition=edition, _packed=packed)
    return found
