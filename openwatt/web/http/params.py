"""Query parameters: declared once, for reading them with all faults at once and for the OpenAPI contract."""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from openwatt.domain.legal_time import PARIS
from openwatt.domain.tariff import MAX_POWER_KVA, MIN_POWER_KVA, OPTIONS
from openwatt.store.tariffs import Cursor
from openwatt.web.http.problems import BadRequestError, Fault

LONGEST_QUERY = 4000
MOST_ROWS, USUAL_ROWS = 1000, 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
END_OF_TIME = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter, or one field of a body.

    `read` turns its text into a value or raises ValueError with a sentence. Of a
    parameter that may be given `most` times, the schema is that of one and the value a tuple.
    """

    name: str
    description: str
    schema: Mapping[str, object]
    read: Callable[[str], Any]
    example: object = field(default=None)
    required: bool = False
    most: int = 1

    @property
    def many(self) -> bool:
        """Whether it may be given more than once."""
        return self.most > 1


class MeaningError(ValueError):
    """A text that is what the contract asks for and still means nothing that exists."""


def read_query(query: bytes, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The values of a query string by parameter name; absent ones are absent.

    Raises:
        BadRequestError: with every unknown, repeated, empty, missing or unreadable parameter.
    """
    values, faults = gather_query(query, parameters)
    if faults:
        raise BadRequestError(faults)
    return values


def gather_query(query: bytes, parameters: Sequence[Parameter]) -> tuple[dict[str, Any], list[Fault]]:
    """The same with the faults beside the values, for who has more to look at; a faulty value is None."""
    if len(query) > LONGEST_QUERY:
        # Not 414: that is for addresses that no server reads to their end (Gunicorn, from 8,190 bytes).
        return {}, [Fault("query", f"is longer than {LONGEST_QUERY:,} characters")]
    try:
        pairs = parse_qsl(query.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except UnicodeDecodeError:
        return {}, [Fault("query", "is not valid UTF-8")]
    except ValueError:
        return {}, [Fault("query", "has more than 50 parameters")]
    return gather(pairs, parameters)


def gather(
    pairs: Iterable[tuple[str, str]], parameters: Sequence[Parameter]
) -> tuple[dict[str, Any], list[Fault]]:
    """The values of named texts, and everything that is wrong with them; a faulty value is None."""
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, text in pairs:
        parameter = known.get(name)
        if parameter is None:
            names = ", ".join(known) or "none"
            faults.append(Fault(_shown(name), f"is not a parameter here; there are: {names}"))
        elif name in values and not parameter.many:
            faults.append(Fault(name, "is given twice"))
        elif parameter.many and len(values.get(name) or ()) >= parameter.most:
            faults.append(Fault(name, f"is given more than {parameter.most} times"))
            values[name] = None
        else:
            before = values.setdefault(name, () if parameter.many else None)
            try:
                value = parameter.read(_clean(text))
            except ValueError as error:
                told = f"{error} (it is {_shown(text)!r})"
                faults.append(Fault(name, told, of_form=not isinstance(error, MeaningError)))
                values[name] = None
            else:
                if not parameter.many:
                    values[name] = value
                elif before is not None:
                    values[name] = (*before, value)
    faults += [
        Fault(name, "is missing") for name, one in known.items() if one.required and name not in values
    ]
    return values, faults


def _shown(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"


def _clean(text: str) -> str:
    if not text:
        raise ValueError("is empty; leave the parameter out instead")
    if _CONTROL.search(text):
        raise ValueError("holds control characters")
    return text


def read_day(text: str) -> dt.date:
    """Reads a day such as 2026-02-01."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        raise ValueError("must be a day like 2026-02-01")
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a day of the calendar") from None


def _instant(text: str) -> dt.datetime:
    """An instant by RFC 3339, or a day, which means its end in Paris."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        end = dt.datetime.combine(read_day(text), dt.time(23, 59, 59, 999999), PARIS)
        return end if end.year < dt.MAXYEAR else END_OF_TIME
    pattern = r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})"
    if not (match := re.fullmatch(pattern, text, re.ASCII)):
        raise ValueError("must be a day like 2026-02-01 or an instant like 2026-02-01T08:30:00Z")
    day, minute, second, fraction, offset = match.groups()
    try:
        # RFC 3339 allows the leap second :60, Python does not: the next second is the same instant.
        instant = dt.datetime.fromisoformat(
            f"{day}T{minute}:{min(int(second), 59):02}{(fraction or '.0')[:7]}{offset.upper()}"
        )
        leap = dt.timedelta(seconds=1 if second == "60" else 0)
        return (instant + leap).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not an instant of the calendar") from None


def whole_number(least: int, most: int, unit: str = "") -> Callable[[str], int]:
    """A reader of whole numbers between two bounds, both included."""

    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number{unit} from {least} to {most}")
        return int(text)

    return read


def one_of(*choices: str) -> Callable[[str], str]:
    """A reader of one of a few words."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return read


def _name(text: str) -> str:
    if len(text) > 100:
        raise ValueError("is longer than 100 characters")
    return text


_CURSOR_NAME = r"[^~\x00-\x1f\x7f]{1,100}"
_CURSOR_PATTERN = (
    rf"[01]~{_CURSOR_NAME}~{_CURSOR_NAME}~({'|'.join(OPTIONS)})~([1-9]|[12][0-9]|3[0-6])(~[1-9][0-9]{{5}})?"
)


def _cursor(text: str) -> Cursor:
    if not re.fullmatch(_CURSOR_PATTERN, text):
        raise ValueError("is not a cursor of this service; follow `next` instead of making one")
    regulated, supplier, offer, option, power_kva, *day = text.split("~")
    applies_from = dt.date.fromordinal(int(day[0])) if day else None
    return Cursor(regulated == "1", supplier, offer, option, int(power_kva), applies_from)


def cursor_text(cursor: Cursor) -> str:
    """A cursor as text. Names hold no `~`: a constraint of the database excludes it."""
    regulated, *names, power_kva, applies_from = cursor
    day = [applies_from.toordinal()] if applies_from else []
    fields = [int(regulated), *names, power_kva, *day]
    return "~".join(map(str, fields))


DAY_SCHEMA = {"type": "string", "format": "date"}
NAME_SCHEMA = {"type": "string", "pattern": r"^[^\x00-\x1f\x7f]{1,100}$"}

SUPPLIER = Parameter("supplier", "Name of the supplier, in any case of letters.", NAME_SCHEMA, _name, "EDF")
OFFER = Parameter("offer", "Name of the offer, in any case of letters.", NAME_SCHEMA, _name, "Tarif Bleu")
OPTION = Parameter(
    "option",
    "Tariff option.",
    {"type": "string", "enum": list(OPTIONS)},
    one_of(*OPTIONS),
    "BASE",
)
POWER_KVA = Parameter(
    "power_kva",
    "Subscribed power in kVA.",
    {"type": "integer", "minimum": MIN_POWER_KVA, "maximum": MAX_POWER_KVA},
    whole_number(MIN_POWER_KVA, MAX_POWER_KVA, " of kVA"),
    6,
)
ON = Parameter(
    "on",
    "Day on which the tariff applies; today in Paris when left out.",
    DAY_SCHEMA,
    read_day,
    "2025-09-01",
)
KNOWN_AT = Parameter(
    "known_at",
    "What was known at this instant (RFC 3339, or a day, which means its end); now when left out.",
    {"anyOf": [DAY_SCHEMA, {"type": "string", "format": "date-time"}]},
    _instant,
    "2026-03-01",
)
INCLUDE_STALE = Parameter(
    "include_stale",
    "Whether tariffs whose data_status is `stale` or `broken` are listed too; true when left out.",
    {"type": "boolean"},
    lambda text: one_of("true", "false")(text) == "true",
    True,
)
SINCE = Parameter("since", "First day; the oldest known when left out.", DAY_SCHEMA, read_day, "2022-01-01")
UNTIL = Parameter("until", "Last day, included; today when left out.", DAY_SCHEMA, read_day, "2024-12-31")
FROM = Parameter("from", "First day; a week ago when left out.", DAY_SCHEMA, read_day, "2025-12-01")
TO = Parameter("to", "Last day, included; tomorrow when left out.", DAY_SCHEMA, read_day, "2025-12-31")
LIMIT = Parameter(
    "limit",
    f"Most rows of one answer, {USUAL_ROWS} when left out.",
    {"type": "integer", "minimum": 1, "maximum": MOST_ROWS},
    whole_number(1, MOST_ROWS),
    10,
)
CURSOR = Parameter(
    "cursor",
    "Where a list goes on: the value found in `next`.",
    {"type": "string", "pattern": f"^{_CURSOR_PATTERN}$"},
    _cursor,
)
FORMAT = Parameter(
    "format",
    "Form of the answer; without it the Accept header decides, JSON when that says nothing.",
    {"type": "string", "enum": ["json", "csv"]},
    one_of("json", "csv"),
    "json",
)
