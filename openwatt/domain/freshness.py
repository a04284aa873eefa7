"""The status of a shown price: how far it can be trusted to be the price of today."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

from openwatt.domain.legal_time import PARIS, day_start
from openwatt.domain.messages import Message

DataStatus = Literal["fresh", "verifying", "stale", "broken"]
#: Why a status is not `fresh`, the strongest reason first.
DataStatusReason = Literal["ended", "overtaken", "failing", "refused", "not_seen"]
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


class HasPeriod(Protocol):
    """What a status takes of a tariff: its first day, and its last if an end is known."""

    @property
    def applies_from(self) -> dt.date:
        """The first day."""

    @property
    def applies_to(self) -> dt.date | None:
        """The last day, included."""


class ExplainedStatus(NamedTuple):
    """A status and the reason of it; `fresh` has none."""

    status: DataStatus
    reason: DataStatusReason | None


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Why a price cannot be today's: it was last seen before duties or the network tariff changed."""

    seen_on: dt.date
    changed_on: dt.date

    @property
    def message(self) -> Message:
        """The reason as customers read it."""
        return Message.of("outdated.overtaken", **self._days)

    @property
    def message_of_newest(self) -> Message:
        """Where no price can be today's: the reason, of the newest of them."""
        return Message.of("outdated.every_price", **self._days)

    @property
    def _days(self) -> dict[str, Message]:
        return {"seen": Message.day(self.seen_on), "changed": Message.day(self.changed_on)}


def overtaken(
    applies_from: dt.date, seen_on: dt.date, *, today: dt.date, changes: Sequence[dt.date]
) -> Overtaken | None:
    """Why a price in force cannot be today's; None where it can.

    `changes` are the days on which duties or the network tariff change, in order, and a
    supplier's prices with them. A price is of the newest of them when it was seen on that
    day or later, or was announced before with a first day of its own on that day or later.
    """
    changed_on = _overtaken_on(applies_from, seen_on, changes)
    return Overtaken(seen_on, changed_on) if changed_on is not None and changed_on <= today else None


def _overtaken_on(applies_from: dt.date, seen_on: dt.date, changes: Sequence[dt.date]) -> dt.date | None:
    """The first change that a price, last seen on a day, says nothing of."""
    following = bisect_right(changes, max(applies_from, seen_on))
    return changes[following] if following < len(changes) else None


def data_status(
    tariff: HasPeriod,
    *,
    on: dt.date,
    last_seen_at: dt.datetime,
    now: dt.datetime,
    incident: SourceIncident | None = None,
    changes: Sequence[dt.date],
) -> DataStatus:
    """The status of `explained_status` alone."""
    explained = explained_status(
        tariff, on=on, last_seen_at=last_seen_at, now=now, incident=incident, changes=changes
    )
    return explained.status


def explained_status(
    tariff: HasPeriod,
    *,
    on: dt.date,
    last_seen_at: dt.datetime,
    now: dt.datetime,
    incident: SourceIncident | None = None,
    changes: Sequence[dt.date],
) -> ExplainedStatus:
    """Whether a tariff, shown as the one of the day `on`, may be out of date, and why.

    A tariff that had ended before `on` is the last one known: `stale`. One whose
    end is known and past can change no more: `fresh`. One that is still in force is
    `broken` while its source fails; else it is `stale` when one of the `changes` of duties
    has overtaken it (`overtaken`), and is judged by the last look that found it:
    `fresh` within 7 days, `stale` after 14, `verifying` between, and while a newer
    document of its source is doubted (rule of `data_status` in docs/use.md).
    """
    return _judged(tariff, on, last_seen_at, incident, changes).status(now)


class _Judged(NamedTuple):
    """All of a tariff that its status depends on, beside the instant."""

    applies_to: dt.date | None
    overtaken_on: dt.date | None
    on: dt.date
    last_seen_at: dt.datetime
    incident: SourceIncident | None

    def status(self, now: dt.datetime) -> ExplainedStatus:
        """The status at an instant."""
        applies_to, overtaken_on, on, last_seen_at, incident = self
        if applies_to is not None and applies_to < on:
            return ExplainedStatus("stale", "ended")
        today = now.astimezone(PARIS).date()
        if applies_to is not None and applies_to < today:
            return ExplainedStatus("fresh", None)
        is_overtaken = overtaken_on is not None and overtaken_on <= max(on, today)
        if incident == "failing":
            return ExplainedStatus("broken", "overtaken" if is_overtaken else "failing")
        if is_overtaken:
            return ExplainedStatus("stale", "overtaken")
        seen = _by_age(now - last_seen_at)
        if incident == "refused" and seen != "stale":
            return ExplainedStatus("verifying", "refused")
        return ExplainedStatus(seen, None if seen == "fresh" else "not_seen")


def _judged(
    tariff: HasPeriod,
    on: dt.date,
    last_seen_at: dt.datetime,
    incident: SourceIncident | None,
    changes: Sequence[dt.date],
) -> _Judged:
    overtaken_on = _overtaken_on(tariff.applies_from, last_seen_at.astimezone(PARIS).date(), changes)
    return _Judged(tariff.applies_to, overtaken_on, on, last_seen_at, incident)


def next_status_change(
    tariff: HasPeriod,
    *,
    on: dt.date,
    last_seen_at: dt.datetime,
    now: dt.datetime,
    incident: SourceIncident | None = None,
    changes: Sequence[dt.date],
) -> dt.datetime:
    """The first instant after `now` at which `explained_status` of the same answers otherwise, or `NEVER`."""
    return _next_status_change(_judged(tariff, on, last_seen_at, incident, changes), now)


@lru_cache(maxsize=256)  # the tariffs of one document have it in common, and it takes 7 to 30 µs
def _next_status_change(judged: _Judged, now: dt.datetime) -> dt.datetime:
    instants = [*_ages_of_change(judged.last_seen_at)]
    if judged.applies_to is not None and judged.applies_to < dt.date.max:
        instants.append(day_start(judged.applies_to + dt.timedelta(days=1)))
    if judged.overtaken_on is not None:
        instants.append(day_start(judged.overtaken_on))
    return _next_change(judged.status, instants, now)


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
    status: Callable[[dt.datetime], object], instants: list[dt.datetime], now: dt.datetime
) -> dt.datetime:
    """The first of some instants after `now` at which a status is another one."""
    later = sorted(at for at in instants if at > now)
    present = status(now) if later else None
    return next((at for at in later if status(at) != present), NEVER)
