"""The services of one app, which its views read from: database, clock, metrics, cache, market, incidents."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Flask, current_app

from openwatt.comparison.market import StoredMarket
from openwatt.comparison.source_incidents import SourceIncidents
from openwatt.domain.contract import PriceDocument
from openwatt.domain.offer_terms import OfferTerms
from openwatt.open_data.stored_package import StoredPackage
from openwatt.store.database import Database
from openwatt.telemetry.metrics.registry import Metrics
from openwatt.web.http.data_version import DataHorizon, DataVersion
from openwatt.web.http.response_cache import ResponseCache

_EXTENSION = "openwatt"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """The services of one app."""

    database: Database
    clock: Callable[[], dt.datetime]
    metrics: Metrics
    data_version: DataVersion
    horizon: DataHorizon
    response_cache: ResponseCache
    market: StoredMarket
    source_incidents: SourceIncidents
    package: StoredPackage
    offer_terms: Mapping[tuple[str, str], OfferTerms]
    """By supplier and offer."""
    documents: Mapping[str, PriceDocument]
    """Those of the shipped catalogue by id, which the terms name."""

    def init_app(self, app: Flask) -> None:
        """Makes these the services of an app."""
        app.extensions[_EXTENSION] = self

    def report(self) -> None:
        """Shows in the metrics what the database's pool and the response cache hold and did."""
        self.metrics.report_pool(self.database.statistics())
        self.metrics.response_cache.report(self.response_cache.statistics())


def state_of(app: Flask) -> AppState:
    """The services of an app."""
    return app.extensions[_EXTENSION]  # type: ignore[no-any-return]  # flask types it as Any


def app_state() -> AppState:
    """The services of the app that handles this request."""
    return state_of(current_app)
