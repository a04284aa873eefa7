"""Types of parameters: each declares once, for parser and OpenAPI document, which texts it accepts."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from openwatt.domain.legal_time import PARIS
from openwatt.domain.messages import Message

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_NUMBER = re.compile(r"\d{1,20}(\.\d{1,40})?([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_NAME = 100
_END_OF_TIME = dt.datetime.max.replace(tzinfo=dt.UTC)


class ParameterError(ValueError):
    """A text that is not what a parameter must be; the message says what it must be."""

    def __init__(self, message: Message) -> None:
        self.message = message
        super().__init__(str(message))


class MeaningError(ParameterError):
    """A text that is what the schema asks for and still means nothing that exists."""


class ParameterType(NamedTuple):
    """What a parameter may be: its JSON schema, and the function that reads its text.

    `read` raises ParameterError for a text that it cannot be.
    """

    schema: Mapping[str, object]
    read: Callable[[str], Any]


def integer(least: int, most: int, unit: str = "") -> ParameterType:
    """Whole numbers between two bounds, both included."""
    message = Message.of("parameter.whole_number", least=str(least), most=str(most))
    if unit:
        message = Message.of("parameter.whole_number_of", unit=unit, least=str(least), most=str(most))

    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not least <= int(text) <= most:
            raise ParameterError(message)
        return int(text)

    return ParameterType({"type": "integer", "minimum": least, "maximum": most}, read)


def positive_number(most: int) -> ParameterType:
    """Numbers above 0 up to a bound, as exact decimals."""

    def read(text: str) -> Decimal:
        number = Decimal(text) if _NUMBER.fullmatch(text) else Decimal(0)
        if not 0 < number <= most:
            raise ParameterError(Message.of("parameter.number", most=str(most)))
        return number

    return ParameterType({"type": "number", "exclusiveMinimum": 0, "maximum": most}, read)


def choice(*words: str) -> ParameterType:
    """One of a few words."""

    def read(text: str) -> str:
        if text not in words:
            raise ParameterError(Message.of("parameter.choice", words=", ".join(words)))
        return text

    return ParameterType({"type": "string", "enum": list(words)}, read)


def string(
    pattern: str, message: Message, read: Callable[[str], Any] = str, **schema: object
) -> ParameterType:
    """Texts that match a pattern as a whole, from which `read` makes the value.

    `message` says what is wrong with any other text.
    """
    compiled = re.compile(pattern, re.ASCII)

    def read_matching(text: str) -> Any:
        if not compiled.fullmatch(text):
            raise ParameterError(message)
        return read(text)

    return ParameterType({"type": "string", "pattern": f"^{pattern}$", **schema}, read_matching)


def day(check: Callable[[dt.date], dt.date] = lambda value: value) -> ParameterType:
    """Days such as 2026-02-01 that a further check lets pass."""
    return ParameterType({"type": "string", "format": "date"}, lambda text: check(read_day(text)))


def day_or_instant(read: Callable[[str], Any]) -> ParameterType:
    """Days, or instants by RFC 3339, from which `read` makes the value."""
    date, instant = {"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}
    return ParameterType({"anyOf": [date, instant]}, read)


def read_day(text: str) -> dt.date:
    """The day that a text such as 2026-02-01 names."""
    if not _DAY.fullmatch(text):
        raise ParameterError(Message("parameter.day"))
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ParameterError(Message("parameter.day_not_in_calendar")) from None


def read_end(text: str) -> dt.datetime:
    """An instant by RFC 3339, or a day, which means its end in Paris."""
    if _DAY.fullmatch(text):
        end = dt.datetime.combine(read_day(text), dt.time(23, 59, 59, 999999), PARIS)
        return end if end.year < dt.MAXYEAR else _END_OF_TIME
    if not (match := _INSTANT.fullmatch(text)):
        raise ParameterError(Message.of("parameter.instant", example="2026-02-01T08:30:00Z"))
    date, minute, second, fraction, offset = match.groups()
    try:
        # RFC 3339 allows the leap second :60, Python does not: the next second is the same instant.
        instant = dt.datetime.fromisoformat(
            f"{date}T{minute}:{min(int(second), 59):02}{(fraction or '.0')[:7]}{offset.upper()}"
        )
        leap = dt.timedelta(seconds=1 if second == "60" else 0)
        return (instant + leap).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ParameterError(Message("parameter.instant_not_in_calendar")) from None


def _read_name(text: str) -> str:
    if len(text) > _LONGEST_NAME:  # the reader of all parameters refuses control characters
        raise ParameterError(Message.of("parameter.too_long", most=_LONGEST_NAME))
    return text


#: In any case of letters: Python and R write `True` and `TRUE`.
BOOLEAN = ParameterType(
    {"type": "boolean"}, lambda text: choice("true", "false").read(text.lower()) == "true"
)
DAY = day()
#: Names as suppliers write them.
NAME = ParameterType({"type": "string", "pattern": r"^[^\x00-\x1f\x7f]{1,100}$"}, _read_name)
