import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from typing import Any

import dask.bag
import pytest

from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.bill import to_cents, to_kwh
from openwatt.domain.calendar import Home
from openwatt.domain.comparison import Comparison, ComparisonTerms, compare
from openwatt.domain.contract import PriceBasis
from openwatt.domain.legal_time import Span
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import OffPeakHours, parse_off_peak_hours
from openwatt.domain.usage import use_of_curve
from openwatt.meter.read import read_load_curve
from openwatt.portfolio.billing.kernel import (
    HomeSetting,
    MeteredHome,
    PortfolioTerms,
    Unreadable,
    bill_homes,
)
from openwatt.portfolio.billing.rows import HomeRow
from openwatt.portfolio.market import PortfolioMarket
from openwatt.representations.figures import cents
from openwatt.sentences.catalogue import sentence
from tests.portfolio.village import NOW, WEEK, curve, export, zipped
from tests.shared_data import SHARED, needs_shared_data

NIGHT = (parse_off_peak_hours("22:00-06:00"),)
NOON = (parse_off_peak_hours("01:40-07:10;12:40-15:10"),)
SHIPPED = PortfolioMarket(shipped_market(), shipped_colours())
ASKED = PortfolioTerms(market=SHIPPED, prices="now", now=NOW, today=NOW.date())
SIX = HomeSetting(6, NIGHT)
#: The last three days have no Tempo colour yet.
TO_TOMORROW = Span(dt.date(2026, 11, 15), dt.date(2026, 11, 22))
SPANS = (
    WEEK,
    Span(dt.date(2025, 3, 29), dt.date(2025, 4, 2)),
    Span(dt.date(2026, 1, 28), dt.date(2026, 2, 3)),
)


def compared(home: LoadCurve, setting: HomeSetting, terms: PortfolioTerms) -> Comparison:
    """What the comparison of this one home says."""
    market, whole = shipped_market(), home.measured_days()
    span = Span(terms.start or whole.start, terms.end or whole.end)
    contracts = [one for one in market.contracts if one.power_kva == setting.power_kva]
    use = use_of_curve(home, Home(setting.off_peak_hours, colours=shipped_colours()), span)
    asked = ComparisonTerms(
        span=span, prices=terms.prices, today=terms.today, include_outdated=terms.include_outdated
    )
    return compare(use, replace(market, contracts=contracts), asked)


def assert_same(rows: Sequence[HomeRow], alone: Comparison) -> None:
    """Every amount of the rows is that of the comparison and of its bills, in the same order."""
    costed = [row for row in rows if row.total_ttc_eur is not None]
    every = (*alone.ranking, *alone.outdated)
    assert [row[1:5] for row in costed] == [one.contract.key for one in every]
    assert {row[1:5] for row in rows if row.total_ttc_eur is None} == {one.key for one, _ in alone.left_out}
    for row, one in zip(costed, every, strict=True):
        bill, saving = alone.bill(one.contract), one.saving_against_regulated
        beside = one.saving_against_baseline
        assert row.total_ttc_eur == to_cents(one.total_ttc)
        assert row.total_ht_eur == (None if bill.ht is None else to_cents(bill.ht))
        assert row.total_ttc_eur_per_year == cents(alone.per_year(one.total_ttc, whole=one.whole))
        assert row.saving_against_regulated_eur == (None if saving is None else to_cents(saving))
        assert row.saving_against_regulated_eur_per_year == cents(alone.per_year(saving, whole=one.whole))
        assert row.saving_against_baseline_eur == cents(beside)
        assert row.saving_against_baseline_eur_per_year == cents(alone.per_year(beside, whole=one.whole))
        assert (row.unseen_registers or "") == " ".join(one.unseen)
        assert (row.start, row.end) == (alone.span.start, alone.span.end)
        assert (row.whole, row.reason or "") == (one.whole, "; ".join(map(sentence, one.partial)))
        assert row.closed_to_new_customers == one.closed_to_new_customers
        if alone.prices == "then":
            assert (row.outdated, row.last_seen_on, row.overtaken_on, row.source_kind) == (None,) * 4
        else:
            assert (row.outdated, row.last_seen_on) == (one.outdated is not None, one.last_seen_on)
            assert row.source_kind == one.source_kind
            assert row.overtaken_on == (one.outdated.changed_on if one.outdated else None)
        assert (row.expected_half_hours, row.present_half_hours) == (
            alone.coverage.expected_half_hours,
            alone.coverage.present_half_hours,
        )


def village(homes: int) -> list[MeteredHome]:
    """Homes of several powers, hours, spans and gaps, one third of them as files."""
    made = []
    for seed in range(homes):
        hours: tuple[OffPeakHours, ...] = NOON if seed % 4 == 0 else NIGHT
        home = curve(seed, SPANS[seed % 3], gap=seed % 5 == 0)
        setting = HomeSetting((3, 6, 9, 12)[seed // 2 % 4], hours)
        made.append(MeteredHome(f"home {seed}", setting, export(home) if seed % 3 == 1 else home))
    return made


@pytest.mark.parametrize("prices", ["now", "then"])
def test_hundreds_of_homes_cost_to_the_cent_what_each_costs_alone(prices: PriceBasis) -> None:
    homes, asked = village(150), replace(ASKED, prices=prices)
    rows = {name: list(found) for name, found in groupby(bill_homes(homes, asked), key=lambda row: row.home)}
    assert list(rows) == [home.home for home in homes]
    for number, home in enumerate(homes):
        alone = compared(curve(number, SPANS[number % 3], gap=number % 5 == 0), home.setting, asked)
        assert_same(rows[home.home], alone)


@needs_shared_data
@pytest.mark.parametrize("prices", ["now", "then"])
def test_the_real_year_costs_what_its_comparison_says(prices: PriceBasis) -> None:
    data = (SHARED / "load_curves/Enedis_Conso_Heure_20230809-20240725_1429xxxxxxxxxx.csv").read_bytes()
    asked = replace(ASKED, prices=prices)
    rows = bill_homes([MeteredHome("real", SIX, data), MeteredHome("zip", SIX, zipped(data))], asked)
    half = len(rows) // 2
    assert [row[1:] for row in rows[:half]] == [row[1:] for row in rows[half:]]
    real = read_load_curve(data, NOW)
    assert_same(rows[:half], compared(real, SIX, asked))
    assert rows[0].kwh == to_kwh(real.energy) == Decimal("5830.467")


def test_energy_of_days_without_colour_makes_tempo_partial_and_last() -> None:
    home = curve(1, Span(TO_TOMORROW.start, dt.date(2026, 12, 2)))
    asked = replace(ASKED, now=dt.datetime(2026, 12, 5, tzinfo=dt.UTC))
    rows = [row for row in bill_homes([MeteredHome("late", SIX, home)], asked) if row.outdated is False]
    assert_same(bill_homes([MeteredHome("late", SIX, home)], asked), compared(home, SIX, asked))
    partial = [row for row in rows if not row.whole]
    assert "TEMPO" in {row.option for row in partial} <= {"TEMPO", "OCTOTEMPO", "ZEN_FLEX"}
    assert partial == rows[-len(partial) :]
    assert all("belong to no known register" in (row.reason or "") for row in partial)


def test_the_same_days_are_costed_for_all_when_they_are_given() -> None:
    asked = replace(ASKED, start=dt.date(2026, 10, 21), end=dt.date(2026, 10, 24))
    rows = bill_homes([MeteredHome(str(seed), SIX, curve(seed)) for seed in range(3)], asked)
    assert {(row.start, row.end, row.expected_half_hours) for row in rows} == {(asked.start, asked.end, 144)}
    alone = compared(curve(2), SIX, asked)
    assert_same([row for row in rows if row.home == "2"], alone)


def test_the_cheapest_are_kept_where_only_they_are_asked_for() -> None:
    homes = village(6)
    every = bill_homes(homes, ASKED)
    cheapest = bill_homes(homes, replace(ASKED, top=2))
    assert len(cheapest) > 6
    for home in homes:
        rows = [row for row in every if row.home == home.home]
        kept = [row for row in cheapest if row.home == home.home]
        if current := [row for row in rows if row.outdated is False][:2]:
            assert kept == current
        else:
            (alone,) = kept
            assert alone.failed
            assert "no price can be today's" in (alone.reason or "")


def test_every_home_has_its_cheapest_where_outdated_prices_are_included() -> None:
    homes, asked = village(6), replace(ASKED, include_outdated=True)
    every, cheapest = bill_homes(homes, asked), bill_homes(homes, replace(asked, top=2))
    assert len(cheapest) == 12
    for number, home in enumerate(homes):
        rows = [row for row in every if row.home == home.home]
        assert [row for row in cheapest if row.home == home.home] == rows[:2]
        alone = compared(curve(number, SPANS[number % 3], gap=number % 5 == 0), home.setting, asked)
        assert not alone.outdated
        assert_same(rows, alone)
    assert {row.outdated for row in cheapest} >= {True}


@pytest.mark.parametrize(
    ("measured", "setting", "reason"),
    [
        (b"", SIX, "the file is empty"),
        (b"\x00\x01\x02" * 99, SIX, "the file is binary, not an export of a meter"),
        (b"PK\x03\x04 no zip", SIX, "the zip file cannot be read"),
        (Unreadable("the file cannot be read: Permission denied"), SIX, "Permission denied"),
        (curve(1), HomeSetting(None, NIGHT), "its subscribed power is not said"),
        (curve(1), HomeSetting(6, ()), None),
        (curve(1, Span(dt.date(1999, 1, 1), dt.date(1999, 1, 3))), SIX, None),
    ],
)
def test_what_is_wrong_with_one_home_leaves_the_others_as_they_are(
    measured: bytes | LoadCurve | Unreadable, setting: HomeSetting, reason: str | None
) -> None:
    good = [MeteredHome("before", SIX, curve(8)), MeteredHome("after", SIX, export(curve(9)))]
    rows = bill_homes([good[0], MeteredHome("odd", setting, measured), good[1]], ASKED)
    odd = [row for row in rows if row.home == "odd"]
    assert [row for row in rows if row.home != "odd"] == bill_homes(good, ASKED)
    if reason is None:  # Some contracts can still be costed: of BASE, or at today's prices.
        assert len(odd) > 10
        assert any(row.total_ttc_eur for row in odd)
    else:
        (row,) = odd
        assert row.failed
        assert reason in (row.reason or "")


def test_a_home_for_which_nothing_can_be_costed_says_why() -> None:
    old = curve(1, Span(dt.date(1999, 1, 1), dt.date(1999, 1, 3)))
    (row,) = bill_homes([MeteredHome("old", SIX, old)], replace(ASKED, prices="then"))
    assert row.failed
    assert row.reason == (
        "no contract can be costed: no price with all taxes is known from 1999-01-01 to 1999-01-03"
    )


def test_a_fault_of_a_reader_is_one_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes, now: dt.datetime, _options: object) -> LoadCurve:
        raise RecursionError(f"{len(data)} bytes of a customer at {now}")

    monkeypatch.setattr("openwatt.portfolio.billing.kernel.read_load_curve", broken)
    rows = bill_homes([MeteredHome("odd", SIX, b"x"), MeteredHome("good", SIX, curve(1))], ASKED)
    assert rows[0] == HomeRow("odd", reason="a fault of the reader: RecursionError")
    assert rows[1:] == bill_homes([MeteredHome("good", SIX, curve(1))], ASKED)


def test_a_dask_map_over_partitions_gives_the_same_rows() -> None:
    homes = [*village(40), MeteredHome("bad", SIX, b"no meter")]
    dask_bag: Any = dask.bag  # its functions have no types
    bag = dask_bag.from_sequence(homes, npartitions=5)
    rows = bag.map_partitions(bill_homes, ASKED).compute(scheduler="processes", num_workers=2)
    assert rows == bill_homes(homes, ASKED)
    assert rows[-1].failed


def test_a_new_look_at_a_price_is_another_market_only_where_it_decides_what_is_outdated() -> None:
    def seen(at: dt.datetime) -> PortfolioMarket:
        (tariff,) = contract.tariffs[-1:]
        later = replace(contract, tariffs=(*contract.tariffs[:-1], replace(tariff, last_seen_at=at)))
        return PortfolioMarket(replace(shipped_market(), contracts=(later,)), shipped_colours())

    contract = next(one for one in shipped_market().contracts if one.key == ("EDF", "Tarif Bleu", "BASE", 6))
    august, september = (dt.datetime(2026, month, 20, tzinfo=dt.UTC) for month in (8, 9))
    assert seen(august).edition == seen(september).edition
    assert seen(dt.datetime(2026, 7, 20, tzinfo=dt.UTC)).edition != seen(august).edition
