"""The references with which readings are compared before they are published: duties and regulated tariff."""

from collections.abc import Iterable
from dataclasses import replace

from openwatt.catalogue.shipped_facts import shipped_duties, shipped_offers, shipped_tariffs
from openwatt.domain.contract import TURPE_FORMULA
from openwatt.domain.doubts import References
from openwatt.domain.duties import Duties, price_eur_per_kwh_ttc, subscription_eur_per_month_ttc
from openwatt.domain.errors import UnknownDutyError
from openwatt.domain.likeness import RegulatedTariffs
from openwatt.domain.tariff import Tariff


def shipped_references() -> References:
    """The duties by date, and the history of the offers that public authorities set."""
    regulated = {(offer.supplier, offer.offer) for offer in shipped_offers() if offer.regulated}
    tariffs = (line.tariff for line in shipped_tariffs())
    return References(
        duties=shipped_duties(),
        regulated=RegulatedTariffs(t for t in tariffs if (t.supplier, t.offer) in regulated),
    )


def known_references(regulated: Iterable[Tariff]) -> References:
    """The references with the regulated tariff of a database, which contains the shipped one.

    Of a grid that only the regulator has published yet, without taxes, the prices with
    all taxes follow from the duties of its day: the supplier's sheet and the market's
    are held against those.
    """
    duties = shipped_duties()
    return References(
        duties=duties, regulated=RegulatedTariffs(_with_taxes(tariff, duties) for tariff in regulated)
    )


def _with_taxes(tariff: Tariff, duties: Duties) -> Tariff:
    """Computes the side with all taxes of a tariff without one, where every duty of its day is known."""
    day, per_year = tariff.applies_from, tariff.subscription_eur_per_year_ht
    if tariff.prices_eur_per_kwh_ttc or per_year is None:
        return tariff
    try:
        per_month = subscription_eur_per_month_ttc(
            per_year, tariff.power_kva, day, duties, turpe_formula=TURPE_FORMULA
        )
        prices = {
            register: price_eur_per_kwh_ttc(price, day, duties)
            for register, price in tariff.prices_eur_per_kwh_ht.items()
        }
    except UnknownDutyError:
        return tariff
    return replace(tariff, subscription_eur_per_year_ttc=per_month * 12, prices_eur_per_kwh_ttc=prices)
