"""The market of a portfolio as a JSON file, so that a run can be repeated with it, digit for digit.

The file has one `market` and the sha256 of its canonical form: without white space, its
mappings in the order of their keys. White space may change, nothing else. Decimals are strings.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Annotated

import msgspec

from openwatt.domain.calendar import RegisterCalendar
from openwatt.domain.comparison import Market
from openwatt.domain.contract import Contract, PriceDocument, SourcedTariff
from openwatt.domain.duties import DatedRate, Duties, TurpeFixedPart
from openwatt.domain.errors import OpenWattError
from openwatt.domain.tariff import Tariff
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.market import CalendarsOfContracts, PortfolioMarket, canonical_json
from openwatt.portfolio.results.storage import storage_at, without_credentials

_FORMAT = "openwatt portfolio market"
_VERSION = 1


_Place = Annotated[int, msgspec.Meta(ge=0)]


class _TariffInFile(msgspec.Struct, forbid_unknown_fields=True):
    """A tariff, and the places of its documents among those of the file."""

    tariff: Tariff
    documents: tuple[_Place, ...]
    last_seen_at: dt.datetime | None


class _ContractInFile(msgspec.Struct, forbid_unknown_fields=True):
    """A contract, and the place of its calendar among those of the file."""

    supplier: str
    offer: str
    option: str
    power_kva: int
    calendar: _Place
    tariffs: tuple[_TariffInFile, ...]


class _MarketInFile(msgspec.Struct, forbid_unknown_fields=True):
    """All that a market holds."""

    contracts: list[_ContractInFile]
    calendars: list[RegisterCalendar]
    documents: list[PriceDocument]
    rates: tuple[DatedRate, ...]
    turpe: tuple[TurpeFixedPart, ...]
    regulated: list[tuple[str, str]]
    announced_days: dict[str, dict[str, str]]


class _Head(msgspec.Struct):
    """What says whether the rest can be read."""

    format: str
    format_version: int


class _MarketFile(_Head):
    """The whole file."""

    sha256: str
    market: msgspec.Raw


def read_market(address: str) -> PortfolioMarket:
    """The market of a file at a path or an address.

    Raises:
        PortfolioError: when there is none that can be used.
    """
    shown = without_credentials(address)
    folder, slash, name = address.rpartition("/")
    try:
        data = storage_at(folder or slash or ".").read(name)
    except OSError as error:
        raise PortfolioError(f"{shown} cannot be read: {error.strerror or error}") from None
    if data is None:
        raise PortfolioError(f"{shown} cannot be read: there is no such file")
    return decode_market(data, shown)


def encode_market(market: PortfolioMarket) -> bytes:
    """The market as the bytes of a file, the same for equal markets."""
    packed = canonical_json(_to_file(market))
    whole = _MarketFile(_FORMAT, _VERSION, hashlib.sha256(packed).hexdigest(), msgspec.Raw(packed))
    return msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n"


def market_sha256(market: PortfolioMarket) -> str:
    """The checksum that stands in the market's file."""
    return hashlib.sha256(canonical_json(_to_file(market))).hexdigest()


def decode_market(data: bytes, name: str) -> PortfolioMarket:
    """The market of a file; `name` is what errors call it.

    Raises:
        PortfolioError: when it is no such file, one of another version, damaged or changed.
    """
    try:
        head = msgspec.json.decode(data, type=_Head)
    except msgspec.DecodeError as error:
        raise PortfolioError(f"{name} is no market of a portfolio: {error}") from None
    if head.format != _FORMAT:
        raise PortfolioError(f"{name} is no market of a portfolio: its format is {head.format!r}")
    if head.format_version != _VERSION:
        raise PortfolioError(
            f"{name} is a market of format version {head.format_version}, this OpenWatt reads "
            f"version {_VERSION}: use the OpenWatt that wrote it"
        )
    try:
        whole = msgspec.json.decode(data, type=_MarketFile)
    except msgspec.DecodeError as error:
        raise PortfolioError(f"{name} cannot be read: {error}") from None
    packed = msgspec.json.format(bytes(whole.market), indent=-1)
    if hashlib.sha256(packed).hexdigest() != whole.sha256:
        raise PortfolioError(
            f"{name} was changed or damaged: its market has not the sha256 that it names; take a copy "
            "of the file, or write the present market with `openwatt portfolio market`"
        )
    try:
        return _of_file(msgspec.json.decode(packed, type=_MarketInFile))
    except (msgspec.DecodeError, OpenWattError, IndexError, ValueError) as error:
        raise PortfolioError(f"{name} cannot be read: {error}") from None


def _to_file(market: PortfolioMarket) -> _MarketInFile:
    calendars = {id(calendar): calendar for calendar in market.calendars()}
    places = {calendar: place for place, calendar in enumerate(calendars)}
    documents: dict[PriceDocument, int] = {}
    for contract in market.market.contracts:
        for sourced in contract.tariffs:
            for document in sourced.sources:
                documents.setdefault(document, len(documents))
    return _MarketInFile(
        contracts=[
            _ContractInFile(
                *contract.key,
                places[id(market.market.calendar_of(contract))],
                tuple(_tariff_to_file(sourced, documents) for sourced in contract.tariffs),
            )
            for contract in market.market.contracts
        ],
        calendars=list(calendars.values()),
        documents=list(documents),
        rates=market.market.duties.rates,
        turpe=market.market.duties.turpe,
        regulated=sorted(market.market.regulated),
        announced_days=market.announced_days(),
    )


def _tariff_to_file(sourced: SourcedTariff, documents: Mapping[PriceDocument, int]) -> _TariffInFile:
    """A tariff with its last look in UTC, so that one instant has one form."""
    seen_at = sourced.last_seen_at
    return _TariffInFile(
        sourced.tariff,
        tuple(documents[document] for document in sourced.sources),
        None if seen_at is None else seen_at.astimezone(dt.UTC),
    )


def _of_file(found: _MarketInFile) -> PortfolioMarket:
    contracts, calendars = [], {}
    for one in found.contracts:
        tariffs = (
            SourcedTariff(
                tariff.tariff,
                tuple(found.documents[place] for place in tariff.documents),
                tariff.last_seen_at,
            )
            for tariff in one.tariffs
        )
        contract = Contract(one.supplier, one.offer, one.option, one.power_kva, tuple(tariffs))
        contracts.append(contract)
        calendars[contract.key] = found.calendars[one.calendar]
    market = Market(
        contracts=contracts,
        calendar_of=CalendarsOfContracts(calendars),
        duties=Duties(found.rates, found.turpe),
        regulated=frozenset(found.regulated),
    )
    colours = {
        option: {dt.date.fromisoformat(day): word for day, word in days.items()}
        for option, days in found.announced_days.items()
    }
    return PortfolioMarket(market, colours)
