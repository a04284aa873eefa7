"""The market of a portfolio: one value, read once, that goes to every process."""

import copyreg
import datetime as dt
import hashlib
import pickle
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

from openwatt.domain.calendar import RegisterCalendar
from openwatt.domain.comparison import ContractKey, Market
from openwatt.domain.contract import Contract


def _read_only(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


# The shipped tariffs hold such mappings, and Python does not pickle them by itself.
copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"a market holds no {type(value).__name__}")


#: Equal values have equal bytes: mappings and sets are sorted, decimals keep every digit.
canonical_json = msgspec.json.Encoder(enc_hook=_plain, order="deterministic").encode


class CalendarsOfContracts:
    """The register calendar of each contract, as a `Market` has them: a value, not a look-up elsewhere."""

    def __init__(self, by_contract: Mapping[ContractKey, RegisterCalendar]) -> None:
        self._by_contract = by_contract

    def __call__(self, contract: Contract) -> RegisterCalendar:
        """The calendar of a contract of the market."""
        return self._by_contract[contract.key]


class PortfolioMarket:
    """Contracts, calendars, duties and announced days at one moment; two are equal that hold the same.

    A process that gets it with each part of the work unpacks it once.
    """

    def __init__(self, market: Market, colours: Mapping[str, Mapping[dt.date, str]]) -> None:
        calendars = {one.key: market.calendar_of(one) for one in market.contracts}
        self.market = replace(market, calendar_of=CalendarsOfContracts(calendars))
        self.colours = colours

    @cached_property
    def edition(self) -> str:
        """A hash of all that bills rest on, the same in every process and run."""
        market, changes = self.market, self.market.duties.change_days()
        content = (
            # Of the last day on which a price was seen, only this decides what is outdated: a new
            # look at the same price is no other market.
            [
                (
                    contract.key,
                    [replace(tariff, last_seen_at=None) for tariff in contract.tariffs],
                    [
                        bisect_right(changes, tariff.last_seen_on) if tariff.last_seen_on else None
                        for tariff in contract.tariffs
                    ],
                    market.calendar_of(contract),
                )
                for contract in market.contracts
            ],
            sorted(market.regulated),
            market.duties.rates,
            market.duties.turpe,
            self.announced_days(),
        )
        return hashlib.sha256(canonical_json(content)).hexdigest()

    def calendars(self) -> Iterator[RegisterCalendar]:
        """Each calendar of the contracts once."""
        calendars = {id(one): one for one in map(self.market.calendar_of, self.market.contracts)}
        return iter(calendars.values())

    def announced_days(self) -> dict[str, dict[str, str]]:
        """The announced days by option, with their dates as text."""
        return {
            option: {str(day): word for day, word in days.items()} for option, days in self.colours.items()
        }

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
