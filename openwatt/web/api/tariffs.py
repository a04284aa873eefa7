"""`/v1/tariffs`: the tariffs of a day, and over time."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from werkzeug.exceptions import NotFound

from openwatt.comparison.source_incidents import OfferIncidents, incident_of_offer
from openwatt.domain.freshness import next_status_change
from openwatt.domain.messages import Message
from openwatt.representations.tariffs import TariffHistory, TariffItem, TariffPage
from openwatt.store.tariffs import (
    PublishedTariff,
    Reliable,
    TariffFilter,
    cursor_after,
    tariff_history,
    tariffs_on,
)
from openwatt.web.api.tariff_params import (
    CURSOR,
    OFFER,
    ON,
    OPTION,
    POWER_KVA,
    SUPPLIER,
    cursor_text,
    horizon_of,
)
from openwatt.web.http.app_state import app_state
from openwatt.web.http.http_errors import detailed
from openwatt.web.http.parameter_types import BOOLEAN, DAY, day_or_instant, read_end
from openwatt.web.http.params import LIMIT, USUAL_ROWS, Parameter
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.responses import Collection
from openwatt.web.http.views import cached_view

KNOWN_AT = Parameter(
    "known_at",
    "What was known at this instant (RFC 3339, or a day, which means its end); now when left out.",
    day_or_instant(read_end),
    "2026-03-01",
)
INCLUDE_STALE = Parameter(
    "include_stale",
    "Whether tariffs whose data_status is `stale` or `broken` are listed too; true when left out.",
    BOOLEAN,
    True,
    default=True,
)
SINCE = Parameter("since", "First day; the oldest known when left out.", DAY, "2022-01-01")
UNTIL = Parameter("until", "Last day, included; today when left out.", DAY, "2024-12-31")


def _filter(params: RequestParams) -> TariffFilter:
    return TariffFilter(*(params.get(parameter) for parameter in (SUPPLIER, OFFER, OPTION, POWER_KVA)))


def _page(items: Sequence[TariffItem], page: TariffPage | TariffHistory, following: str | None) -> Collection:
    served = Counter(item.option for item in items)
    return Collection(page, items, TariffItem, following, served)


def _item(
    published: PublishedTariff,
    params: RequestParams,
    *,
    on: dt.date,
    now: dt.datetime,
    incidents: OfferIncidents,
) -> TariffItem:
    """A tariff as an item of the answer, which is true until the item's status changes."""
    changes = app_state().market.change_days
    if now == params.now:
        incident = incident_of_offer(published, incidents)
        seen_at = published.last_seen_at
        change = next_status_change(
            published, on=on, last_seen_at=seen_at, now=now, incident=incident, changes=changes
        )
        params.expire_at(change)
    return TariffItem.of(published, on=on, now=now, changes=changes, incidents=incidents)


@cached_view(
    SUPPLIER,
    OFFER,
    OPTION,
    POWER_KVA,
    ON,
    KNOWN_AT,
    INCLUDE_STALE,
    LIMIT,
    CURSOR,
    page=TariffPage,
    row=TariffItem,
)
def tariffs(params: RequestParams) -> Collection:
    """Tariffs on a day.

    The tariff of each contract (offer × option × subscribed power) on a day, the
    regulated one first. A contract whose last known tariff ended before that day is
    listed with it, marked `stale` and with its end date.
    """
    on = params.get(ON) or params.today
    known_at = params.get(KNOWN_AT)
    now = min(params.now, known_at) if known_at else params.now
    incidents = {} if known_at else app_state().source_incidents.current()
    limit, horizon = params.get(LIMIT, USUAL_ROWS), horizon_of(params)
    reliable = None
    if not params.get(INCLUDE_STALE, True):
        _ = params.today  # one that is left out may be over, and right, from midnight on
        failing = [offer for offer, incident in incidents.items() if incident == "failing"]
        reliable = Reliable(now, app_state().market.change_days, failing)
    found = tariffs_on(
        app_state().database,
        _filter(params),
        on=on,
        known_at=known_at,
        reliable=reliable,
        after=params.get(CURSOR),
        horizon=horizon,
        limit=limit + 1,
    )
    items = [_item(published, params, on=on, now=now, incidents=incidents) for published in found[:limit]]
    following = None
    if len(found) > limit:
        following = params.address(on=on, cursor=cursor_text(cursor_after(found[limit - 1], horizon=horizon)))
    return _page(items, TariffPage(tariffs=items, on=on, next=following), following)


@cached_view(
    SUPPLIER,
    OFFER,
    OPTION,
    POWER_KVA,
    SINCE,
    UNTIL,
    LIMIT,
    CURSOR,
    page=TariffHistory,
    row=TariffItem,
    problems=(404,),
)
def history(params: RequestParams) -> Collection:
    """Tariffs over time.

    Every tariff that was in force on some day from `since` to `until`, contract by
    contract, oldest first. Corrections replace what they correct; what was known
    earlier is found at `/v1/tariffs` with `known_at`.
    """
    since = params.get(SINCE)
    until = params.get(UNTIL) or max(params.today, since or dt.date.min)
    if since and until < since:
        raise no_day_between("until", "since")
    limit, horizon = params.get(LIMIT, USUAL_ROWS), horizon_of(params)
    found = tariff_history(
        app_state().database,
        _filter(params),
        since=since or dt.date.min,
        until=until,
        after=params.get(CURSOR),
        horizon=horizon,
        limit=limit + 1,
    )
    incidents = app_state().source_incidents.current()
    items = [
        _item(published, params, on=published.applies_from, now=params.now, incidents=incidents)
        for published in found[:limit]
    ]
    following = None
    if len(found) > limit:
        cursor = cursor_text(cursor_after(found[limit - 1], horizon=horizon, in_history=True))
        following = params.address(until=until, cursor=cursor)
    return _page(items, TariffHistory(tariffs=items, since=since, until=until, next=following), following)


def no_day_between(last: str, first: str) -> NotFound:
    """The error of a span without a day; each of its two days is right by itself: it is no bad request."""
    return detailed(NotFound(), Message.of("problem.no_day_between", last=last, first=first))
