"""How far a shown price can be trusted to be the price of today."""

import datetime as dt
from typing import Literal

from openwatt.domain.legal_time import PARIS
from openwatt.domain.tariff import Tariff

DataStatus = Literal["fresh", "verifying", "stale"]

FRESH_FOR = dt.timedelta(days=7)
STALE_AFTER = dt.timedelta(days=14)


def data_status(tariff: Tariff, *, on: dt.date, last_seen_at: dt.datetime, now: dt.datetime) -> DataStatus:
    """Whether a tariff, shown as the one of the day `on`, may be out of date.

    A tariff that had ended before `on` is the last one known: `stale`. One whose
    end is known and past can change no more: `fresh`. One that is still in force is
    judged by the last look that found it: `fresh` within 7 days, `stale` after 14,
    `verifying` between (rule of the freshness promise in the README).
    """
    if tariff.applies_to is not None and tariff.applies_to < on:
        return "stale"
    if tariff.applies_to is not None and tariff.applies_to < now.astimezone(PARIS).date():
        return "fresh"
    age = now - last_seen_at
    if age <= FRESH_FOR:
        return "fresh"
    return "verifying" if age < STALE_AFTER else "stale"
