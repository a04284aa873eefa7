"""`/v1/tempo`: the colours of Tempo days, which change with the data and at midnight."""

import datetime as dt

from werkzeug.exceptions import NotFound

from openwatt.domain.messages import Message
from openwatt.prices.question import FIRST_DAY, MOST_DAYS_AHEAD
from openwatt.prices.season import count_season
from openwatt.representations.prices import TempoSeasonItem
from openwatt.representations.tariffs import TempoDayItem, TempoPage
from openwatt.store.tempo import tempo_days
from openwatt.web.api.tariffs import no_day_between
from openwatt.web.http.app_state import app_state
from openwatt.web.http.http_errors import detailed
from openwatt.web.http.parameter_types import DAY
from openwatt.web.http.params import LIMIT, USUAL_ROWS, Parameter
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.responses import Collection
from openwatt.web.http.views import cached_view

FROM = Parameter("from", "First day; a week ago when left out.", DAY, "2025-12-01")
UNTIL = Parameter("until", "Last day, included; tomorrow when left out.", DAY, "2025-12-31")
TO = Parameter(
    "to",
    "The old name of `until`: last day, included. Disregarded beside `until`; everywhere else `to` is "
    "the day after the last.",
    DAY,
    deprecated=True,
)
ON = Parameter(
    "on", "The day that the season is counted to, included; today in Paris when left out.", DAY, "2026-03-01"
)
_ONE_DAY = dt.timedelta(days=1)
#: Days outside are slips of the keyboard, and the calendar's own ends would overflow.
_FIRST_YEAR, _LAST_YEAR = 1900, 2100


@cached_view(FROM, UNTIL, TO, LIMIT, page=TempoPage, row=TempoDayItem, problems=(404,))
def tempo(params: RequestParams) -> Collection:
    """Tempo colours of a span.

    One item a day, oldest first; a day whose colour no source states is `unknown`.
    """
    last_name = "to" if params.get(TO) and not params.get(UNTIL) else "until"
    start, end = params.get(FROM), params.get(UNTIL) or params.get(TO)
    if start is None:
        week_ago = params.today - dt.timedelta(days=7)
        start = week_ago if end is None else min(week_ago, end)
    if end is None:
        end = max(params.today + _ONE_DAY, start)
    if end < start:
        raise no_day_between(last_name, "from")
    if not _FIRST_YEAR <= start.year <= end.year <= _LAST_YEAR:
        message = Message.of("problem.outside_years", first=str(_FIRST_YEAR), last=str(_LAST_YEAR))
        raise detailed(NotFound(), message)
    limit = params.get(LIMIT, USUAL_ROWS)
    last = min(end, start + dt.timedelta(days=limit - 1))
    items = [TempoDayItem.of(day) for day in tempo_days(app_state().database, start, last)]
    following = params.address(**{"from": last + _ONE_DAY, last_name: end}) if last < end else None
    page = TempoPage(days=items, from_=start, until=end, to=end, next=following)
    return Collection(page, items, TempoDayItem, following)


def _tempo_day(day: dt.date) -> TempoDayItem:
    (found,) = tempo_days(app_state().database, day, day)
    return TempoDayItem.of(found)


@cached_view(page=TempoDayItem)
def tempo_today(params: RequestParams) -> TempoDayItem:
    """Tempo colour of today.

    The colour of today's date in Paris; it holds from 06:00 today to 06:00 tomorrow.
    """
    return _tempo_day(params.today)


@cached_view(page=TempoDayItem)
def tempo_tomorrow(params: RequestParams) -> TempoDayItem:
    """Tempo colour of tomorrow.

    Known around 11:00; `unknown` before.
    """
    return _tempo_day(params.today + _ONE_DAY)


@cached_view(ON, page=TempoSeasonItem, problems=(404,))
def tempo_season(params: RequestParams) -> TempoSeasonItem:
    """Tempo season of a day.

    How many days of each colour the season had up to a day, and how many the tariff's terms
    leave: 22 red and 43 white ones a season, the others are blue.
    """
    on = params.get(ON) or params.today
    if not FIRST_DAY <= on <= params.today + dt.timedelta(days=MOST_DAYS_AHEAD):
        message = Message.of("problem.outside_days", first=Message.day(FIRST_DAY), most=MOST_DAYS_AHEAD)
        raise detailed(NotFound(), message)
    return TempoSeasonItem.of(count_season(app_state().market.colours()["TEMPO"], on))
