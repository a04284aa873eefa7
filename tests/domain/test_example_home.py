"""The example home: a plausible year, the same each time, within its own meter's power."""

import datetime as dt

import numpy as np

from openwatt.domain.example_home import EXAMPLE_POWER_KVA, example_curve
from openwatt.domain.legal_time import Span, local_minutes
from openwatt.domain.load_curve import PER_KWH

YEAR = Span(dt.date(2025, 10, 1), dt.date(2026, 10, 1))


def test_the_example_is_a_whole_year_of_a_plausible_home() -> None:
    curve = example_curve(YEAR)
    assert curve.coverage(YEAR.start_min, YEAR.end_min).is_complete
    assert 5_000 < curve.energy / PER_KWH < 12_000
    assert curve.highest_power_w()[0] < 1000 * EXAMPLE_POWER_KVA
    assert (curve.findings, curve.origins) == ((), ())
    again = example_curve(YEAR)
    assert np.array_equal(curve.energies, again.energies)


def test_the_example_shows_seasons_meals_and_the_night() -> None:
    curve = example_curve(YEAR)
    hours = local_minutes(curve.starts_min) % 1440 // 60
    months = curve.starts_at.astype("datetime64[M]").astype(int) % 12 + 1

    def mean_w(rows: np.ndarray) -> float:
        return float((curve.energies[rows] / curve.steps_min[rows]).mean())

    assert mean_w(months == 1) > 2 * mean_w(months == 7)
    assert mean_w(months == 8) < mean_w(months == 6), "two weeks away"
    for peak, low in ((19, 16), (23, 4), (7, 5)):
        assert mean_w(hours == peak) > mean_w(hours == low)
    # The same span cut elsewhere holds the same half hours.
    part = example_curve(Span(dt.date(2026, 1, 5), dt.date(2026, 1, 6)))
    first = int(np.searchsorted(curve.starts_min, part.start_min))
    assert np.array_equal(part.energies, curve.energies[first : first + 48])
