"""What readings are held against before they are published: the shipped duties and regulated tariff."""

from openwatt.catalogue.shipped import shipped_duties, shipped_offers, shipped_tariffs
from openwatt.domain.doubts import References
from openwatt.domain.likeness import RegulatedTariffs


def shipped_references() -> References:
    """The duties by date, and the history of the offers that public authorities set."""
    regulated = {(offer.supplier, offer.offer) for offer in shipped_offers() if offer.regulated}
    tariffs = (line.tariff for line in shipped_tariffs())
    return References(
        duties=shipped_duties(),
        regulated=RegulatedTariffs(t for t in tariffs if (t.supplier, t.offer) in regulated),
    )
