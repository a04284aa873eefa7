"""The incidents of sources, which lower the status of the tariffs of their offers."""

import threading
from collections.abc import Callable, Collection, Mapping

from openwatt.domain.contract import Contract
from openwatt.domain.freshness import SourceIncident
from openwatt.store.database import Database
from openwatt.store.source_states import offer_states
from openwatt.store.tariffs import PublishedTariff

#: (supplier, offer) → its incident; every other offer has none.
OfferIncidents = Mapping[tuple[str, str], SourceIncident]


def read_incidents(database: Database, declared: Collection[str]) -> OfferIncidents:
    """The incidents of now, by the declared sources. Of two sources of one offer the worse counts."""
    incidents: dict[tuple[str, str], SourceIncident] = {}
    for state in offer_states(database, declared):
        offer, incident = (state.supplier or "", state.offer), state.incident
        if incident is not None and incidents.get(offer) != "failing":
            incidents[offer] = incident
    return incidents


class SourceIncidents:
    """The incidents, read once for each version of the data: every run moves it."""

    def __init__(self, database: Database, version: Callable[[], int], declared: Collection[str]) -> None:
        self._database = database
        self._declared = declared
        self._version = version
        self._lock = threading.Lock()
        self._read: tuple[int, OfferIncidents] = (-1, {})

    def current(self) -> OfferIncidents:
        """The incidents of now. Raises DatabaseUnavailableError when they have to be read and cannot."""
        version = self._version()
        with self._lock:
            if self._read[0] != version:
                self._read = (version, read_incidents(self._database, self._declared))
            return self._read[1]


def incident_of_offer(
    offered: PublishedTariff | Contract, incidents: OfferIncidents
) -> SourceIncident | None:
    """The incident of the offer of a tariff or contract."""
    return incidents.get((offered.supplier, offered.offer))
