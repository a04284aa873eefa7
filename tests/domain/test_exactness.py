"""The vectorised engine against the oracle, to the last digit, on whatever hypothesis thinks of."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwatt.domain.bill import make_bill
from openwatt.domain.calendar import Home, RegisterCalendar, RegisterRule, lay_out
from openwatt.domain.contract import Contract, DutyDays, PricePeriod, SourcedTariff, price_periods
from openwatt.domain.duties import Duties
from openwatt.domain.legal_time import Span, local_minutes
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import HourRange, OffPeakHours
from openwatt.domain.price_matrix import price_matrix
from openwatt.domain.tariff import OPTIONS, Tariff
from openwatt.domain.usage import measure
from tests.domain.bill_oracle import PARIS, register_of, total_of

NO_DUTIES = DutyDays(Duties((), ()))
#: Around both clock changes, a year's end, a leap day, and an ordinary week.
FIRST_DAYS = [
    dt.date(2025, 3, 28),
    dt.date(2025, 10, 24),
    dt.date(2024, 12, 30),
    dt.date(2024, 2, 27),
    dt.date(2025, 6, 10),
]
options = st.sampled_from(sorted(OPTIONS))
ranges = (
    st.tuples(st.integers(0, 1439), st.integers(0, 1439))
    .filter(lambda r: r[0] != r[1])
    .map(lambda r: HourRange(*r))
)
slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(st.sampled_from(FIRST_DAYS)) + dt.timedelta(days=draw(st.integers(0, 2)))
    return Span(start, start + dt.timedelta(days=draw(st.integers(1, 4))))


@st.composite
def dates_in(draw: st.DrawFn, span: Span) -> dt.date | None:
    day = span.start + dt.timedelta(days=draw(st.integers(-1, span.days)))
    return draw(st.sampled_from([None, day]))


@st.composite
def calendars(draw: st.DrawFn, span: Span) -> RegisterCalendar:
    option = draw(options)
    registers = draw(st.permutations(OPTIONS[option]))
    shifted = draw(st.booleans())
    rules = []
    for register in registers:
        uses_off_peak = not shifted and draw(st.booleans())
        rules.append(
            RegisterRule(
                register=register,
                hours=() if uses_off_peak else tuple(draw(st.lists(ranges, max_size=2))),
                off_peak=uses_off_peak,
                months=draw(st.sampled_from([frozenset(), frozenset({1, 2, 3, 10}), frozenset({6, 12})])),
                weekdays=draw(st.frozensets(st.integers(0, 6), max_size=3)),
                chosen_weekday=draw(st.booleans()),
                colours=draw(
                    st.sampled_from([frozenset(), frozenset({"ROUGE"}), frozenset({"BLEU", "BLANC"})])
                ),
                applies_from=draw(dates_in(span)),
            )
        )
    return RegisterCalendar(
        option=option, rules=tuple(rules), day_starts_min=draw(st.integers(1, 1439)) if shifted else 0
    )


@st.composite
def homes(draw: st.DrawFn, span: Span) -> Home:
    entries = [
        OffPeakHours(
            tuple(draw(st.lists(ranges, min_size=1, max_size=2))),
            draw(st.sampled_from([frozenset(), frozenset({4, 5, 6, 7, 8, 9, 10})])),
            draw(dates_in(span)),
        )
        for _ in range(draw(st.integers(1, 2)))
    ]
    days = [span.start + dt.timedelta(days=n) for n in range(-1, span.days)]
    colours = {day: draw(st.sampled_from(["BLEU", "BLANC", "ROUGE", "?"])) for day in days}
    return Home(tuple(entries), draw(st.integers(0, 6)), dict.fromkeys(OPTIONS, colours))


@st.composite
def curves(draw: st.DrawFn, span: Span) -> LoadCurve:
    """Steps of any length a meter has, with gaps, off the half hour, beyond both ends of the span."""
    at = span.start_min - draw(st.integers(0, 90))
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        step = draw(st.sampled_from([5, 10, 15, 20, 30, 60]))
        rows.append((at, step, draw(st.integers(0, 36_000 * 60))))
        at += step + draw(st.sampled_from([0, 0, 0, 7, 30, 600, 1450]))
    starts, steps, energies = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return LoadCurve(starts, steps, energies)


prices = st.decimals("0", "2", places=6)


@st.composite
def contracts(draw: st.DrawFn, option: str, span: Span) -> Contract:
    """Tariffs that follow each other, with or without days between them that no tariff covers."""
    tariffs, day = [], span.start - dt.timedelta(days=draw(st.integers(0, 2)))
    for _ in range(draw(st.integers(1, 3))):
        last = day + dt.timedelta(days=draw(st.integers(0, 2)))
        tariffs.append(
            Tariff(
                supplier="S",
                offer="O",
                option=option,
                power_kva=6,
                applies_from=day,
                applies_to=draw(st.sampled_from([last, None])),
                subscription_eur_per_year_ht=None,
                subscription_eur_per_year_ttc=draw(st.decimals("0", "900", places=2)),
                prices_eur_per_kwh_ht={},
                prices_eur_per_kwh_ttc={register: draw(prices) for register in OPTIONS[option]},
            )
        )
        day = last + dt.timedelta(days=draw(st.integers(1, 2)))
    return Contract("S", "O", option, 6, tuple(SourcedTariff(tariff) for tariff in tariffs))


def periods_of(contract: Contract, span: Span) -> tuple[PricePeriod, ...]:
    return price_periods(contract, span, NO_DUTIES, "then", span.start)


def costs(
    curve: LoadCurve, calendar: RegisterCalendar, home: Home, contract: Contract, span: Span
) -> Fraction | None:
    usage = measure(curve, lay_out(calendar, home, span.start_min, span.end_min), span)
    return make_bill(contract, usage, periods_of(contract, span)).ttc


@slow
@given(st.data())
def test_the_engine_and_the_oracle_agree_to_the_last_digit(data: st.DataObject) -> None:
    span = data.draw(spans())
    calendar, home, curve = data.draw(calendars(span)), data.draw(homes(span)), data.draw(curves(span))
    several = [data.draw(contracts(calendar.option, span)) for _ in range(2)]
    usage = measure(curve, lay_out(calendar, home, span.start_min, span.end_min), span)
    totals = price_matrix([(one, periods_of(one, span)) for one in several], usage.registers).totals(usage)
    expected = tuple(total_of(curve, calendar, home, one, span) for one in several)
    assert totals == expected
    assert tuple(make_bill(one, usage, periods_of(one, span)).ttc for one in several) == expected


@slow
@given(st.data())
def test_bills_of_parts_add_up_to_the_bill_of_the_whole(data: st.DataObject) -> None:
    span = data.draw(spans().filter(lambda span: span.days > 1))
    calendar, home, curve = data.draw(calendars(span)), data.draw(homes(span)), data.draw(curves(span))
    contract = data.draw(contracts(calendar.option, span))
    middle = span.start + dt.timedelta(days=data.draw(st.integers(1, span.days - 1)))
    parts = [
        costs(curve, calendar, home, contract, part)
        for part in (Span(span.start, middle), Span(middle, span.end))
    ]
    whole = costs(curve, calendar, home, contract, span)
    assert whole is not None
    assert sum(part for part in parts if part is not None) == whole


@settings(max_examples=300, deadline=None)
@given(st.integers(946_684_800 // 60, 4_000_000_000 // 60))
def test_legal_time_is_that_of_the_system_s_own_clock_at_any_minute(minute: int) -> None:
    clock = dt.datetime.fromtimestamp(minute * 60, tz=PARIS).replace(tzinfo=None)
    wall = (clock - dt.datetime(1970, 1, 1)).total_seconds() / 60  # noqa: DTZ001 (a wall clock has no zone)
    assert int(local_minutes(np.array([minute], dtype=np.int64))[0]) == wall


@slow
@given(st.data())
def test_a_timeline_names_the_register_of_any_minute(data: st.DataObject) -> None:
    span = data.draw(spans())
    calendar, home = data.draw(calendars(span)), data.draw(homes(span))
    timeline = lay_out(calendar, home, span.start_min, span.end_min)
    for minute in data.draw(st.lists(st.integers(span.start_min, span.end_min - 1), min_size=1, max_size=40)):
        clock = dt.datetime.fromtimestamp(minute * 60, tz=PARIS).replace(tzinfo=None)
        assert timeline.register_at(minute) == register_of(calendar, home, clock)


def test_totals_beyond_64_bits_are_exact_too() -> None:
    day = dt.date(2025, 6, 10)
    span = Span(day, day + dt.timedelta(days=1))
    start, step, energy = (np.array([n], dtype=np.int64) for n in (span.start_min, 60, 10**13))
    curve = LoadCurve(start, step, energy)
    tariff = Tariff(
        supplier="S",
        offer="O",
        option="BASE",
        power_kva=6,
        applies_from=day,
        applies_to=None,
        subscription_eur_per_year_ht=None,
        subscription_eur_per_year_ttc=Decimal("182.50"),
        prices_eur_per_kwh_ht={},
        prices_eur_per_kwh_ttc={"BASE": Decimal("0.20161234")},
    )
    contract = Contract("S", "O", "BASE", 6, (SourcedTariff(tariff),))
    calendar = RegisterCalendar(option="BASE", rules=(RegisterRule(register="BASE"),))
    usage = measure(curve, lay_out(calendar, Home(), span.start_min, span.end_min), span)
    (total,) = price_matrix([(contract, periods_of(contract, span))], ("BASE",)).totals(usage)
    # 10^13 W·min are 10^9 / 6 kWh; a day of 182.50 a year is 0.50.
    assert total == Fraction(20161234, 10**8) * Fraction(10**9, 6) + Fraction(1, 2)
