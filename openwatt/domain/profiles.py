"""Profiles spread yearly kWh over a plausible year, for a home without a file."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from openwatt.domain.calendar import off_peak_entries
from openwatt.domain.errors import BillError
from openwatt.domain.legal_time import MINUTES_PER_DAY, Minutes, Span, local_minutes, year_on
from openwatt.domain.load_curve import HALF_HOUR_MIN, PER_KWH, LoadCurve
from openwatt.domain.off_peak import OffPeakHours

#: Relative power of lights, cooking and appliances by legal hour: low at night, highest at 19-21 h.
_APPLIANCES = (
    *(45, 40, 38, 38, 38, 42, 60, 85, 90, 85, 85, 95),
    *(110, 105, 90, 85, 85, 95, 120, 145, 145, 125, 95, 65),
)
#: The same by month: a little more in the dark months, a little less in August.
_APPLIANCES_BY_MONTH = (112, 110, 104, 98, 94, 92, 90, 86, 94, 100, 108, 112)
#: Relative power of electric heating by legal hour: set back at night, most in the morning and evening.
_HEATING = (
    *(70, 68, 66, 66, 70, 90, 125, 130, 120, 105, 95, 90),
    *(88, 86, 86, 88, 95, 110, 125, 128, 122, 112, 98, 80),
)
#: Heating by month, as degree days below 17 °C of a temperate French year fall: none from June to September.
_HEATING_BY_MONTH = (190, 165, 135, 85, 35, 0, 0, 0, 0, 60, 130, 180)
#: A night appliance draws the same power through the home's off-peak hours, a little less in summer.
_NIGHT_BY_MONTH = (110, 110, 106, 102, 98, 92, 88, 86, 94, 100, 106, 108)
_WHOLE_YEAR = (100,) * 12
#: How much more of the appliances run on Saturday and Sunday, in hundredths.
_WEEK_END = 112


@dataclass(frozen=True, slots=True)
class Profile:
    """How a home's yearly kWh divide, in hundredths, between the uses that have a shape of their own."""

    name: str
    appliances: int
    heating: int = 0
    night_heater: int = 0
    car: int = 0

    @property
    def runs_off_peak(self) -> bool:
        """Whether a use of it runs in the home's off-peak hours."""
        return bool(self.night_heater or self.car)


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile("base", appliances=100),
            Profile("electric_heating", appliances=45, heating=55),
            Profile("night_heater", appliances=62, night_heater=38),
            Profile("electric_car", appliances=55, car=45),
        )
    }
)


def profile_curve(name: str, kwh: int, span: Span, off_peak: Sequence[OffPeakHours]) -> LoadCurve:
    """Half hours over a span whose energies follow a profile and add up to exactly `kwh`.

    The weights of every half hour are whole numbers; each energy is its share of
    the whole, cut so that the first n energies are exact to 1 W × minute for every n.

    Raises:
        BillError: when the profile is not known, `kwh` is not above 0, or a
            profile with a night use is given no off-peak hours.
    """
    profile = PROFILES.get(name)
    if profile is None:
        raise BillError(f"profile {name!r} is none of {', '.join(PROFILES)}")
    if kwh <= 0:
        raise BillError(f"{kwh} kWh a year is not above 0")
    if profile.runs_off_peak and not off_peak:
        raise BillError(f"profile {name} needs the off-peak hours in which its night use runs")
    starts, steps, weights = _weighted_half_hours(profile, span, tuple(off_peak))
    return spread(kwh * PER_KWH, starts, steps, weights)


def heating_curve(kwh_per_year: int, span: Span) -> LoadCurve:
    """Half hours over a span of an electric heating that uses so much in a whole year from its first day.

    It follows the shape of the profiles' heating: nothing from June to September. A span
    of a year has exactly `kwh_per_year`, a part of one has the part that falls in it.
    """
    starts, year = _half_hours(span), _half_hours(Span(span.start, year_on(span.start, 1)))
    weights, of_year = _heating_weights(starts), int(_heating_weights(year).sum())
    energy = int(weights.sum()) * kwh_per_year * PER_KWH // of_year
    return spread(energy, starts, _steps(starts), weights)


def spread(energy: int, starts: Minutes, steps: Minutes, weights: Minutes) -> LoadCurve:
    """Steps that share an energy (W × minutes) by whole weights, all of it."""
    before = np.cumsum(weights)
    whole = max(int(before[-1]), 1)
    # Python's integers: the product of a year's weights and energy passes 64 bits.
    shares = np.array([weight * energy // whole for weight in before.tolist()], dtype=np.int64)
    return LoadCurve(starts, steps, np.diff(shares, prepend=0))


def last_known_year(colours: Mapping[dt.date, str], today: dt.date) -> Span:
    """The last twelve whole months whose Tempo colours are all known, so that every option can be costed.

    Without any colour, the twelve months before today's.
    """
    known = max(colours) + dt.timedelta(days=1) if colours else today
    end = min(today, known).replace(day=1)
    return Span(end.replace(year=end.year - 1), end)


@lru_cache(maxsize=4)
def _weighted_half_hours(
    profile: Profile, span: Span, off_peak: tuple[OffPeakHours, ...]
) -> tuple[Minutes, Minutes, Minutes]:
    """Starts, lengths and weights of the half hours of a span: most homes have them in common."""
    starts = _half_hours(span)
    arrays = (starts, _steps(starts), _weights(profile, starts, off_peak))
    for array in arrays:
        array.flags.writeable = False
    return arrays


def _half_hours(span: Span) -> Minutes:
    return np.arange(span.start_min, span.end_min, HALF_HOUR_MIN, dtype=np.int64)


def _steps(starts: Minutes) -> Minutes:
    return np.full(len(starts), HALF_HOUR_MIN, dtype=np.int64)


def _heating_weights(starts: Minutes) -> Minutes:
    wall = local_minutes(starts)
    weights: Minutes = np.array(_HEATING)[_hours(wall)] * np.array(_HEATING_BY_MONTH)[_months(wall)]
    return weights


def _hours(wall: Minutes) -> Minutes:
    hours: Minutes = wall % MINUTES_PER_DAY // 60
    return hours


def _months(wall: Minutes) -> Minutes:
    """The month of each reading of the clock, from 0."""
    months = (wall // MINUTES_PER_DAY).astype("datetime64[D]").astype("datetime64[M]")
    return months.astype(np.int64) % 12


def _weights(profile: Profile, starts: Minutes, off_peak: Sequence[OffPeakHours]) -> Minutes:
    """Each half hour's weight: the parts' shapes, each scaled to its share of the whole."""
    wall = local_minutes(starts)
    minute, days = wall % MINUTES_PER_DAY, wall // MINUTES_PER_DAY
    hour, month = _hours(wall), _months(wall)
    week_end = np.where((days + 3) % 7 >= 5, _WEEK_END, 100)
    in_hours = [[any(m in one for one in entry.ranges) for m in range(MINUTES_PER_DAY)] for entry in off_peak]
    # A day without an entry has the last row, in which no minute is off-peak.
    in_off_peak = np.array([*in_hours, [False] * MINUTES_PER_DAY], dtype=np.int64)
    night = in_off_peak[off_peak_entries(off_peak, days, month + 1), minute]
    parts = (
        (profile.appliances, np.array(_APPLIANCES)[hour] * np.array(_APPLIANCES_BY_MONTH)[month] * week_end),
        (profile.heating, _heating_weights(starts)),
        (profile.night_heater, night * np.array(_NIGHT_BY_MONTH)[month]),
        (profile.car, night * np.array(_WHOLE_YEAR)[month]),
    )
    weights = np.zeros(len(starts), dtype=np.int64)
    for share, shape in parts:
        if share and shape.sum():
            # Shapes are brought to one mean before they are mixed, to better than 0.01 %.
            weights += shape * (share * 10**9 * len(starts) // int(shape.sum()))
    return weights
