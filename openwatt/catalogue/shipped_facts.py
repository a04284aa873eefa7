"""The facts that ship with the product, read from the files of this package."""

import datetime as dt
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from openwatt.catalogue.facts import (
    CatalogueDocument,
    CatalogueOffer,
    CatalogueTempoDay,
    read_offers,
    read_rates,
    read_sources,
    read_tempo_colours,
    read_turpe,
)
from openwatt.catalogue.tariffs import CatalogueTariff, read_tariffs
from openwatt.domain.duties import Duties


def shipped_tariffs() -> tuple[CatalogueTariff, ...]:
    """The regulated tariff since 2012, then the market offers of autumn 2025."""
    return read_tariffs(_file("tariffs.csv")) + read_tariffs(_file("tariffs_market_2025.csv"))


def shipped_sources() -> tuple[CatalogueDocument, ...]:
    """Every document that a shipped fact names."""
    return read_sources(_file("sources.csv"))


def shipped_offers() -> tuple[CatalogueOffer, ...]:
    """Every offer that has a shipped tariff."""
    return read_offers(_file("offers.csv"))


def shipped_tempo_colours() -> tuple[CatalogueTempoDay, ...]:
    """A colour per day since 2014-09-01, in the order of days."""
    return read_tempo_colours(_file("tempo_colours.csv"))


@cache
def shipped_duties() -> Duties:
    """Every rate of duty and fixed part of the network tariff that is known."""
    return Duties(rates=read_rates(_file("duties.csv")), turpe=read_turpe(_file("turpe.csv")))


@cache
def shipped_change_days() -> Sequence[dt.date]:
    """The days on which those rates and fixed parts change, in order."""
    return shipped_duties().change_days()


SHIPPED_FILES = ("sources.csv", "offers.csv", "tariffs.csv", "tariffs_market_2025.csv", "tempo_colours.csv")
"""The files that are loaded into the database; duties stay files, the domain computes with them."""


def _file(name: str) -> Traversable:
    return files("openwatt.catalogue") / name
