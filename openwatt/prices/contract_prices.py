"""The prices of one contract in one home: over a span, and at an instant with what is before and after it."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from openwatt.domain.calendar import Home, RegisterCalendar
from openwatt.domain.contract import Contract, DutyDays, PriceBasis, price_periods
from openwatt.domain.freshness import (
    ExplainedStatus,
    SourceIncident,
    explained_status,
    next_status_change,
)
from openwatt.domain.legal_time import (
    MINUTES_PER_DAY,
    PARIS,
    Span,
    day_start,
    day_start_min,
    instant_of,
)
from openwatt.domain.tariff import per_month
from openwatt.prices.intervals import PriceInterval, price_intervals
from openwatt.prices.schedule import make_schedule

#: How many days around an instant are looked at for the changes next to it, one after another: registers
#: change every day or every week, and some with the season or the tariff alone.
_WINDOWS_DAYS = (1, 8, 100, 400)
Judgement = TypeVar("Judgement")
_NEVER_SEEN = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAt:
    """The price at an instant.

    `since_min` is None where it was never another, as before the first tariff, and `until_min`
    and `following` are None where no change is known within 400 days.
    """

    interval: PriceInterval
    since_min: int | None
    until_min: int | None
    following: PriceInterval | None
    subscription_eur_per_month_ttc: Decimal | None


@dataclass(frozen=True, slots=True)
class ContractPrices:
    """A contract with its calendar, in a home that says what the calendar needs."""

    contract: Contract
    calendar: RegisterCalendar
    home: Home
    duties: DutyDays

    def intervals(
        self, start_min: int, end_min: int, prices: PriceBasis = "then", today: dt.date = dt.date.max
    ) -> list[PriceInterval]:
        """The prices from one instant to another, in minutes UTC: of each day, or with `now` those of today.

        Raises:
            BillError: with `now`, when the contract has no price today.
        """
        last = instant_of(end_min - 1).date()
        span = Span(instant_of(start_min).date(), last + dt.timedelta(days=1))
        periods = price_periods(self.contract, span, self.duties, prices, today)
        schedule = make_schedule(self.calendar, self.home, start_min, end_min)
        return price_intervals(self.contract, schedule, periods)

    def known_until(self, intervals: Sequence[PriceInterval], today: dt.date) -> int:
        """Up to when the price of every moment of some intervals is known, in minutes UTC: at most their end.

        The tariff in force today is taken to go on, and no further than today's duties are known.
        """
        present = self.duties.on(today)
        ends = [
            day_start_min(day)
            for day in self.duties.changes
            if day > today
            and any(rate is None and present[duty] is not None for duty, rate in self.duties.on(day).items())
        ]
        unknown = [interval.start_min for interval in intervals if interval.reason]
        return min([*ends, *unknown, intervals[-1].end_min])

    def at(self, instant_min: int) -> PriceAt:
        """The price at an instant, in minutes UTC."""
        before, interval, after = self._around(instant_min)
        day = instant_of(instant_min).date()
        (period,) = price_periods(
            self.contract, Span(day, day + dt.timedelta(days=1)), self.duties, "then", day
        )
        return PriceAt(
            interval=interval,
            since_min=interval.start_min if before else None,
            until_min=after.start_min if after else None,
            following=after,
            subscription_eur_per_month_ttc=per_month(period.subscription_ttc),
        )

    def status(
        self, now: dt.datetime, incident: SourceIncident | None, changes: Sequence[dt.date]
    ) -> ExplainedStatus:
        """How far the prices can be trusted: as the tariff in force today can, or else the last one known.

        `incident` is that of the offer's source, `changes` the days on which duties change.
        """
        return self._judged(explained_status, now, incident, changes)

    def next_status_change(
        self, now: dt.datetime, incident: SourceIncident | None, changes: Sequence[dt.date]
    ) -> dt.datetime:
        """When that status may be another one; at midnight at the latest: another tariff may begin."""
        tomorrow = now.astimezone(PARIS).date() + dt.timedelta(days=1)
        return min(day_start(tomorrow), self._judged(next_status_change, now, incident, changes))

    def _judged(
        self,
        judge: Callable[..., Judgement],
        now: dt.datetime,
        incident: SourceIncident | None,
        changes: Sequence[dt.date],
    ) -> Judgement:
        today = now.astimezone(PARIS).date()
        sourced = self.contract.on(today) or self.contract.tariffs[-1]
        seen_at = sourced.last_seen_at or _NEVER_SEEN
        return judge(
            sourced.tariff, on=today, last_seen_at=seen_at, now=now, incident=incident, changes=changes
        )

    def _around(self, instant_min: int) -> tuple[bool, PriceInterval, PriceInterval | None]:
        """Whether another price came before that of an instant, its interval, and the one that follows."""
        # A single register changes with the tariff alone.
        windows = _WINDOWS_DAYS if len(self.calendar.registers) > 1 else _WINDOWS_DAYS[-1:]
        for days in windows:
            reach = days * MINUTES_PER_DAY
            found = self._within(instant_min, instant_min - reach, instant_min + reach)
            if found[0] and found[2]:
                return found
        if found[0]:
            return found
        first_day = self.contract.tariffs[0].tariff.applies_from
        start_min = min(day_start_min(first_day) - MINUTES_PER_DAY, instant_min - reach)
        return self._within(instant_min, start_min, instant_min + reach)

    def _within(
        self, instant_min: int, start_min: int, end_min: int
    ) -> tuple[bool, PriceInterval, PriceInterval | None]:
        """The same, as far as a span around the instant shows it."""
        intervals = self.intervals(start_min, end_min)
        place = bisect_right(intervals, instant_min, key=lambda interval: interval.start_min) - 1
        following = intervals[place + 1] if place + 1 < len(intervals) else None
        return place > 0, intervals[place], following
