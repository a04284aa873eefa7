"""The facts that ship with the product, read from the files of this package."""

import datetime as dt
import re
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from openwatt.catalogue.facts import (
    CatalogueDocument,
    CatalogueOffer,
    CatalogueTempoDay,
    read_announced_days,
    read_offers,
    read_rates,
    read_sources,
    read_tempo_colours,
    read_turpe,
)
from openwatt.catalogue.offer_terms import read_offer_terms
from openwatt.catalogue.tariffs import CatalogueTariff, read_tariffs
from openwatt.domain.announced_days import AnnouncedDays
from openwatt.domain.contract import PriceDocument
from openwatt.domain.duties import Duties
from openwatt.domain.offer_terms import OfferTerms

SHIPPED = files("openwatt.catalogue")
"""The folder of the edition that ships with this code; every function below reads another one, too."""


def shipped_observations(edition: Traversable = SHIPPED) -> tuple[CatalogueTariff, ...]:
    """Every observation of a tariff: one that a later one of the same period corrects is among them.

    A line that corrects another stands in another file, for one file has one price a day.
    """
    return tuple(line for file in _tariff_files(edition) for line in read_tariffs(file))


def shipped_tariffs(edition: Traversable = SHIPPED) -> tuple[CatalogueTariff, ...]:
    """Every tariff as it was last observed: the regulated one since 2012, and the market's."""
    newest: dict[Hashable, CatalogueTariff] = {}
    for line in shipped_observations(edition):
        tariff = line.tariff
        period = (tariff.supplier, tariff.offer, tariff.option, tariff.power_kva, tariff.applies_from)
        if period not in newest or newest[period].observed_on < line.observed_on:
            newest[period] = line
    return tuple(newest.values())


def shipped_sources(edition: Traversable = SHIPPED) -> tuple[CatalogueDocument, ...]:
    """Every document that a shipped fact names."""
    return read_sources(edition / "sources.csv")


def shipped_offers(edition: Traversable = SHIPPED) -> tuple[CatalogueOffer, ...]:
    """Every offer that has a shipped tariff, or is listed without a price."""
    return read_offers(edition / "offers.csv")


def shipped_tempo_colours(edition: Traversable = SHIPPED) -> tuple[CatalogueTempoDay, ...]:
    """A colour per day since 2014-09-01, in the order of days."""
    return read_tempo_colours(edition / "tempo_colours.csv")


@cache
def shipped_announced_days() -> tuple[AnnouncedDays, ...]:
    """EJP's peak days and Zen Flex's sobriety days, with the winters of which all are known."""
    return read_announced_days(SHIPPED / "announced_days.csv")


@cache
def shipped_documents() -> Mapping[str, PriceDocument]:
    """Those documents by id, as prices and terms name them."""
    return {
        one.id: PriceDocument(one.kind, one.title, one.url, one.document_sha256) for one in shipped_sources()
    }


@cache
def shipped_offer_terms() -> Mapping[tuple[str, str], OfferTerms]:
    """What the sources state of offers beside their prices, by supplier and name."""
    return {(one.supplier, one.offer): one for one in read_offer_terms(SHIPPED / "offer_terms.csv")}


@cache
def shipped_duties() -> Duties:
    """Every rate of duty and fixed part of the network tariff that is known."""
    return Duties(rates=read_rates(SHIPPED / "duties.csv"), turpe=read_turpe(SHIPPED / "turpe.csv"))


@cache
def shipped_change_days() -> Sequence[dt.date]:
    """The days on which those rates and fixed parts change, in order."""
    return shipped_duties().change_days()


def loaded_files(edition: Traversable = SHIPPED) -> tuple[Traversable, ...]:
    """The files that are loaded into the database; duties, announced days and offers' terms stay files."""
    others = ("sources.csv", "offers.csv", "tempo_colours.csv")
    return (*(edition / name for name in others), *_tariff_files(edition))


def _tariff_files(edition: Traversable) -> list[Traversable]:
    """The files of tariffs by name: `tariffs.csv`, `tariffs_market_2025.csv` and so on."""
    found = (file for file in edition.iterdir() if re.fullmatch(r"tariffs(_\w+)?\.csv", file.name))
    return sorted(found, key=lambda file: file.name)
