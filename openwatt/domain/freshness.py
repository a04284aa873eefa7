"""The status of a shown price: how far it can be trusted to be the price of today."""

import datetime as dt
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Literal, Protocol

from openwatt.domain.legal_time import PARIS, day_start

DataStatus = Literal["fresh", "verifying", "stale", "broken"]
#: A source as a whole; `never` while no look at it went well and it is not broken yet.
SourceStatus = Literal["fresh", "verifying", "stale", "broken", "never"]
#: What a source's runs say against its offers: its document is doubted, or it fails again and again.
SourceIncident = Literal["refused", "failing"]

FRESH_FOR = dt.timedelta(days=7)
STALE_AFTER = dt.timedelta(days=14)
#: The instant of a change that time alone never brings.
NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)
#: So many failures in a row make a source broken.
BROKEN_AFTER = 3


class HasEnd(Protocol):
    """What `data_status` takes of a tariff: its last day, if an end is known."""

    @property
    def applies_to(self) -> dt.date | None:
        """The last day, included."""


def data_status(
    tariff: HasEnd,
    *,
    on: dt.date,
    last_seen_at: dt.datetime,
    now: dt.datetime,
    incident: SourceIncident | None = None,
) -> DataStatus:
    """Whether a tariff, shown as the one of the day `on`, may be out of date.

    A tariff that had ended before `on` is the last one known: `stale`. One whose
    end is known and past can change no more: `fresh`. One that is still in force is
    `broken` while its source fails; else it is judged by the last look that found it:
    `fresh` within 7 days, `stale` after 14, `verifying` between, and while a newer
    document of its source is doubted (rule of `data_status` in docs/use.md).
    """
    return _status(tariff.applies_to, on, last_seen_at, now, incident)


def _status(
    applies_to: dt.date | None,
    on: dt.date,
    last_seen_at: dt.datetime,
    now: dt.datetime,
    incident: SourceIncident | None,
) -> DataStatus:
    if applies_to is not None and applies_to < on:
        return "stale"
    if applies_to is not None and applies_to < now.astimezone(PARIS).date():
        return "fresh"
    if incident == "failing":
        return "broken"
    seen = _by_age(now - last_seen_at)
    return "verifying" if seen == "fresh" and incident == "refused" else seen


def next_status_change(
    tariff: HasEnd,
    *,
    on: dt.date,
    last_seen_at: dt.datetime,
    now: dt.datetime,
    incident: SourceIncident | None = None,
) -> dt.datetime:
    """The first instant after `now` at which `data_status` of the same answers otherwise, or `NEVER`."""
    return _next_status_change(tariff.applies_to, on, last_seen_at, now, incident)


@lru_cache(maxsize=256)  # the tariffs of one document have it in common, and it takes 7 to 30 µs
def _next_status_change(
    applies_to: dt.date | None,
    on: dt.date,
    last_seen_at: dt.datetime,
    now: dt.datetime,
    incident: SourceIncident | None,
) -> dt.datetime:
    def status(at: dt.datetime) -> DataStatus:
        return _status(applies_to, on, last_seen_at, at, incident)

    instants = [*_ages_of_change(last_seen_at)]
    if applies_to is not None and applies_to < dt.date.max:
        instants.append(day_start(applies_to + dt.timedelta(days=1)))
    return _next_change(status, instants, now)


def source_status(
    *, last_success_at: dt.datetime | None, incident: SourceIncident | None, now: dt.datetime
) -> SourceStatus:
    """How far a source can be relied on, by its last success and by what its runs say since."""
    if incident == "failing":
        return "broken"
    if last_success_at is None:
        return "never"
    seen = _by_age(now - last_success_at)
    return "verifying" if seen == "fresh" and incident == "refused" else seen


def next_source_status_change(
    *, last_success_at: dt.datetime | None, incident: SourceIncident | None, now: dt.datetime
) -> dt.datetime:
    """The first instant after `now` at which `source_status` of the same answers otherwise, or `NEVER`."""
    if last_success_at is None:
        return NEVER

    def status(at: dt.datetime) -> SourceStatus:
        return source_status(last_success_at=last_success_at, incident=incident, now=at)

    return _next_change(status, [*_ages_of_change(last_success_at)], now)


def incident_of(*, refused: bool, failures_in_a_row: int) -> SourceIncident | None:
    """What the runs of a source say against it; `refused` when its newest one was."""
    if failures_in_a_row >= BROKEN_AFTER:
        return "failing"
    return "refused" if refused else None


def _by_age(age: dt.timedelta) -> Literal["fresh", "verifying", "stale"]:
    if age <= FRESH_FOR:
        return "fresh"
    return "verifying" if age < STALE_AFTER else "stale"


def _ages_of_change(seen_at: dt.datetime) -> Iterator[dt.datetime]:
    """The instants at which `_by_age` changes for what was seen at `seen_at`."""
    yield seen_at + FRESH_FOR + dt.timedelta.resolution  # at exactly FRESH_FOR it is fresh
    yield seen_at + STALE_AFTER


def _next_change(
    status: Callable[[dt.datetime], str], instants: list[dt.datetime], now: dt.datetime
) -> dt.datetime:
    """The first of some instants after `now` at which a status is another one."""
    later = sorted(at for at in instants if at > now)
    present = status(now) if later else ""
    return next((at for at in later if status(at) != present), NEVER)
