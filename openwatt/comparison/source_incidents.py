"""Offers whose source fails or was refused: what lowers the status of their tariffs."""

import threading
from collections.abc import Callable, Collection, Mapping

from openwatt.domain.freshness import Trouble
from openwatt.domain.tariff import Tariff
from openwatt.store.database import Database
from openwatt.store.source_states import offer_states

#: (supplier, offer) → its trouble; every other offer has none.
OfferTroubles = Mapping[tuple[str, str], Trouble]


def read_troubles(database: Database, declared: Collection[str]) -> OfferTroubles:
    """The troubles of now, by the declared sources. Of two sources of one offer the worse counts."""
    troubles: dict[tuple[str, str], Trouble] = {}
    for state in offer_states(database, declared):
        offer, trouble = (state.supplier or "", state.offer), state.trouble
        if trouble is not None and troubles.get(offer) != "failing":
            troubles[offer] = trouble
    return troubles


class KeptTroubles:
    """The troubles, read once for each version of the data: every run moves it."""

    def __init__(self, database: Database, version: Callable[[], int], declared: Collection[str]) -> None:
        self._database = database
        self._declared = declared
        self._version = version
        self._lock = threading.Lock()
        self._read: tuple[int, OfferTroubles] = (-1, {})

    def current(self) -> OfferTroubles:
        """The troubles of now. Raises DatabaseUnavailableError when they have to be read and cannot."""
        version = self._version()
        with self._lock:
            if self._read[0] != version:
                self._read = (version, read_troubles(self._database, self._declared))
            return self._read[1]


def trouble_with(tariff: Tariff, troubles: OfferTroubles) -> Trouble | None:
    """The trouble of a tariff's offer."""
    return troubles.get((tariff.supplier, tariff.offer))
