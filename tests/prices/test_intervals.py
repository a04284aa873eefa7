"""Intervals cover their span exactly, whatever the option, the home, the span, the clock and the tariff."""

import datetime as dt
from bisect import bisect_right
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwatt.catalogue.calendars import calendar_for
from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.calendar import Home
from openwatt.domain.contract import Contract, DutyDays, SourcedTariff
from openwatt.domain.legal_time import PARIS, Span, instant_of, minutes_of
from openwatt.domain.off_peak import parse_off_peak_text
from openwatt.domain.tariff import OPTIONS, Tariff
from openwatt.prices.contract_prices import ContractPrices
from openwatt.prices.intervals import PriceInterval, cut_to_slices
from tests.domain.bill_oracle import price_on, register_of
from tests.prices.worked import regulated

HOURS = (
    "22:30-06:30",
    "01:56-07:56;14:26-16:26",
    "summer 02:00-06:00;11:00-15:00",
    "from 2024-02-01 to 2026-08-15 22:00-06:00",
    "winter 23:00-07:00",
)
FIRST, LAST = (minutes_of(dt.datetime(year, 1, 1, tzinfo=PARIS)) for year in (2012, 2027))
#: Around clock changes, tariff changes, seasons, and the first and last days that are known.
DAYS = (
    *("2012-07-23", "2014-09-01", "2020-03-29", "2022-02-01", "2024-02-01", "2024-10-27", "2025-03-30"),
    *("2025-08-01", "2025-11-01", "2026-01-31", "2026-03-29", "2026-08-01", "2026-10-04", "2026-10-25"),
)
starts = st.one_of(
    st.integers(FIRST, LAST),
    st.builds(
        lambda day, minutes: minutes_of(dt.datetime.fromisoformat(day).replace(tzinfo=PARIS)) + minutes,
        st.sampled_from(DAYS),
        st.integers(-2000, 2000),
    ),
)
lengths = st.one_of(st.integers(1, 3000), st.integers(1, 62 * 1440))


@cache
def invented(option: str) -> Contract:
    """A contract with two tariffs and a gap between them, for options that are not sold too."""
    return Contract(
        "Invented",
        "Exercise",
        option,
        9,
        tuple(
            SourcedTariff(
                Tariff(
                    supplier="Invented",
                    offer="Exercise",
                    option=option,
                    power_kva=9,
                    applies_from=applies_from,
                    applies_to=applies_to,
                    subscription_eur_per_year_ht=None,
                    subscription_eur_per_year_ttc=Decimal(120),
                    prices_eur_per_kwh_ht={},
                    prices_eur_per_kwh_ttc={
                        register: Decimal(first + n) / 10000 for n, register in enumerate(OPTIONS[option])
                    },
                )
            )
            for applies_from, applies_to, first in (
                (dt.date(2022, 2, 1), dt.date(2025, 7, 31), 1500),
                (dt.date(2025, 11, 1), None, 1600),
            )
        ),
    )


@dataclass(frozen=True)
class Drawn:
    """A contract, a home and a span, in few words."""

    option: str
    regulated: bool
    hours: tuple[str, ...]
    weekday: int
    start: int
    length: int
    share: float

    @property
    def prices(self) -> ContractPrices:
        hours = tuple(entry for text in self.hours for entry in parse_off_peak_text(text))
        home = Home(hours, self.weekday, COLOURS)
        if self.regulated and self.option in REGULATED:
            return replace(regulated(self.option, 9), home=home)
        return ContractPrices(invented(self.option), calendar_for(self.option), home, DUTIES)

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.start + self.length

    @property
    def minute(self) -> int:
        return self.start + int(self.length * self.share)


TODAY = dt.date(2026, 11, 22)
REGULATED = ("BASE", "HPHC", "TEMPO", "EJP")
DUTIES = DutyDays(shipped_market().duties)
COLOURS = shipped_colours()
drawn_prices = st.builds(
    Drawn,
    option=st.sampled_from(list(OPTIONS)),
    regulated=st.booleans(),
    hours=st.lists(st.sampled_from(HOURS), min_size=1, max_size=2).map(tuple),
    weekday=st.integers(0, 6),
    start=starts,
    length=lengths,
    share=st.floats(0, 1, exclude_max=True),
)


def covers(intervals: list[PriceInterval], start: int, end: int) -> bool:
    ends = (intervals[0].start_min, intervals[-1].end_min)
    whole = all(interval.start_min < interval.end_min for interval in intervals)
    return ends == (start, end) and whole and all(a.end_min == b.start_min for a, b in pairwise(intervals))


@settings(max_examples=200, deadline=None)
@given(drawn_prices)
def test_intervals_cover_the_span_and_none_could_be_joined(drawn: Drawn) -> None:
    intervals = drawn.prices.intervals(*drawn.span)
    assert covers(intervals, *drawn.span)
    assert not any(a.is_like(b) for a, b in pairwise(intervals))
    assert all((one.price_ttc is None) == (one.reason is not None) for one in intervals)


@settings(max_examples=100, deadline=None)
@given(drawn_prices, st.sampled_from([15, 30, 60]))
def test_slices_cover_the_span_and_mix_no_prices(drawn: Drawn, minutes: int) -> None:
    intervals = drawn.prices.intervals(*drawn.span)
    slices = list(cut_to_slices(intervals, minutes))
    assert covers(slices, *drawn.span)
    places = [interval.start_min for interval in intervals]
    for one in slices:
        assert one.start_min // minutes == (one.end_min - 1) // minutes
        within = intervals[bisect_right(places, one.start_min) - 1]
        assert one.end_min <= within.end_min
        assert one.is_like(within)


@settings(max_examples=300, deadline=None)
@given(drawn_prices)
def test_any_minute_has_the_register_and_price_of_the_slow_oracle(drawn: Drawn) -> None:
    prices = drawn.prices
    found = next(one for one in prices.intervals(*drawn.span) if drawn.minute < one.end_min)
    clock = instant_of(drawn.minute)
    assert found.tariff is prices.contract.on(clock.date())
    if found.register is not None:
        assert found.register == register_of(prices.calendar, prices.home, clock.replace(tzinfo=None))
        # Those of the regulated tariff are computed again with the duties of each day, as bills do it.
        if prices.contract.supplier == "Invented":
            assert (found.price_ttc or 0) == price_on(prices.contract, clock.date(), found.register)


@settings(max_examples=100, deadline=None)
@given(drawn_prices)
def test_the_price_at_an_instant_is_that_of_its_interval(drawn: Drawn) -> None:
    start, end = drawn.span
    at = drawn.prices.at(drawn.minute)
    found = next(one for one in drawn.prices.intervals(start, end) if drawn.minute < one.end_min)
    assert at.interval.is_like(found)
    assert found.start_min in {start, at.since_min}
    assert found.end_min in {end, at.until_min}
    if at.following is not None:
        assert at.following.start_min == at.until_min
        assert not at.following.is_like(at.interval)


def test_an_option_without_announced_days_is_not_guessed() -> None:
    prices = replace(regulated("EJP", 9), home=Home(colours={}))
    span = Span(dt.date(2025, 10, 31), dt.date(2025, 11, 2))
    summer, winter = prices.intervals(span.start_min, span.end_min)
    # The last night of summer ends at seven; no day of winter is known to be ordinary.
    assert (summer.register, instant_of(summer.end_min).isoformat()) == ("HN", "2025-11-01T07:00:00+01:00")
    assert (winter.register, winter.price_ttc) == (None, None)
    assert winter.reason is not None
    assert winter.reason.code == "colour_not_announced"


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_a_calendar(option: str) -> None:
    assert calendar_for(option).option == option


def test_all_is_known_up_to_the_first_interval_with_a_reason() -> None:
    prices = regulated("TEMPO", 9)
    span = Span(dt.date(2026, 10, 2), dt.date(2026, 10, 8))
    intervals = prices.intervals(span.start_min, span.end_min)
    assert instant_of(prices.known_until(intervals, TODAY)).isoformat() == "2026-10-04T06:00:00+02:00"
    assert prices.known_until(intervals[:1], TODAY) == intervals[0].end_min


def test_nothing_is_known_beyond_the_duties_of_today() -> None:
    prices = regulated("BASE", 6)
    span = Span(dt.date(2026, 11, 1), dt.date(2027, 6, 1))
    (interval,) = prices.intervals(span.start_min, span.end_min)
    assert interval.price_ttc is not None
    # The accise of 2026-08-01 is set until 31 January 2027.
    assert instant_of(prices.known_until([interval], TODAY)).isoformat() == "2027-02-01T00:00:00+01:00"
    past = Span(dt.date(2020, 8, 1), dt.date(2020, 9, 1))
    intervals = prices.intervals(past.start_min, past.end_min)
    assert prices.known_until(intervals, TODAY) == past.end_min
