import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from openwatt.domain.legal_time import instant_of, minutes_of
from openwatt.prices.instants import parse_instant
from openwatt.prices.intervals import PriceInterval
from tests.prices.worked import WORKED, regulated


def written(interval: PriceInterval, *, ht: bool) -> list[Any]:
    """An interval as the file writes it; without `ht`, the price without taxes is left out."""
    what = interval.reason.code if interval.reason else interval.price_ttc
    return [
        *(instant_of(at).isoformat(timespec="minutes") for at in (interval.start_min, interval.end_min)),
        interval.register,
        what,
        interval.price_ht if ht else None,
        interval.tariff and interval.tariff.tariff.applies_from,
    ]


def expected(row: list[Any]) -> list[Any]:
    start, end, register, what, ht, applies_from = row
    price = Decimal(what) if what[0].isdigit() else what
    return [start, end, register, price, None if ht is None else Decimal(ht), applies_from]


@pytest.mark.parametrize("worked", WORKED, ids=lambda worked: worked["title"])
def test_every_interval_is_as_worked_out_by_hand(worked: dict[str, Any]) -> None:
    start, end = (minutes_of(parse_instant(worked[name])) for name in ("from", "to"))
    found = regulated(*worked["contract"], worked.get("off_peak", "")).intervals(start, end)
    rows = worked["prices"]
    assert [written(interval, ht=row[4] is not None) for interval, row in zip(found, rows, strict=True)] == [
        expected(row) for row in rows
    ]


def test_the_file_has_days_of_23_and_of_25_hours() -> None:
    lengths = set()
    for worked in WORKED:
        start, end = (parse_instant(worked[name]) for name in ("from", "to"))
        lengths.add((end.astimezone(dt.UTC) - start.astimezone(dt.UTC)) / dt.timedelta(hours=1))
    assert {23, 25} <= lengths
