"""The shipped market, as bills and comparisons need it: contracts, their calendars, Tempo's colours."""

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache

from openwatt.catalogue.calendars import calendar_for
from openwatt.catalogue.shipped_facts import (
    shipped_announced_days,
    shipped_documents,
    shipped_duties,
    shipped_offers,
    shipped_sources,
    shipped_tariffs,
    shipped_tempo_colours,
)
from openwatt.domain.announced_days import words_by_day
from openwatt.domain.calendar import RegisterCalendar
from openwatt.domain.comparison import Market
from openwatt.domain.contract import Contract, SourcedTariff, contracts_of


@lru_cache(maxsize=1)
def shipped_market() -> Market:
    """Every shipped contract, with its documents, and the duties; read once."""
    seen_at = {
        source.id: dt.datetime.combine(source.seen_on, dt.time(), dt.UTC) for source in shipped_sources()
    }
    sources = shipped_documents()
    tariffs = [
        SourcedTariff(
            line.tariff,
            tuple(sources[name] for name in line.sources),
            seen_at[line.sources[-1]],
        )
        for line in shipped_tariffs()
    ]
    return Market(
        contracts=contracts_of(tariffs),
        calendar_of=calendar_of,
        duties=shipped_duties(),
        regulated=frozenset((one.supplier, one.offer) for one in shipped_offers() if one.regulated),
    )


@lru_cache(maxsize=1)
def shipped_colours() -> Mapping[str, Mapping[dt.date, str]]:
    """The announced days by option, as a `Home` takes them."""
    return announced_days({day.date: day.colour for day in shipped_tempo_colours()})


def announced_days(tempo: Mapping[dt.date, str]) -> Mapping[str, Mapping[dt.date, str]]:
    """The announced days by option: Tempo's colours where an option goes by them, and the shipped days."""
    return {**dict.fromkeys(("TEMPO", "OCTOTEMPO"), tempo), **shipped_words()}


@lru_cache(maxsize=1)
def shipped_words() -> Mapping[str, Mapping[dt.date, str]]:
    """The announced days that no source updates, by option: those of EJP and Zen Flex."""
    return words_by_day(shipped_announced_days())


def calendar_of(contract: Contract) -> RegisterCalendar:
    """The register calendar of a contract's option, or of its offer."""
    return calendar_for(contract.option, contract.supplier, contract.offer)
