"""The contracts of OPENWATT_PRICE_METRICS, whose price of the moment Prometheus reads."""

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from openwatt.comparison.market import StoredMarket
from openwatt.comparison.question import Fields
from openwatt.domain.calendar import WEEKDAYS
from openwatt.domain.errors import OpenWattError
from openwatt.domain.legal_time import minutes_of
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA, OPTIONS
from openwatt.prices.question import PriceQuestionError, read_instant_question
from openwatt.sentences.catalogue import sentence
from openwatt.store.database import Database
from openwatt.telemetry.metrics.collectors import PriceCollector, PriceState

logger = logging.getLogger(__name__)

#: Each is costed at every scrape.
MOST_CONTRACTS: Final = 20


def _option(text: str) -> str:
    if text not in OPTIONS:
        raise ValueError(f"option must be one of {', '.join(OPTIONS)}")
    return text


def _power_kva(text: str) -> int:
    if not (text.isascii() and text.isdigit() and MIN_POWER_KVA <= int(text) <= MAX_POWER_KVA):
        raise ValueError(f"power_kva must be a whole number from {MIN_POWER_KVA} to {MAX_POWER_KVA}")
    return int(text)


def _off_peak_hours(text: str) -> object:
    try:
        return (parse_off_peak_text(text),)
    except OpenWattError:
        raise ValueError("off_peak_hours must be hours like 22:30-06:30") from None


def _chosen_weekday(text: str) -> int:
    if text not in WEEKDAYS:
        raise ValueError(f"chosen_weekday must be one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(text)


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "supplier": str,
    "offer": str,
    "option": _option,
    "power_kva": _power_kva,
    "off_peak_hours": _off_peak_hours,
    "chosen_weekday": _chosen_weekday,
}


def parse_contracts(text: str) -> list[Fields]:
    """The fields of each contract of a text: written as in an address of `/v1/prices`, parted by spaces.

    Raises:
        ValueError: with a sentence that says what the text must be.
    """
    contracts = [_contract(written) for written in text.split()]
    if not 0 < len(contracts) <= MOST_CONTRACTS:
        raise ValueError(f"must name 1 to {MOST_CONTRACTS} contracts, such as option=TEMPO&power_kva=6")
    return contracts


def _contract(written: str) -> Fields:
    pairs = parse_qsl(written, keep_blank_values=True)
    fields = dict(pairs)
    unknown = fields.keys() - _READERS.keys()
    if unknown or len(fields) != len(pairs) or not {"option", "power_kva"} <= fields.keys():
        raise ValueError(
            f"must name contracts by {', '.join(_READERS)}, each once, with option and power_kva at least, "
            "such as option=TEMPO&power_kva=6"
        )
    return {name: _READERS[name](value) for name, value in fields.items()}


def price_collector(text: str, database: Database) -> PriceCollector:
    """Collects the price of each contract of a text, as it is at the scrape.

    It is read from the database: every worker and the metrics server give the same.
    """
    contracts = parse_contracts(text)
    market = StoredMarket(database, lambda: database.read_number("database/data_version"))
    reported: set[str] = set()

    def read() -> Iterable[PriceState]:
        now = dt.datetime.now(dt.UTC)
        for fields in contracts:
            try:
                state = _state(fields, market, now)
            except PriceQuestionError as error:
                reason = "; ".join(f"{fault.field}: {sentence(fault.message)}" for fault in error.faults)
                if reason not in reported:  # once, not at every scrape
                    reported.add(reason)
                    logger.warning("a price metric names no known contract", extra={"reason": reason})
                continue
            if state is not None:
                yield state

    return PriceCollector(read)


def _state(fields: Fields, market: StoredMarket, now: dt.datetime) -> PriceState | None:
    """The price of a contract; None where it is not known.

    Raises:
        PriceQuestionError: when the database has no such contract.
    """
    prices, _ = read_instant_question(fields, market, now)
    minute = minutes_of(now)
    (interval,) = prices.intervals(minute, minute + 1)
    if interval.register is None or interval.price_ttc is None:
        return None
    contract = prices.contract
    return PriceState(
        contract.supplier,
        contract.offer,
        contract.option,
        str(contract.power_kva),
        interval.register,
        float(interval.price_ttc),
    )
