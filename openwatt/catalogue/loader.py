"""The loader that writes the shipped facts into the database, once for each edition of them."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import Any

import psycopg

from openwatt.catalogue.facts import CatalogueDocument
from openwatt.catalogue.shipped_facts import (
    SHIPPED,
    loaded_files,
    shipped_observations,
    shipped_offers,
    shipped_sources,
    shipped_tempo_colours,
)
from openwatt.domain.tariff import Tariff
from openwatt.store.editions import edition_is_loaded, record_edition
from openwatt.store.offers import add_offer_without_price
from openwatt.store.other_side import with_other_side
from openwatt.store.refusals import refusals
from openwatt.store.tariffs import Observation, SourceDocument, known_tariffs, publish, record_sighting
from openwatt.store.tempo import ColourObservation, publish_colours

READER = "catalogue"


def load_catalogue(connection: psycopg.Connection[Any], edition: Traversable = SHIPPED) -> int:
    """Publishes what an edition's files say and the database does not; returns how many facts that was.

    One transaction; a second process that does the same waits and finds it done.

    Raises:
        CatalogueError: when a shipped file cannot be read.
        CorrectionError: when an edition changes a figure without a newer `observed_on`.
        PrivilegeError: when the server refuses.
    """
    sha256 = edition_sha256(edition)
    with refusals(connection), connection.transaction():
        if edition_is_loaded(connection, sha256):
            return 0
        documents = {source.id: _document(source) for source in shipped_sources(edition)}
        offers = {(offer.supplier, offer.offer): offer for offer in shipped_offers(edition)}
        observations = []
        for line in shipped_observations(edition):
            offer = offers[line.tariff.supplier, line.tariff.offer]
            ttc_document = documents[line.sources[-1]]
            ht_document = documents[line.sources[0]] if len(line.sources) > 1 else None
            observations.append(
                Observation(
                    tariff=line.tariff,
                    observed_at=_at(line.observed_on),
                    document=ttc_document,
                    ht_document=ht_document,
                    reader=READER,
                    regulated=offer.regulated,
                    offer_url=offer.url,
                    sheet_url=line.sheet_url,
                    confidence=line.confidence,
                )
            )
        published = publish(connection, observations)
        if added := _sides_to_add(connection, observations):
            published += publish(connection, added)
        for offer in offers.values():
            if offer.no_price is not None:
                published += add_offer_without_price(
                    connection, offer.supplier, offer.offer, offer.url, offer.no_price
                )
        seen = {source.id: source.seen_on for source in shipped_sources(edition)}
        published += publish_colours(
            connection,
            (
                ColourObservation(
                    day=line.date,
                    observed_at=_at(max(seen[source] for source in line.sources)),
                    colour=line.colour,
                    document=documents[line.sources[0]],
                    note=line.note,
                )
                for line in shipped_tempo_colours(edition)
            ),
        )
        for source in shipped_sources(edition):
            record_sighting(connection, documents[source.id].reference, _at(source.seen_on))
        record_edition(connection, sha256)
    return published


def _sides_to_add(
    connection: psycopg.Connection[Any], observations: Sequence[Observation]
) -> list[Observation]:
    """The regulated tariffs of which a later reading gave one tax side, with the catalogue's other one.

    They are known with both from now on; what was known of them before stays what it was.
    """
    now = dt.datetime.now(dt.UTC)
    ours = {_period(one.tariff): one for one in sorted(observations, key=lambda one: one.observed_at)}
    added = []
    for supplier, offer in sorted({_period(one.tariff)[:2] for one in observations if one.regulated}):
        for stored in known_tariffs(connection, supplier, [offer]):
            other = ours.get(_period(stored.tariff))
            if other is None or stored.reader == READER or not _agree(stored.tariff, other.tariff):
                continue
            tariff, document, ht_document = with_other_side(stored.tariff, stored.document, other)
            if tariff != stored.tariff:
                at = max(now, stored.observed_at + dt.timedelta.resolution)  # a clock may have been ahead
                added.append(Observation(tariff, at, document, ht_document, READER, regulated=True))
    return added


def _period(tariff: Tariff) -> tuple[str, str, str, int, dt.date]:
    return tariff.supplier, tariff.offer, tariff.option, tariff.power_kva, tariff.applies_from


def _agree(stored: Tariff, other: Tariff) -> bool:
    """Whether two tariffs of a period give the same prices on the one tax side that the first has."""
    if stored.prices_eur_per_kwh_ht:
        return not stored.prices_eur_per_kwh_ttc and (
            (stored.prices_eur_per_kwh_ht, stored.subscription_eur_per_year_ht)
            == (other.prices_eur_per_kwh_ht, other.subscription_eur_per_year_ht)
        )
    return (stored.prices_eur_per_kwh_ttc, stored.subscription_eur_per_year_ttc) == (
        other.prices_eur_per_kwh_ttc,
        other.subscription_eur_per_year_ttc,
    )


def edition_sha256(edition: Traversable = SHIPPED) -> str:
    """The hash of the files that are loaded: another edition has another one."""
    hashed = hashlib.sha256()
    for file in loaded_files(edition):
        hashed.update(file.read_bytes())
    return hashed.hexdigest()


def _document(source: CatalogueDocument) -> SourceDocument:
    return SourceDocument(
        reference=f"catalogue:{source.id}",
        kind=source.kind,
        title=source.title,
        url=source.url,
        sha256=source.document_sha256,
    )


def _at(day: dt.date) -> dt.datetime:
    """The instant at which a day begins: a document names its day, not its hour."""
    return dt.datetime.combine(day, dt.time(), dt.UTC)
