"""How far a shown price can be trusted to be the price of today."""

import datetime as dt
from typing import Literal

from openwatt.domain.legal_time import PARIS
from openwatt.domain.tariff import Tariff

DataStatus = Literal["fresh", "verifying", "stale", "broken"]
#: A source as a whole; `never` while no look at it went well and it is not broken yet.
SourceStatus = Literal["fresh", "verifying", "stale", "broken", "never"]
#: What a source's runs say against its offers: its document is doubted, or it fails again and again.
Trouble = Literal["refused", "failing"]

FRESH_FOR = dt.timedelta(days=7)
STALE_AFTER = dt.timedelta(days=14)
#: So many failures in a row make a source broken.
BROKEN_AFTER = 3


def data_status(
    tariff: Tariff,
    *,
    on: dt.date,
    last_seen_at: dt.datetime,
    now: dt.datetime,
    trouble: Trouble | None = None,
) -> DataStatus:
    """Whether a tariff, shown as the one of the day `on`, may be out of date.

    A tariff that had ended before `on` is the last one known: `stale`. One whose
    end is known and past can change no more: `fresh`. One that is still in force is
    `broken` while its source fails; else it is judged by the last look that found it:
    `fresh` within 7 days, `stale` after 14, `verifying` between, and while a newer
    document of its source is doubted (rule of the freshness promise in the README).
    """
    if tariff.applies_to is not None and tariff.applies_to < on:
        return "stale"
    if tariff.applies_to is not None and tariff.applies_to < now.astimezone(PARIS).date():
        return "fresh"
    if trouble == "failing":
        return "broken"
    seen = _by_age(now - last_seen_at)
    return "verifying" if seen == "fresh" and trouble == "refused" else seen


def source_status(
    *, last_success_at: dt.datetime | None, trouble: Trouble | None, now: dt.datetime
) -> SourceStatus:
    """How far a source can be relied on, by its last success and by what its runs say since."""
    if trouble == "failing":
        return "broken"
    if last_success_at is None:
        return "never"
    seen = _by_age(now - last_success_at)
    return "verifying" if seen == "fresh" and trouble == "refused" else seen


def trouble_of(*, refused: bool, failures_in_a_row: int) -> Trouble | None:
    """What the runs of a source say against it; `refused` when its newest one was."""
    if failures_in_a_row >= BROKEN_AFTER:
        return "failing"
    return "refused" if refused else None


def _by_age(age: dt.timedelta) -> Literal["fresh", "verifying", "stale"]:
    if age <= FRESH_FOR:
        return "fresh"
    return "verifying" if age < STALE_AFTER else "stale"
