"""The services of the app that handles a request: the market and the incidents of the sources."""

from flask import current_app

from openwatt.comparison.market import StoredMarket
from openwatt.comparison.source_incidents import KeptTroubles, OfferTroubles


def stored_market() -> StoredMarket:
    """The market of the app that handles this request."""
    return current_app.extensions["openwatt.market"]  # type: ignore[no-any-return]  # flask types it as Any


def current_troubles() -> OfferTroubles:
    """The troubles as the app that handles this request knows them."""
    kept: KeptTroubles = current_app.extensions["openwatt.troubles"]
    return kept.current()
