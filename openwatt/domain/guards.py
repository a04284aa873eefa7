"""The guard compares a market offer with the regulated tariff and alerts on figures far from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from openwatt.domain.tariff import Tariff

GuardVerdict = Literal["ok", "alert", "not_comparable"]

#: A figure further than this from the regulated one is more often misread than true.
ALERT_BEYOND_PERCENT = Decimal(50)


@dataclass(frozen=True, slots=True)
class Difference:
    """An offer's figure and the regulated one, in EUR."""

    offer_eur: Decimal
    trve_eur: Decimal

    @property
    def difference_eur(self) -> Decimal:
        """Positive when the offer is dearer."""
        return self.offer_eur - self.trve_eur

    @property
    def difference_percent(self) -> Decimal | None:
        """Of the regulated figure, to two decimals; None where that is zero."""
        if not self.trve_eur:
            return None
        return (100 * self.difference_eur / self.trve_eur).quantize(Decimal("0.01"))

    @property
    def alerts(self) -> bool:
        """Whether the figures are more than 50 % apart."""
        return 100 * abs(self.difference_eur) > ALERT_BEYOND_PERCENT * self.trve_eur


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """An offer's tariff compared with the regulated one, figure by figure, HT with HT and TTC with TTC."""

    verdict: GuardVerdict
    subscription_ht: Difference | None = None
    subscription_ttc: Difference | None = None
    prices_ht: Mapping[str, Difference]
    prices_ttc: Mapping[str, Difference]


def guard(tariff: Tariff, trve: Tariff | None) -> Guard:
    """Compares a tariff with the regulated one of the same option and power; None where there is none."""
    if trve is None:
        return Guard(verdict="not_comparable", prices_ht={}, prices_ttc={})
    subscription_ht = _difference(tariff.subscription_eur_per_year_ht, trve.subscription_eur_per_year_ht)
    subscription_ttc = _difference(tariff.subscription_eur_per_year_ttc, trve.subscription_eur_per_year_ttc)
    prices_ht = _differences(tariff.prices_eur_per_kwh_ht, trve.prices_eur_per_kwh_ht)
    prices_ttc = _differences(tariff.prices_eur_per_kwh_ttc, trve.prices_eur_per_kwh_ttc)
    found = [
        *(difference for difference in (subscription_ht, subscription_ttc) if difference),
        *prices_ht.values(),
        *prices_ttc.values(),
    ]
    verdict: GuardVerdict = "not_comparable"
    if found:
        verdict = "alert" if any(difference.alerts for difference in found) else "ok"
    return Guard(
        verdict=verdict,
        subscription_ht=subscription_ht,
        subscription_ttc=subscription_ttc,
        prices_ht=prices_ht,
        prices_ttc=prices_ttc,
    )


def _difference(offer_eur: Decimal | None, trve_eur: Decimal | None) -> Difference | None:
    return None if offer_eur is None or trve_eur is None else Difference(offer_eur, trve_eur)


def _differences(offer: Mapping[str, Decimal], trve: Mapping[str, Decimal]) -> dict[str, Difference]:
    return {
        register: Difference(price, trve[register]) for register, price in offer.items() if register in trve
    }
