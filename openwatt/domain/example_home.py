"""The load curve of a home that does not exist, drawn by a formula: for who wants to see an answer first."""

import numpy as np

from openwatt.domain.legal_time import MINUTES_PER_DAY, Minutes, Span, local_minutes
from openwatt.domain.load_curve import HALF_HOUR_MIN, LoadCurve

#: What the meter of the example is set to; its water heater follows them.
EXAMPLE_OFF_PEAK = "22h30-6h30"
EXAMPLE_POWER_KVA = 6
_STANDBY_W, _WATER_HEATER_W, _HEATING_W, _MACHINE_W = 110, 2000, 1500, 1400
#: Meals of a working day and of a week-end: the hour, how long around it, and the power.
_MEALS = ((7.25, 0.8, 500), (12.5, 0.7, 250), (19.5, 1.5, 1000))
_WEEKEND_MEALS = ((9.5, 1.2, 450), (12.75, 1.1, 900), (19.75, 1.6, 950))


def example_curve(span: Span) -> LoadCurve:
    """Half hours of a house of four with electric heating and a water heater, over some legal days."""
    starts = np.arange(span.start_min, span.end_min, HALF_HOUR_MIN, dtype=np.int64)
    wall = local_minutes(starts)
    day, hour = wall // MINUTES_PER_DAY, wall % MINUTES_PER_DAY / 60
    weekend = (day + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    # Coldest on 20 January, 19 days after a new year; no heating from May to September.
    cold = np.clip(np.cos(2 * np.pi * (day % 365.2425 - 19) / 365.2425) + 0.3, 0, None) / 1.3
    away = _is_away(day)
    watts = _STANDBY_W + _meals(hour, _MEALS) * ~weekend + _meals(hour, _WEEKEND_MEALS) * weekend
    at_home = np.where(weekend, 1.0, np.where((hour > 8.5) & (hour < 17), 0.55, 1.0))
    by_night = np.where((hour < 6) | (hour >= 23), 0.6, 1.0)
    watts = watts + _HEATING_W * cold * at_home * by_night * (0.6 + 0.8 * _mixed(day))
    since_off_peak = (hour - 22.5) % 24
    watts = watts + _WATER_HEATER_W * (since_off_peak < 2 + cold + _mixed(day + 7))
    washes = (_mixed(day + 31) < 0.4) & (hour >= 14) & (hour < 15.5)
    watts = watts + _MACHINE_W * washes
    watts = np.where(away, _STANDBY_W + 250 * cold, watts) * (0.8 + 0.4 * _mixed(starts // HALF_HOUR_MIN))
    energies = np.rint(watts).astype(np.int64) * HALF_HOUR_MIN
    return LoadCurve(starts, np.full(len(starts), HALF_HOUR_MIN, dtype=np.int64), energies)


def _meals(hour: np.ndarray, meals: tuple[tuple[float, float, int], ...]) -> np.ndarray:
    return sum((watts * np.exp(-(((hour - at) / around) ** 2)) for at, around, watts in meals), np.zeros(()))


def _is_away(day: Minutes) -> np.ndarray:
    """Two weeks of August and one of February, by the number of the day in its year."""
    in_year = day % 365.2425
    return ((in_year > 216) & (in_year < 231)) | ((in_year > 46) & (in_year < 53))


def _mixed(numbers: Minutes) -> np.ndarray:
    """A number from 0 to 1 for each, the same each time, without an order that can be seen."""
    return (numbers * 2_654_435_761 % 2**32) / 2**32
