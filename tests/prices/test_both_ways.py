"""The real curve, costed by its prices over time, costs what its bill says, to the last digit."""

import datetime as dt
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from openwatt.domain.bill import make_bill, total
from openwatt.domain.contract import PriceBasis, price_periods
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import PER_KWH, LoadCurve
from openwatt.domain.usage import use_of_curve
from openwatt.meter.read import read_load_curve
from openwatt.prices.intervals import PriceInterval, cut_to_slices
from tests.prices.worked import regulated
from tests.shared_data import SHARED, needs_shared_data

TODAY = dt.date(2026, 9, 25)
#: Across two clock changes, two tariff changes and a change of duties.
SPAN = Span(dt.date(2023, 8, 10), dt.date(2024, 7, 20))


@cache
def real_curve() -> LoadCurve:
    data = (SHARED / "load_curves/Enedis_Conso_Heure_20230809-20240725_1429xxxxxxxxxx.csv").read_bytes()
    return read_load_curve(data, dt.datetime(2026, 9, 25, tzinfo=dt.UTC))


def cost(curve: LoadCurve, intervals: list[PriceInterval]) -> tuple[Fraction, Fraction]:
    """What a curve costs at the prices of some intervals, with and without taxes, exact."""
    bounds = np.array([*(one.start_min for one in intervals), intervals[-1].end_min])
    energies = np.diff(curve.energies_before(bounds)).tolist()
    ttc = ht = Fraction(0)
    for interval, energy in zip(intervals, energies, strict=True):
        assert interval.price_ttc is not None
        ttc += Fraction(energy, PER_KWH) * Fraction(interval.price_ttc)
        ht += Fraction(energy, PER_KWH) * Fraction(interval.price_ht or 0)
    return ttc, ht


@needs_shared_data
@pytest.mark.parametrize("basis", ["then", "now"])
@pytest.mark.parametrize(
    ("option", "power_kva", "off_peak"),
    [
        ("BASE", 9, ""),
        ("HPHC", 9, "22:30-06:30"),
        ("HPHC", 6, "summer 01:56-09:56; winter 22:00-06:00"),
        ("TEMPO", 9, ""),
    ],
)
def test_the_curve_costs_its_bill(option: str, power_kva: int, off_peak: str, basis: PriceBasis) -> None:
    prices = regulated(option, power_kva, off_peak)
    usage = use_of_curve(real_curve(), prices.home, SPAN)(prices.calendar)
    bill = make_bill(
        prices.contract, usage, price_periods(prices.contract, SPAN, prices.duties, basis, TODAY)
    )
    billed = total([line.amount_ttc for line in bill.energy_lines])
    billed_ht = total([line.amount_ht for line in bill.energy_lines])
    intervals = prices.intervals(SPAN.start_min, SPAN.end_min, basis, TODAY)
    assert bill.energy > 1000 * PER_KWH
    assert usage.unknown == 0
    found, found_ht = cost(real_curve(), intervals)
    assert found == billed
    assert billed_ht in {None, found_ht}
    assert cost(real_curve(), list(cut_to_slices(intervals, 60))) == (found, found_ht)
