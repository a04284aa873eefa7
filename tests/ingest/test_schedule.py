"""Which sources are looked at, in which order, when, and at which address."""

import datetime as dt

import pytest

from openwatt.ingest.declarations import load_sources
from openwatt.ingest.schedule import fill_in_season, is_due, skip_reason, sort_sources

SOURCES = load_sources()
NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def test_the_regulator_comes_before_the_sheet_of_the_same_tariff_and_that_before_the_market() -> None:
    order = [source.name for source in sort_sources(SOURCES.values())]
    assert sorted(order) == sorted(SOURCES)
    first_market = order.index("alpiq")
    assert order.index("cre_open_data_base") < order.index("edf_tarif_bleu") < first_market
    assert not any(SOURCES[name].regulated for name in order[first_market:])


@pytest.mark.parametrize(
    ("source", "hours", "due"),
    [
        ("edf_tarif_bleu", 21, False),
        ("edf_tarif_bleu", 22.5, True),
        ("yeli_verte", 6 * 24, False),
        ("yeli_verte", 7 * 24, True),
    ],
)
def test_a_source_is_due_at_its_cadence_a_little_early(source: str, hours: float, *, due: bool) -> None:
    assert is_due(SOURCES[source], NOON - dt.timedelta(hours=hours), NOON) is due
    assert is_due(SOURCES[source], None, NOON)


def test_what_cannot_be_looked_at_is_skipped_with_the_reason() -> None:
    assert "no document of it" in (skip_reason(SOURCES["es_bleu"]) or "")
    assert "--file" in (skip_reason(SOURCES["cre_annex"]) or "")
    assert skip_reason(SOURCES["edf_tarif_bleu"]) is None


@pytest.mark.parametrize(
    ("day", "season"),
    [("2026-08-30", "2025-2026"), ("2026-08-31", "2026-2027"), ("2027-01-01", "2026-2027")],
)
def test_rte_is_asked_for_the_season_of_the_next_day(day: str, season: str) -> None:
    address = SOURCES["rte_tempo"].address
    assert address is not None
    assert fill_in_season(address, dt.date.fromisoformat(day)).endswith(f"season={season}")
