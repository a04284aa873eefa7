"""The merge of the two tax sides of a tariff that different documents state."""

from dataclasses import replace

from openwatt.domain.tariff import Tariff
from openwatt.store.tariffs import Observation, PublishedTariff, SourceDocument


def with_other_side(
    tariff: Tariff, document: SourceDocument, known: PublishedTariff | Observation | None
) -> tuple[Tariff, SourceDocument, SourceDocument | None]:
    """Adds to a tariff of one tax side the other side as it is known, with the documents of TTC and HT.

    The regulator says HT and the last day of a period, the supplier's sheet TTC and who
    may still sign: each look at one of them keeps what only the other says.
    """
    if known is None:
        return tariff, document, None
    other = known.tariff
    if tariff.applies_to is None:
        tariff = replace(tariff, applies_to=other.applies_to)
    if not tariff.prices_eur_per_kwh_ttc and other.prices_eur_per_kwh_ttc:
        merged = replace(
            tariff,
            subscription_eur_per_year_ttc=other.subscription_eur_per_year_ttc,
            prices_eur_per_kwh_ttc=other.prices_eur_per_kwh_ttc,
            closed_to_new_customers=other.closed_to_new_customers,
            note=other.note,
        )
        return merged, known.document, document
    if not tariff.prices_eur_per_kwh_ht and other.prices_eur_per_kwh_ht:
        merged = replace(
            tariff,
            subscription_eur_per_year_ht=other.subscription_eur_per_year_ht,
            prices_eur_per_kwh_ht=other.prices_eur_per_kwh_ht,
            note=other.note,
        )
        return merged, document, known.ht_document or known.document
    return tariff, document, None
