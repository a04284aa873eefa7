"""Types of parameters: each declares once, for parser and OpenAPI document, which texts it accepts."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from openwatt.domain.legal_time import PARIS

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_END_OF_TIME = dt.datetime.max.replace(tzinfo=dt.UTC)


class MeaningError(ValueError):
    """A text that is what the schema asks for and still means nothing that exists."""


class ParameterType(NamedTuple):
    """What a parameter may be: its JSON schema, and the function that reads its text.

    `read` raises ValueError with a sentence that says what the text must be.
    """

    schema: Mapping[str, object]
    read: Callable[[str], Any]


def integer(least: int, most: int, unit: str = "") -> ParameterType:
    """Whole numbers between two bounds, both included."""

    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number{unit} from {least} to {most}")
        return int(text)

    return ParameterType({"type": "integer", "minimum": least, "maximum": most}, read)


def choice(*words: str) -> ParameterType:
    """One of a few words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return ParameterType({"type": "string", "enum": list(words)}, read)


def string(pattern: str, message: str, read: Callable[[str], Any] = str, **schema: object) -> ParameterType:
    """Texts that match a pattern as a whole, from which `read` makes the value.

    `message` is the sentence about any other text.
    """
    compiled = re.compile(pattern, re.ASCII)

    def read_matching(text: str) -> Any:
        if not compiled.fullmatch(text):
            raise ValueError(message)
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
        raise ValueError("must be a day like 2026-02-01")
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a day of the calendar") from None


def read_end(text: str) -> dt.datetime:
    """An instant by RFC 3339, or a day, which means its end in Paris."""
    if _DAY.fullmatch(text):
        end = dt.datetime.combine(read_day(text), dt.time(23, 59, 59, 999999), PARIS)
        return end if end.year < dt.MAXYEAR else _END_OF_TIME
    if not (match := _INSTANT.fullmatch(text)):
        raise ValueError("must be a day like 2026-02-01 or an instant like 2026-02-01T08:30:00Z")
    date, minute, second, fraction, offset = match.groups()
    try:
        # RFC 3339 allows the leap second :60, Python does not: the next second is the same instant.
        instant = dt.datetime.fromisoformat(
            f"{date}T{minute}:{min(int(second), 59):02}{(fraction or '.0')[:7]}{offset.upper()}"
        )
        leap = dt.timedelta(seconds=1 if second == "60" else 0)
        return (instant + leap).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not an instant of the calendar") from None


def _read_name(text: str) -> str:
    if len(text) > 100:  # the reader of all parameters refuses control characters
        raise ValueError("is longer than 100 characters")
    return text


#: In any case of letters: Python and R write `True` and `TRUE`.
BOOLEAN = ParameterType(
    {"type": "boolean"}, lambda text: choice("true", "false").read(text.lower()) == "true"
)
DAY = day()
#: Names as suppliers write them.
NAME = ParameterType({"type": "string", "pattern": r"^[^\x00-\x1f\x7f]{1,100}$"}, _read_name)
