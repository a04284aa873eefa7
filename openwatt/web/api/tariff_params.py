"""Parameters that choose tariffs: the same in the API and on the pages."""

import datetime as dt

from openwatt.domain.messages import Message
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA, OPTIONS
from openwatt.store.tariffs import Cursor, Horizon
from openwatt.web.http.app_state import app_state
from openwatt.web.http.parameter_types import DAY, NAME, choice, integer, string
from openwatt.web.http.params import Parameter
from openwatt.web.http.request_params import RequestParams

_NAME = r"[^~\x00-\x1f\x7f]{1,100}"
_POSITION = rf"[01]~{_NAME}~{_NAME}~({'|'.join(OPTIONS)})~([1-9]|[12][0-9]|3[0-6])(~[1-9][0-9]{{5}})?"
_CURSOR = rf"{_POSITION}(~v[0-9]{{1,18}}(\.[0-9]{{1,18}}){{2}})?"


def cursor_text(cursor: Cursor) -> str:
    """A cursor as text. Names hold no `~`: a constraint of the database excludes it."""
    regulated, *names, power_kva, applies_from, horizon = cursor
    day = [applies_from.toordinal()] if applies_from else []
    version = ["v" + ".".join(map(str, horizon))] if horizon else []
    fields = [int(regulated), *names, power_kva, *day, *version]
    return "~".join(map(str, fields))


def _read_cursor(text: str) -> Cursor:
    position, _, version = text.partition("~v")
    regulated, supplier, offer, option, power_kva, *day = position.split("~")
    applies_from = dt.date.fromordinal(int(day[0])) if day else None
    horizon = Horizon(*map(int, version.split("."))) if version else None
    return Cursor(regulated == "1", supplier, offer, option, int(power_kva), applies_from, horizon)


SUPPLIER = Parameter("supplier", "Name of the supplier, in any case of letters.", NAME, "EDF")
OFFER = Parameter("offer", "Name of the offer, in any case of letters.", NAME, "Tarif Bleu")
OPTION = Parameter("option", "Tariff option.", choice(*OPTIONS), "BASE")
POWER_KVA = Parameter(
    "power_kva", "Subscribed power in kVA.", integer(MIN_POWER_KVA, MAX_POWER_KVA, "kVA"), 6
)
ON = Parameter("on", "Day on which the tariff applies; today in Paris when left out.", DAY, "2025-09-01")
CURSOR = Parameter(
    "cursor",
    "Where a list goes on: the value found in `next`.",
    string(_CURSOR, Message("parameter.cursor"), _read_cursor),
)


def horizon_of(params: RequestParams) -> Horizon:
    """Up to where this page of a list is read: as the first one was, so that no row moves between pages."""
    cursor: Cursor | None = params.get(CURSOR)
    return (cursor and cursor.horizon) or app_state().horizon.current()
