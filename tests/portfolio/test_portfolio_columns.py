"""Rows computed as columns, against `compare` of each home alone, and against plain fractions."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.bill import rounded
from openwatt.domain.calendar import Home
from openwatt.domain.comparison import ComparisonTerms, Market, compare
from openwatt.domain.contract import Contract, SourcedTariff
from openwatt.domain.errors import BillError
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.tariff import OPTIONS, Tariff
from openwatt.domain.usage import use_of_curve
from openwatt.domain.whole_arrays import rounded_products
from openwatt.portfolio.billing.kernel import HomeSetting, MeteredHome, PortfolioTerms, bill_batch, bill_homes
from openwatt.portfolio.billing.rows import HomeRow, columns_of
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.results.parquet_results import ParquetResults
from openwatt.sentences.catalogue import sentence
from tests.portfolio.test_portfolio_kernel import assert_same
from tests.portfolio.village import NOW

TODAY = NOW.date()
#: A change of duties lies before the first, a change of prices and one of clocks within the last.
SPANS = (Span(dt.date(2026, 7, 30), dt.date(2026, 8, 3)), Span(dt.date(2026, 10, 23), dt.date(2026, 10, 27)))
HOURS = ((), (parse_off_peak_hours("22:00-06:00"),), (parse_off_peak_hours("01:40-07:10;12:40-15:10"),))
#: Few prices, so that contracts cost the same.
PRICES = tuple(map(Decimal, ("0.1", "0.2", "0.20001")))
OLD, NEW = (dt.datetime(2026, month, 20, tzinfo=dt.UTC) for month in (6, 11))


@st.composite
def contracts(draw: st.DrawFn, supplier: str, power_kva: int) -> Contract:
    """One or two tariffs, with or without prices before taxes, whose days may end early."""
    option = draw(st.sampled_from(["BASE", "HPHC", "TEMPO"]))
    with_ht = draw(st.booleans())
    changes = draw(st.sampled_from([(), (dt.date(2026, 8, 1),), (dt.date(2026, 10, 25),)]))
    ends = draw(st.sampled_from([None, None, dt.date(2026, 10, 25)]))
    tariffs = []
    for first in (dt.date(2026, 1, 1), *changes):
        prices = {register: draw(st.sampled_from(PRICES)) for register in OPTIONS[option]}
        tariff = Tariff(
            supplier=supplier,
            offer=draw(st.just("O")),
            option=option,
            power_kva=power_kva,
            applies_from=first,
            applies_to=ends,
            subscription_eur_per_year_ht=Decimal(100) if with_ht else None,
            subscription_eur_per_year_ttc=draw(st.sampled_from([Decimal(120), Decimal("120.01")])),
            prices_eur_per_kwh_ht={one: price / 2 for one, price in prices.items()} if with_ht else {},
            prices_eur_per_kwh_ttc=prices,
            closed_to_new_customers=draw(st.booleans()),
        )
        tariffs.append(SourcedTariff(tariff, last_seen_at=draw(st.sampled_from([OLD, NEW, None]))))
    return Contract(supplier, "O", option, power_kva, tuple(tariffs))


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """Some contracts of two powers, of which two suppliers' may be regulated."""
    found = [
        draw(contracts(supplier, power_kva))
        for power_kva in (6, 9)
        for supplier in draw(st.lists(st.sampled_from("ABCDEFG"), min_size=1, max_size=6))
    ]
    once = {one.key: one for one in found}
    return replace(
        shipped_market(), contracts=tuple(once.values()), regulated=frozenset({("A", "O"), ("B", "O")})
    )


@st.composite
def curves(draw: st.DrawFn, span: Span) -> LoadCurve:
    """Steps of one length, or of two, from before to after a span or a part of it, with gaps."""
    step = draw(st.sampled_from([30, 30, 30, 60, 7]))
    first = span.start_min + draw(st.sampled_from([0, 0, -45, 400]))
    last = span.end_min + draw(st.sampled_from([0, 0, 90, -31]))
    starts = np.arange(first, last, step, dtype=np.int64)
    starts = np.delete(starts, draw(st.lists(st.integers(0, len(starts) - 1), max_size=5)))
    steps = np.full_like(starts, step)
    if draw(st.integers(0, 5)) == 0:
        steps[::2] = max(1, step // 2)
    seed, most = draw(st.integers(0, 2**32)), draw(st.sampled_from([10**5, 10**5, 1, 10**14]))
    energies = np.random.default_rng(seed).integers(0, most, size=len(starts), dtype=np.int64)
    return LoadCurve(starts, steps, energies)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_homes_of_one_batch_have_the_rows_that_each_has_alone(data: st.DataObject) -> None:
    market, span = data.draw(markets()), data.draw(st.sampled_from(SPANS))
    prices: Any = data.draw(st.sampled_from(["then", "now"]))
    asked = PortfolioTerms(
        market=PortfolioMarket(market, shipped_colours()),
        prices=prices,
        now=NOW,
        today=TODAY,
        start=data.draw(st.sampled_from([None, span.start + dt.timedelta(days=1)])),
        include_outdated=data.draw(st.booleans()),
    )
    homes = [
        MeteredHome(
            str(number),
            HomeSetting(data.draw(st.sampled_from([6, 9])), data.draw(st.sampled_from(HOURS))),
            data.draw(curves(span)),
        )
        for number in range(data.draw(st.integers(1, 5)))
    ]
    rows = bill_homes(homes, asked)
    cheapest = bill_homes(homes, replace(asked, top=2))
    assert list(dict.fromkeys(row.home for row in rows)) == [home.home for home in homes]
    for home in homes:
        own = [row for row in rows if row.home == home.home]
        first = [row for row in cheapest if row.home == home.home]
        assert_alone(home, own, first, asked)


def assert_alone(
    home: MeteredHome, rows: list[HomeRow], cheapest: list[HomeRow], asked: PortfolioTerms
) -> None:
    """All rows of a home and its two cheapest are those of its comparison."""
    curve = home.measured
    assert isinstance(curve, LoadCurve)
    span = curve.span(asked.start, asked.end)
    market = asked.market.market
    own = [one for one in market.contracts if one.power_kva == home.setting.power_kva]
    use = use_of_curve(curve, Home(home.setting.off_peak_hours, colours=asked.market.colours), span)
    terms = ComparisonTerms(
        span=span, prices=asked.prices, today=TODAY, include_outdated=asked.include_outdated
    )
    try:
        alone = compare(use, replace(market, contracts=own), terms)
    except BillError as error:
        found = {(row.failed, row.reason) for row in (*rows, *cheapest)}
        wanted = {(True, sentence(error))}
    else:
        found, wanted = set(), set()
        assert_same(rows, alone)
    assert found == wanted
    if wanted:
        return
    ranked = [row for row in rows if row.total_ttc_eur is not None][: len(alone.ranking)]
    if ranked:
        assert cheapest == ranked[:2]
    else:
        assert [row.failed for row in cheapest] == [True]


@settings(max_examples=300)
@given(
    st.lists(st.integers(-(2**70), 2**70) | st.integers(-1000, 1000), min_size=1),
    st.integers(1, 10**6),
    st.integers(1, 2**80) | st.integers(1, 400),
)
def test_amounts_of_any_size_are_rounded_as_one_is(numbers: list[int], above: int, below: int) -> None:
    factor = Fraction(above, below)
    array = np.array(numbers, dtype=object)
    if max(map(abs, numbers)) < 2**63:
        array = array.astype(np.int64)
    found = rounded_products(array, factor).tolist()
    assert found == [rounded(number * factor, 0) for number in numbers]


@pytest.mark.parametrize("watts", [100, 10**10, 10**11])
def test_results_in_parquet_hold_the_rows_whatever_the_size(tmp_path: Any, watts: int) -> None:
    """The exact totals of the larger ones are no int64 any more."""
    span = Span(dt.date(2025, 10, 1), dt.date(2026, 10, 1))
    starts = np.arange(span.start_min, span.end_min, 60, dtype=np.int64)
    steps = np.full_like(starts, 60)
    curve = LoadCurve(starts, steps, steps * watts)
    homes = [MeteredHome(str(power), HomeSetting(power, HOURS[1]), curve) for power in (6, 9)]
    asked = PortfolioTerms(
        market=PortfolioMarket(shipped_market(), shipped_colours()), prices="now", now=NOW, today=TODAY
    )
    batch = bill_batch(homes, asked)
    rows = list(batch)
    assert_alone(
        homes[0],
        [row for row in rows if row.home == "6"],
        bill_homes(homes[:1], replace(asked, top=2)),
        asked,
    )
    (tmp_path / "part.parquet").write_bytes(ParquetResults(columns_of("now")).part(batch))
    found = pq.read_table(tmp_path / "part.parquet").to_pylist()
    assert [HomeRow(**row) for row in found] == rows
    assert max(row.total_ttc_eur or 0 for row in rows) > watts * 8760 // 10_000
