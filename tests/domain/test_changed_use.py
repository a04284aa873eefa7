"""What a home would use: no energy is lost or made up, and each part goes where it is said to go."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openwatt.catalogue.calendars import calendar_for
from openwatt.domain.calendar import Home, lay_out
from openwatt.domain.changed_use import (
    UseChange,
    car_energy,
    change_use,
    charging_curve,
    cut_at,
    moved_to,
    shift_to_off_peak,
)
from openwatt.domain.legal_time import Span, local_minutes, year_on
from openwatt.domain.load_curve import PER_KWH, LoadCurve
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.profiles import heating_curve
from openwatt.domain.usage import measure
from tests.domain.test_comparison import HOME, TEN_DAYS, constant
from tests.domain.test_exactness import curves, homes, ranges, slow, spans

HPHC = calendar_for("HPHC")


def by_register(curve: LoadCurve, home: Home = HOME, span: Span = TEN_DAYS) -> list[int]:
    """W × minutes of HP and of HC."""
    usage = measure(curve, lay_out(HPHC, home, span.start_min, span.end_min), span)
    peak, off_peak, unknown = usage.energies.sum(axis=0).tolist()
    assert unknown == 0
    return [peak, off_peak]


def test_a_quarter_of_the_peak_use_moves_to_the_off_peak_hours() -> None:
    curve, moved = shift_to_off_peak(constant(1000, TEN_DAYS), HOME, TEN_DAYS, 25)
    assert moved == 40 * PER_KWH  # of 160
    assert by_register(curve) == [120 * PER_KWH, 120 * PER_KWH]


def test_an_evening_s_use_moves_to_the_night_that_follows_and_not_to_the_one_before() -> None:
    day = TEN_DAYS.start + dt.timedelta(days=4)
    evening = constant(1000, Span(day, day + dt.timedelta(days=1)))
    minute = local_minutes(evening.starts_min) % 1440
    energies = np.where((minute >= 18 * 60) & (minute < 19 * 60), evening.energies, 0)
    whole = constant(0, TEN_DAYS)
    on_day = np.isin(whole.starts_min, evening.starts_min)
    whole = replace(whole, energies=np.where(on_day, np.resize(energies, len(whole.energies)), 0))
    assert whole.energy == PER_KWH
    curve, moved = shift_to_off_peak(whole, HOME, TEN_DAYS, 100)
    assert moved == PER_KWH
    used = curve.starts_min[curve.energies > 0]
    assert set(local_minutes(used) // 60 % 24) == {22, 23, 0, 1, 2, 3, 4, 5}
    assert set(curve.energies[curve.energies > 0].tolist()) == {125 * 30}  # 1 kWh over 8 h is 125 W
    assert used.min() >= evening.starts_min[-1] - 120 + 30


def test_the_use_before_a_night_that_was_not_measured_stays() -> None:
    curve = constant(1000, TEN_DAYS)
    night = local_minutes(curve.starts_min) % 1440
    measured = (night >= 6 * 60) & (night < 22 * 60)
    days_only = LoadCurve(curve.starts_min[measured], curve.steps_min[measured], curve.energies[measured])
    shifted, moved = shift_to_off_peak(days_only, HOME, TEN_DAYS, 50)
    assert moved == 0
    assert by_register(shifted) == [160 * PER_KWH, 0]


@slow
@given(st.data(), st.integers(1, 100))
def test_a_shift_conserves_the_energy_and_only_takes_from_peak_hours(
    data: st.DataObject, percent: int
) -> None:
    span = data.draw(spans())
    home, curve = data.draw(homes(span)), data.draw(curves(span))
    shifted, moved = shift_to_off_peak(curve, home, span, percent)
    assert shifted.energy == curve.energy
    before, after = by_register(curve, home, span), by_register(shifted, home, span)
    assert sum(before) == sum(after)
    assert before[0] - after[0] == moved == after[1] - before[1]
    assert 0 <= moved <= before[0]
    assert shifted.coverage(span.start_min, span.end_min) == curve.coverage(span.start_min, span.end_min)


@slow
@given(st.data())
def test_cutting_a_curve_changes_no_energy_between_any_two_instants(data: st.DataObject) -> None:
    span = data.draw(spans())
    curve = data.draw(curves(span))
    bounds = np.array(sorted(data.draw(st.sets(st.integers(span.start_min, span.end_min), min_size=1))))
    cut = cut_at(curve, bounds.astype(np.int64))
    assert cut.energy == curve.energy
    assert cut.energies_before(bounds).tolist() == curve.energies_before(bounds).tolist()
    assert set(curve.starts_min.tolist()) <= set(cut.starts_min.tolist())


def test_a_car_is_charged_evenly_in_its_hours() -> None:
    # 210 km a week at 20 kWh for 100 km: 42 kWh a week, 6 a day, 60 in ten days.
    assert car_energy(210, Decimal(20), TEN_DAYS) == 60 * PER_KWH
    change = UseChange(
        car_km_per_week=210,
        car_kwh_per_100_km=Decimal(20),
        car_hours=(parse_off_peak_hours("12:00-15:00"),),
    )
    used = change_use(constant(0, TEN_DAYS), HOME, TEN_DAYS, change)
    assert (used.moved, used.car, used.heat_pump) == (0, 60 * PER_KWH, 0)
    loaded = used.curve.starts_min[used.curve.energies > 0]
    assert set(local_minutes(loaded) // 60 % 24) == {12, 13, 14}
    assert set(used.curve.energies[used.curve.energies > 0].tolist()) == {2000 * 30}  # 6 kWh in 3 h
    at_night = change_use(constant(0, TEN_DAYS), HOME, TEN_DAYS, replace(change, car_hours=()))
    assert by_register(at_night.curve) == [0, 60 * PER_KWH]


@slow
@given(st.data(), st.integers(0, 10**9))
def test_a_charge_is_whole_in_hours_to_the_minute(data: st.DataObject, energy: int) -> None:
    span = data.draw(spans())
    hours = parse_off_peak_hours(str(data.draw(ranges)))
    charge = charging_curve(energy, (hours,), span)
    assert charge.energy == energy
    assert by_register(charge, Home((hours,)), span) == [0, energy]


def test_a_heat_pump_uses_its_year_in_the_heating_season() -> None:
    for start in (dt.date(2025, 9, 1), dt.date(2023, 9, 1), dt.date(2024, 2, 29)):
        year = Span(start, year_on(start, 1))
        heat = heating_curve(4000, year)
        assert heat.energy == 4000 * PER_KWH
        months = local_minutes(heat.starts_min).astype("datetime64[m]").astype("datetime64[M]")
        summer = np.isin(months.astype(int) % 12 + 1, [6, 7, 8, 9])
        assert summer.any()
        assert heat.energies[summer].sum() == 0
    assert heating_curve(4000, Span(dt.date(2025, 6, 1), dt.date(2025, 10, 1))).energy == 0
    winter = heating_curve(4000, Span(dt.date(2025, 12, 1), dt.date(2026, 3, 1)))
    assert 2000 * PER_KWH < winter.energy < 2500 * PER_KWH


def test_what_is_added_falls_on_measured_minutes_alone() -> None:
    curve = constant(500, TEN_DAYS)
    half = LoadCurve(curve.starts_min[:240], curve.steps_min[:240], curve.energies[:240])  # five days
    change = UseChange(car_km_per_week=210, car_kwh_per_100_km=Decimal(20))
    assert change_use(curve, HOME, TEN_DAYS, change).car == 60 * PER_KWH
    used = change_use(half, HOME, TEN_DAYS, change)
    assert used.car == 30 * PER_KWH
    assert used.curve.energy == half.energy + used.car


def test_a_use_of_another_year_keeps_its_weekdays_and_its_energies() -> None:
    curve = constant(1000, TEN_DAYS)
    moved = moved_to(curve, -364)
    assert moved.energy == curve.energy
    assert moved.measured_days() == Span(dt.date(2024, 6, 3), dt.date(2024, 6, 13))
    assert moved.measured_days().start.weekday() == TEN_DAYS.start.weekday()
