"""Parameters that choose tariffs: the same in the API and on the pages."""

import datetime as dt

from openwatt.domain.messages import Message
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA, OPTIONS
from openwatt.store.tariffs import Cursor
from openwatt.web.http.parameter_types import DAY, NAME, choice, day_or_instant, integer, read_end, string
from openwatt.web.http.params import Parameter
from openwatt.web.http.request_params import RequestParams

_NAME = r"[^~\x00-\x1f\x7f]{1,100}"
_CURSOR = rf"[01]~{_NAME}~{_NAME}~({'|'.join(OPTIONS)})~([1-9]|[12][0-9]|3[0-6])(~[1-9][0-9]{{5}})?"


def cursor_text(cursor: Cursor) -> str:
    """A cursor as text. Names hold no `~`: a constraint of the database excludes it."""
    regulated, *names, power_kva, applies_from = cursor
    day = [applies_from.toordinal()] if applies_from else []
    fields = [int(regulated), *names, power_kva, *day]
    return "~".join(map(str, fields))


def _read_cursor(text: str) -> Cursor:
    regulated, supplier, offer, option, power_kva, *day = text.split("~")
    applies_from = dt.date.fromordinal(int(day[0])) if day else None
    return Cursor(regulated == "1", supplier, offer, option, int(power_kva), applies_from)


SUPPLIER = Parameter("supplier", "Name of the supplier, in any case of letters.", NAME, "EDF")
OFFER = Parameter("offer", "Name of the offer, in any case of letters.", NAME, "Tarif Bleu")
OPTION = Parameter("option", "Tariff option.", choice(*OPTIONS), "BASE")
POWER_KVA = Parameter(
    "power_kva", "Subscribed power in kVA.", integer(MIN_POWER_KVA, MAX_POWER_KVA, "kVA"), 6
)
ON = Parameter("on", "Day on which the tariff applies; today in Paris when left out.", DAY, "2025-09-01")
KNOWN_AT = Parameter(
    "known_at",
    "What was known at this instant (RFC 3339, or a day, which means its end); now when left out. The "
    "address in `next` has it, so that what is published meanwhile moves no row of a list.",
    day_or_instant(read_end),
    "2026-03-01",
)
CURSOR = Parameter(
    "cursor",
    "Where a list goes on: the value found in `next`.",
    string(_CURSOR, Message("parameter.cursor"), _read_cursor),
)


def pinned(params: RequestParams) -> str:
    """What `known_at` is on the next page of a list, whose first one shows what is known now."""
    known_at = min(params.get(KNOWN_AT) or params.now, params.now)
    return known_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
