"""The JSON types of advice to a home, each made from advice of the domain by its `of`."""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Self

from msgspec import Meta, Struct

from openwatt.domain.advice import Advice, OffPeakAdvice, PowerAdvice, PowerVerdict, RedDayAdvice
from openwatt.domain.bill import rounded, to_cents, to_kwh
from openwatt.domain.legal_time import instant_of
from openwatt.representations.figures import Eur, Percent, cents, percent
from openwatt.representations.names import Instant


class PowerAdviceItem(Struct, frozen=True, kw_only=True):
    """The highest measured power beside the subscribed one."""

    power_kva: int
    highest_w: int
    highest_at: Instant
    mean_over_min: Annotated[int, Meta(description="Length of the step; shorter peaks do not show.")]
    lower_power_kva: Annotated[
        int | None, Meta(description="A lower power that would do: the highest that has a price.")
    ]
    saving_ttc_eur: Annotated[
        Eur, Meta(description="What it would have saved over the span; null where its price is not known.")
    ]
    verdict: Annotated[
        PowerVerdict,
        Meta(
            description="`lower`: it costs less; `costs_more`: it does not; `no_price`: it would do, and its "
            "price is not known for these days; `keep`: no lower power would do; `lowest`: none is sold."
        ),
    ]

    @classmethod
    def of(cls, advice: PowerAdvice) -> Self:
        """The item of advice on the power."""
        return cls(
            power_kva=advice.power_kva,
            highest_w=advice.highest_w,
            highest_at=instant_of(advice.highest_at_min),
            mean_over_min=advice.step_min,
            lower_power_kva=advice.lower_kva,
            saving_ttc_eur=cents(advice.saving_ttc),
            verdict=advice.verdict,
        )


class OffPeakAdviceItem(Struct, frozen=True, kw_only=True):
    """The share of energy in off-peak hours, and the share from which HPHC costs less than BASE."""

    share_percent: Percent
    break_even_percent: Percent
    pays: bool | None

    @classmethod
    def of(cls, advice: OffPeakAdvice) -> Self:
        """The item of advice on off-peak hours."""
        return cls(
            share_percent=percent(advice.share, Fraction(1)),
            break_even_percent=percent(advice.break_even_share, Fraction(1)),
            pays=advice.pays,
        )


class RedDaysItem(Struct, frozen=True, kw_only=True):
    """What Tempo's red days cost, and what moving a kWh of their day saves."""

    days: int
    kwh: Decimal
    cost_ttc_eur: Decimal
    cost_ttc_eur_per_day: Decimal
    saving_eur_per_kwh_moved_to_the_night: Decimal
    saving_eur_per_kwh_moved_to_a_blue_day: Decimal

    @classmethod
    def of(cls, advice: RedDayAdvice) -> Self:
        """The item of advice on red days."""
        return cls(
            days=advice.days,
            kwh=to_kwh(advice.energy),
            cost_ttc_eur=to_cents(advice.cost_ttc),
            cost_ttc_eur_per_day=to_cents(advice.cost_ttc / advice.days),
            saving_eur_per_kwh_moved_to_the_night=rounded(advice.saving_per_kwh_to_night, 4),
            saving_eur_per_kwh_moved_to_a_blue_day=rounded(advice.saving_per_kwh_to_blue, 4),
        )


class AdviceItem(Struct, frozen=True, kw_only=True):
    """What a home could change; what cannot be computed is null."""

    power: PowerAdviceItem | None = None
    off_peak: OffPeakAdviceItem | None = None
    red_days: RedDaysItem | None = None

    @classmethod
    def of(cls, advice: Advice) -> Self:
        """The item of all advice to a home."""
        return cls(
            power=None if advice.power is None else PowerAdviceItem.of(advice.power),
            off_peak=None if advice.off_peak is None else OffPeakAdviceItem.of(advice.off_peak),
            red_days=None if advice.red_days is None else RedDaysItem.of(advice.red_days),
        )
