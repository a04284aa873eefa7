"""The API, version 1: each view asks the store once and says what to answer."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable

from flask import Blueprint, current_app
from werkzeug.exceptions import NotFound

from openwatt.domain.guards import guard
from openwatt.representations.tariffs import (
    GuardItem,
    GuardPage,
    OfferItem,
    OfferPage,
    SupplierItem,
    SupplierPage,
    TariffHistory,
    TariffItem,
    TariffPage,
    TempoDayItem,
    TempoPage,
)
from openwatt.store.offers import stored_offers, stored_suppliers
from openwatt.store.tariffs import TariffFilter, cursor_after, tariff_history, tariffs_on
from openwatt.store.tempo import tempo_days
from openwatt.web.api.ingest_health import EXAMPLE, IngestHealth, ingest_health
from openwatt.web.http.app_state import current_troubles
from openwatt.web.http.params import (
    CURSOR,
    FROM,
    INCLUDE_STALE,
    KNOWN_AT,
    LIMIT,
    MOST_ROWS,
    OFFER,
    ON,
    OPTION,
    POWER_KVA,
    SINCE,
    SUPPLIER,
    TO,
    UNTIL,
    USUAL_ROWS,
    cursor_text,
)
from openwatt.web.http.views import Listing, Question, answered, answers

api = Blueprint("api", __name__, url_prefix="/v1")

_ONE_DAY = dt.timedelta(days=1)
#: Days outside are slips of the keyboard, and the calendar's own ends would overflow.
_FIRST_YEAR, _LAST_YEAR = 1900, 2100


def _wanted(question: Question) -> TariffFilter:
    return TariffFilter(*(question.get(parameter) for parameter in (SUPPLIER, OFFER, OPTION, POWER_KVA)))


def _served(items: Iterable[TariffItem]) -> Counter[str]:
    return Counter(item.option for item in items)


def _no_day(last: str, first: str) -> NotFound:
    """Not a bad request: each day is right by itself, there is only nothing between them."""
    return NotFound(f"No day lies in this span: `{last}` is before `{first}`.")


@api.get("/tariffs")
@answered(
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
def tariffs(question: Question) -> Listing:
    """Tariffs on a day.

    The tariff of each contract (offer × option × subscribed power) on a day, the
    regulated one first. A contract whose last known tariff ended before that day is
    listed with it, marked `stale` and with its end date.
    """
    on = question.get(ON, question.today)
    known_at = question.get(KNOWN_AT)
    limit = question.get(LIMIT, USUAL_ROWS)
    found = tariffs_on(
        answers().database,
        _wanted(question),
        on=on,
        known_at=known_at,
        after=question.get(CURSOR),
        limit=limit + 1,
    )
    now = min(question.now, known_at) if known_at else question.now
    troubles = {} if known_at else current_troubles()
    items = [TariffItem.of(published, on=on, now=now, troubles=troubles) for published in found[:limit]]
    if not question.get(INCLUDE_STALE, True):
        items = [item for item in items if item.data_status not in ("stale", "broken")]
    following = None
    if len(found) > limit:
        following = question.address(on=on, cursor=cursor_text(cursor_after(found[limit - 1])))
    page = TariffPage(tariffs=items, on=on, next=following)
    return Listing(page, items, TariffItem, following, _served(items))


@api.get("/tariffs/history")
@answered(
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
def history(question: Question) -> Listing:
    """Tariffs over time.

    Every tariff that was in force on some day from `since` to `until`, contract by
    contract, oldest first. Corrections replace what they correct; what was known
    earlier is found at `/v1/tariffs` with `known_at`.
    """
    since = question.get(SINCE)
    until = question.get(UNTIL, max(question.today, since or question.today))
    if since and until < since:
        raise _no_day("until", "since")
    limit = question.get(LIMIT, USUAL_ROWS)
    found = tariff_history(
        answers().database,
        _wanted(question),
        since=since or dt.date.min,
        until=until,
        after=question.get(CURSOR),
        limit=limit + 1,
    )
    troubles = current_troubles()
    items = [
        TariffItem.of(published, on=published.tariff.applies_from, now=question.now, troubles=troubles)
        for published in found[:limit]
    ]
    following = None
    if len(found) > limit:
        cursor = cursor_text(cursor_after(found[limit - 1], in_history=True))
        following = question.address(until=until, cursor=cursor)
    page = TariffHistory(tariffs=items, since=since, until=until, next=following)
    return Listing(page, items, TariffItem, following, _served(items))


@api.get("/suppliers")
@answered(page=SupplierPage, row=SupplierItem)
def suppliers(_question: Question) -> Listing:
    """Suppliers.

    Every supplier whose tariffs are known.
    """
    items = [
        SupplierItem(name=found.name, offers=found.offers, contracts=found.contracts)
        for found in stored_suppliers(answers().database)
    ]
    return Listing(SupplierPage(suppliers=items), items, SupplierItem)


@api.get("/offers")
@answered(SUPPLIER, page=OfferPage, row=OfferItem)
def offers(question: Question) -> Listing:
    """Offers.

    Every offer, with the options and subscribed powers under which it is sold.
    """
    items = [
        OfferItem(
            supplier=found.supplier,
            name=found.name,
            regulated=found.regulated,
            url=found.url,
            options=found.options,
            powers_kva=found.powers_kva,
        )
        for found in stored_offers(answers().database, question.get(SUPPLIER))
    ]
    return Listing(OfferPage(offers=items), items, OfferItem)


@api.get("/tempo")
@answered(FROM, TO, LIMIT, page=TempoPage, row=TempoDayItem, problems=(404,))
def tempo(question: Question) -> Listing:
    """Tempo colours of a span.

    One item a day, oldest first; a day whose colour nobody has said is `unknown`.
    """
    tomorrow = question.today + _ONE_DAY
    start = question.get(FROM, min(question.today - dt.timedelta(days=7), question.get(TO, tomorrow)))
    end = question.get(TO, max(tomorrow, start))
    if end < start:
        raise _no_day("to", "from")
    if not _FIRST_YEAR <= start.year <= end.year <= _LAST_YEAR:
        raise NotFound(f"Nothing is known of days before {_FIRST_YEAR} or after {_LAST_YEAR}.")
    limit = question.get(LIMIT, USUAL_ROWS)
    last = min(end, start + dt.timedelta(days=limit - 1))
    items = [TempoDayItem.of(day) for day in tempo_days(answers().database, start, last)]
    following = question.address(**{"from": last + _ONE_DAY, "to": end}) if last < end else None
    return Listing(TempoPage(days=items, from_=start, to=end, next=following), items, TempoDayItem, following)


def _tempo_day(day: dt.date) -> TempoDayItem:
    (found,) = tempo_days(answers().database, day, day)
    return TempoDayItem.of(found)


@api.get("/tempo/today")
@answered(page=TempoDayItem)
def tempo_today(question: Question) -> TempoDayItem:
    """Tempo colour of today.

    The colour of today's date in Paris; it holds from 06:00 today to 06:00 tomorrow.
    """
    return _tempo_day(question.today)


@api.get("/tempo/tomorrow")
@answered(page=TempoDayItem)
def tempo_tomorrow(question: Question) -> TempoDayItem:
    """Tempo colour of tomorrow.

    Known around 11:00; `unknown` before.
    """
    return _tempo_day(question.today + _ONE_DAY)


@api.get("/guards/trve-diff")
@answered(ON, OPTION, POWER_KVA, LIMIT, CURSOR, page=GuardPage, row=GuardItem)
def guards_trve_diff(question: Question) -> Listing:
    """Offers beside the regulated tariff.

    Each market offer in force on a day beside the regulated tariff of the same
    option and subscribed power: the difference of the subscription and of each
    register, in EUR and per cent. A figure more than 50 % away is an `alert`.
    """
    on = question.get(ON, question.today)
    limit = question.get(LIMIT, USUAL_ROWS)
    database = answers().database
    wanted = TariffFilter(option=question.get(OPTION), power_kva=question.get(POWER_KVA))
    references = tariffs_on(database, wanted._replace(regulated=True), on=on, limit=MOST_ROWS)
    regulated = {
        (reference.tariff.option, reference.tariff.power_kva): reference.tariff
        for reference in references
        if reference.tariff.holds_on(on)
    }
    found = tariffs_on(
        database, wanted._replace(regulated=False), on=on, after=question.get(CURSOR), limit=limit + 1
    )
    items = [
        GuardItem.of(published, guard(tariff, regulated.get((tariff.option, tariff.power_kva))))
        for published in found[:limit]
        if (tariff := published.tariff).holds_on(on)
    ]
    following = None
    if len(found) > limit:
        following = question.address(on=on, cursor=cursor_text(cursor_after(found[limit - 1])))
    alerts = sum(item.verdict == "alert" for item in items)
    answers().metrics.guard_alerts.labels("trve-diff").inc(alerts)
    return Listing(GuardPage(guards=items, on=on, alerts=alerts, next=following), items, GuardItem, following)


@api.get("/health/ingest")
@answered(page=IngestHealth, example=EXAMPLE)
def health_ingest(question: Question) -> IngestHealth:
    """How the ingestion does.

    Each source's last look, last success, failures since and freshness. The status is 200
    however bad the news is: ask /health/ready whether the service can answer.
    """
    return ingest_health(answers().database, current_app.config["SOURCES"], question.now)
