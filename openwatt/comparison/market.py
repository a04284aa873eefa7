"""The contracts of the database, read by power and cached while the published data stay the same."""

import datetime as dt
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from openwatt.catalogue.calendars import calendar_for
from openwatt.catalogue.market import announced_days, calendar_of
from openwatt.catalogue.shipped_facts import shipped_change_days, shipped_duties
from openwatt.domain.calendar import RegisterCalendar
from openwatt.domain.comparison import ContractKey, Market
from openwatt.domain.contract import Contract, PriceDocument, SourcedTariff, contracts_of
from openwatt.domain.duties import Duties
from openwatt.store.database import Database
from openwatt.store.tariffs import PublishedTariff, SourceDocument, TariffFilter, tariff_history, tariffs_on
from openwatt.store.tempo import tempo_colours

#: Far above what any supplier sells: a bound on what one statement may bring.
_MOST_TARIFFS = 50_000
#: Almost everybody looks at today.
_MOST_DAYS = 4
Colours = Mapping[str, Mapping[dt.date, str]]


class ContractSet(NamedTuple):
    """Contracts by their key, and which offers among them are regulated."""

    contracts: Mapping[ContractKey, Contract]
    regulated: frozenset[tuple[str, str]]


@dataclass(slots=True)
class _Edition:
    """What was read of one version of the data."""

    version: int
    found: dict[TariffFilter, ContractSet] = field(default_factory=dict)
    days: dict[dt.date, list[PublishedTariff]] = field(default_factory=dict)
    colours: Colours | None = None


class StoredMarket:
    """The contracts of the database, with the calendars and duties that ship with the product.

    `version` says which edition of the data is current. A read takes about 10 ms a
    power; threads that need the same wait for one of them.

    Every method raises DatabaseUnavailableError when it has to read and cannot.
    """

    def __init__(self, database: Database, version: Callable[[], int]) -> None:
        self._database = database
        self._version = version
        self._lock = threading.Lock()
        self._edition = _Edition(-1)

    @property
    def duties(self) -> Duties:
        """Every rate of duty that is known."""
        return shipped_duties()

    @property
    def change_days(self) -> Sequence[dt.date]:
        """The days on which duties or the network tariff change, in order."""
        return shipped_change_days()

    def calendar_of_option(self, option: str) -> RegisterCalendar:
        """The register calendar of an option."""
        return calendar_for(option)

    def calendar_of(self, contract: Contract) -> RegisterCalendar:
        """The register calendar of a contract: its option's, or its offer's own.

        Raises:
            CalendarError: when none is known.
        """
        return calendar_of(contract)

    def at_power(self, power_kva: int) -> ContractSet:
        """Every contract at one subscribed power, with all its tariffs."""
        return self._find(TariffFilter(power_kva=power_kva))

    def of_offer(self, supplier: str, offer: str) -> ContractSet:
        """Every contract of one offer, at all its powers."""
        return self._find(TariffFilter(supplier=supplier, offer=offer))

    def everything(self) -> ContractSet:
        """Every contract at all powers: a tenth of a second, for who asks once."""
        return self._find(TariffFilter())

    def tariffs_on(self, day: dt.date) -> list[PublishedTariff]:
        """The tariff of every contract on a day, regulated offers first: a megabyte, for a few days."""
        edition = self._current()
        with self._lock:
            if day not in edition.days:
                while len(edition.days) >= _MOST_DAYS:
                    del edition.days[next(iter(edition.days))]
                edition.days[day] = tariffs_on(self._database, TariffFilter(), on=day, limit=_MOST_TARIFFS)
            return list(edition.days[day])

    def market(self, found: ContractSet, contracts: Mapping[ContractKey, Contract] | None = None) -> Market:
        """What was found as what a comparison takes; with `contracts`, these instead of the found ones."""
        return Market(
            contracts=list((found.contracts if contracts is None else contracts).values()),
            calendar_of=calendar_of,
            duties=self.duties,
            regulated=found.regulated,
        )

    def colours(self) -> Colours:
        """The announced days by option, as a `Home` takes them."""
        edition = self._current()
        with self._lock:
            if edition.colours is None:
                edition.colours = announced_days(tempo_colours(self._database))
            return edition.colours

    def _find(self, wanted: TariffFilter) -> ContractSet:
        edition = self._current()
        with self._lock:
            found = edition.found.get(wanted)
            if found is None:
                found = edition.found[wanted] = self._read(wanted)
            return found

    def _current(self) -> _Edition:
        """The edition of now. Its version is read first: what is read later can only be newer."""
        version = self._version()
        with self._lock:
            if self._edition.version != version:
                self._edition = _Edition(version)
            return self._edition

    def _read(self, wanted: TariffFilter) -> ContractSet:
        rows = tariff_history(
            self._database, wanted, since=dt.date.min, until=dt.date.max, limit=_MOST_TARIFFS
        )
        contracts = contracts_of(SourcedTariff(row.tariff, _sources(row), row.last_seen_at) for row in rows)
        regulated = frozenset((row.supplier, row.offer) for row in rows if row.regulated)
        return ContractSet({contract.key: contract for contract in contracts}, regulated)


def _sources(row: PublishedTariff) -> tuple[PriceDocument, ...]:
    """The documents of a tariff: that of HT, where it is another one, then that of TTC."""
    documents = [row.ht_document] if row.ht_document else []
    return tuple(_source(document) for document in (*documents, row.document))


def _source(document: SourceDocument) -> PriceDocument:
    return PriceDocument(document.kind, document.title, document.url, document.sha256)
