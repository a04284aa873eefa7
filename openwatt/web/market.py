"""The market of the app that handles a request."""

from flask import current_app

from openwatt.comparison.market import StoredMarket


def stored_market() -> StoredMarket:
    """The market of the app that handles this request."""
    return current_app.extensions["openwatt.market"]  # type: ignore[no-any-return]  # flask types it as Any
