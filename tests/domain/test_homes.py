import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwatt.domain.calendar import lay_out
from openwatt.domain.errors import BillError
from openwatt.domain.homes import totals_of_homes
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.price_matrix import price_matrix
from openwatt.domain.usage import measure
from tests.domain.test_exactness import calendars, contracts, curves, homes, periods_of, spans


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_many_homes_cost_to_the_last_digit_what_each_costs_alone(data: st.DataObject) -> None:
    span = data.draw(spans())
    calendar, home, grid = data.draw(calendars(span)), data.draw(homes(span)), data.draw(curves(span))
    several = [data.draw(contracts(calendar.option, span)) for _ in range(2)]
    timeline = lay_out(calendar, home, span.start_min, span.end_min)
    matrix = price_matrix([(one, periods_of(one, span)) for one in several], calendar.registers)
    seed = data.draw(st.integers(0, 2**32))
    energies = np.random.default_rng(seed).integers(0, 10**7, size=(35, len(grid.starts_min)), dtype=np.int64)
    (totals,) = totals_of_homes(grid, energies, [(timeline, matrix)])
    assert totals.shape == (35, 2)
    for row, found in zip(energies, totals, strict=True):
        alone = LoadCurve(grid.starts_min.copy(), grid.steps_min.copy(), row.copy())
        expected = matrix.totals(measure(alone, timeline, span))
        assert [int(total) for total in found] == [total * matrix.denominator for total in expected]


def test_homes_that_do_not_fit_the_grid_are_refused() -> None:
    span = Span(dt.date(2025, 6, 1), dt.date(2025, 6, 2))
    starts = np.array([span.start_min], dtype=np.int64)
    grid = LoadCurve(starts, np.array([30], dtype=np.int64), np.array([0], dtype=np.int64))
    with pytest.raises(BillError, match="do not fit 1 steps"):
        totals_of_homes(grid, np.zeros((3, 2), dtype=np.int64), [])
