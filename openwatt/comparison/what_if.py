"""The answer to "what if": the same home with another use or power, ranked beside what it is today."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from openwatt.comparison.market import StoredMarket
from openwatt.comparison.question import CustomerQuestion, QuestionError, QuestionFault
from openwatt.domain.bill import to_kwh
from openwatt.domain.changed_use import ChangedUse, UseChange, change_use
from openwatt.domain.comparison import Comparison, ContractKey, Ranked, compare
from openwatt.domain.errors import OpenWattError, message_of
from openwatt.domain.load_curve import Finding
from openwatt.domain.messages import Message
from openwatt.domain.off_peak import describe_off_peak, unsaid_day
from openwatt.domain.usage import use_of_curve

#: What a car draws from the plug where its driver does not say it: an assumption, between the 14 of a
#: small car and the 22 of a large one by the test cycle WLTP of regulation (EU) 2017/1151, losses included.
USUAL_CAR_KWH_PER_100_KM = Decimal(18)
MOST_CAR_KWH_PER_100_KM = 60
MOST_KM_PER_WEEK = 5000
MOST_HEAT_PUMP_KWH = 50_000


class HomeChange(NamedTuple):
    """A change of the use, and another subscribed power where one is given."""

    use: UseChange
    power_kva: int | None

    @property
    def is_none(self) -> bool:
        """Whether the home stays what it is."""
        return self.use.is_none and self.power_kva is None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The comparison of a changed home beside that of today, both with the same terms.

    `used` is None where the power alone changes; `above` is the finding that the changed use passes the
    power, and None where its hours are only assumed.
    """

    change: UseChange
    question: CustomerQuestion
    before: Comparison
    after: Comparison
    used: ChangedUse | None
    above: Finding | None

    @property
    def power_kva(self) -> int:
        """The subscribed power after the change."""
        return self.question.power_kva

    def assumptions(self) -> Iterator[Message]:
        """What the changed use rests on, each with its source, and what it may pass."""
        change, used = self.change, self.used
        if used is not None and change.shift_percent:
            kwh = Message.amount(to_kwh(used.moved, 0))
            yield Message.of("what_if.shift", percent=change.shift_percent, kwh=kwh)
        if used is not None and change.car_km_per_week:
            yield from _assumptions_of_car(change, used)
        if used is not None and change.heat_pump_kwh:
            kwh = Message.amount(to_kwh(used.heat_pump, 0))
            yield Message.of("what_if.heat_pump", per_year=change.heat_pump_kwh, kwh=kwh)
            yield Message("what_if.heat_pump_adds")
        if self.above is not None:
            hours = self.above.message.values["hours"]
            yield Message.of("what_if.above", power_kva=self.power_kva, hours=hours)

    def after_of(self, key: ContractKey) -> Ranked | None:
        """The same offer and option after the change, at the power of then; None where it has no price."""
        wanted = (*key[:3], self.power_kva)
        every = (*self.after.ranking, *self.after.outdated)
        return next((one for one in every if one.contract.key == wanted), None)


def _assumptions_of_car(change: UseChange, used: ChangedUse) -> Iterator[Message]:
    per_100_km = Message.amount(change.car_kwh_per_100_km)
    hours = Message("what_if.car_off_peak")
    if change.car_hours:
        hours = Message.of("what_if.car_hours", hours=" ; ".join(map(describe_off_peak, change.car_hours)))
    yield Message.of(
        "what_if.car",
        km=change.car_km_per_week,
        per_100_km=per_100_km,
        kwh=Message.amount(to_kwh(used.car, 0)),
        hours=hours,
    )
    if change.car_kwh_per_100_km == USUAL_CAR_KWH_PER_100_KM:
        yield Message.of("what_if.car_usual", per_100_km=per_100_km)
    yield Message("what_if.car_power")


def best_of(comparison: Comparison) -> Ranked | None:
    """The cheapest contract that a customer may choose; one with today's price where there is any."""
    open_ = [
        one for one in comparison.ranking if one.whole and not one.closed_to_new_customers and not one.unseen
    ]
    return next((one for one in open_ if one.outdated is None), None) or next(iter(open_), None)


def what_if(
    question: CustomerQuestion,
    before: Comparison,
    home_change: HomeChange,
    market: StoredMarket,
) -> WhatIf:
    """Every contract for the home after a change.

    Raises:
        QuestionError: when the use's hours or a day's charging hours are not known, or no contract can be
            costed after the change.
        DatabaseUnavailableError: when the contracts have to be read and cannot be.
    """
    terms, change = question.terms, home_change.use
    power_kva = home_change.power_kva or question.power_kva
    used = None
    changed = question
    if change.car_hours and (day := unsaid_day(change.car_hours, terms.span)) is not None:
        raise QuestionError(
            [QuestionFault("car_hours", Message.of("question.no_hours", day=Message.day(day)))]
        )
    if not change.is_none:
        curve = question.curve_over(terms.span)
        if curve is None:
            raise QuestionError([QuestionFault("register_kwh", Message("what_if.no_hours"))])
        used = change_use(curve, question.home, terms.span, change)
        changed = replace(question, use=use_of_curve(used.curve, question.home, terms.span))
    if terms.present is not None:
        terms = replace(terms, present=(*terms.present[:3], power_kva))
    changed = replace(changed, power_kva=power_kva, terms=terms)
    try:
        after = compare(changed.use, market.market(market.at_power(power_kva)), terms)
    except OpenWattError as error:
        raise QuestionError([QuestionFault("power_kva", message_of(error))]) from None
    curve = used.curve if used is not None else question.curve
    above = curve.above_power(power_kva) if question.curve is not None and curve is not None else None
    return WhatIf(change=change, question=changed, before=before, after=after, used=used, above=above)
