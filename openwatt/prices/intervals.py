"""The prices of one contract over a span, as intervals without gap or overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, NamedTuple, get_args

import numpy as np

from openwatt.domain.contract import Contract, PricePeriod, SourcedTariff
from openwatt.domain.legal_time import day_number
from openwatt.domain.messages import Message
from openwatt.prices.schedule import RegisterReason, Schedule

#: Why a price with all taxes is not known.
PriceReason = Literal["before_first_tariff", "after_last_tariff", "no_tariff", "taxes_not_known"]
ReasonCode = RegisterReason | PriceReason
REASON_CODES: tuple[ReasonCode, ...] = (*get_args(RegisterReason), *get_args(PriceReason))


class Reason(NamedTuple):
    """Why the price of an interval is not known: a word of a closed list, and the sentence that says it."""

    code: ReasonCode
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceInterval:
    """Minutes UTC from `start_min` to `end_min` (excluded) with one register and one price in EUR per kWh.

    `reason` is there exactly when the price with all taxes is not known. `tariff` is the one
    in force, which may be known while the register is not, and the other way round.
    """

    start_min: int
    end_min: int
    register: str | None
    price_ht: Decimal | None
    price_ttc: Decimal | None
    tariff: SourcedTariff | None
    reason: Reason | None

    def is_like(self, other: "PriceInterval") -> bool:
        """Whether register, prices, tariff and reason of both are the same."""
        return self.tariff is other.tariff and (
            (self.register, self.price_ht, self.price_ttc, self.reason)
            == (other.register, other.price_ht, other.price_ttc, other.reason)
        )


def price_intervals(
    contract: Contract, schedule: Schedule, periods: Sequence[PricePeriod]
) -> list[PriceInterval]:
    """The intervals of a schedule, each as long as nothing of it changes.

    `periods` are the contract's over the legal days of the schedule, by `contract.price_periods`.
    """
    timeline = schedule.timeline
    first_days = np.array([day_number(period.span.start) for period in periods])
    places = np.searchsorted(first_days, timeline.day_numbers, side="right") - 1
    states = np.stack([timeline.numbers, schedule.reasons, places])
    changes = (states[:, 1:] != states[:, :-1]).any(axis=0)
    stretches = [0, *(np.flatnonzero(changes) + 1).tolist()]
    ends = [*timeline.bounds_min[stretches[1:]].tolist(), int(timeline.bounds_min[-1])]
    intervals: list[PriceInterval] = []
    for stretch, end_min in zip(stretches, ends, strict=True):
        period = periods[places[stretch]]
        register = schedule.register(stretch)
        interval = PriceInterval(
            start_min=int(timeline.bounds_min[stretch]),
            end_min=end_min,
            register=register,
            price_ht=period.prices_ht[register] if register and period.prices_ht else None,
            price_ttc=period.prices_ttc[register] if register and period.prices_ttc else None,
            tariff=period.tariff,
            reason=_reason(contract, period, schedule.reason(stretch)),
        )
        if intervals and intervals[-1].is_like(interval):  # a duty changed, and no price
            interval = replace(intervals.pop(), end_min=end_min)
        intervals.append(interval)
    return intervals


def cut_to_slices(intervals: Sequence[PriceInterval], minutes: int) -> Iterator[PriceInterval]:
    """The intervals cut wherever clocks show a multiple of some minutes (60 at most) past the hour.

    A slice in which the price changes is cut there too: no slice mixes two prices.
    """
    for interval in intervals:
        start_min = interval.start_min
        while start_min < interval.end_min:
            # Legal time differs from UTC by whole hours, so that the multiples of both are the same.
            end_min = min(interval.end_min, start_min - start_min % minutes + minutes)
            yield replace(interval, start_min=start_min, end_min=end_min)
            start_min = end_min


def _reason(contract: Contract, period: PricePeriod, of_register: RegisterReason | None) -> Reason | None:
    """Why a price with all taxes is not known within a period, None where it is."""
    code: ReasonCode | None = of_register
    if period.tariff is None:
        first_days = [sourced.tariff.applies_from for sourced in contract.tariffs]
        if period.span.start < first_days[0]:
            code = "before_first_tariff"
        else:
            code = "no_tariff" if period.span.start < first_days[-1] else "after_last_tariff"
    elif code is None and period.prices_ttc is None:
        code = "taxes_not_known"
    return None if code is None else Reason(code, Message(f"price_not_known.{code}"))
