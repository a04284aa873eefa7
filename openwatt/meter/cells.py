"""The cells of meter files, one by one: instants, wall clocks and exact numbers in every maker's notation.

`columns` reads whole columns of what is regular, with the same result.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from openwatt.domain.errors import MeterFileError
from openwatt.domain.legal_time import MINUTES_PER_DAY
from openwatt.domain.messages import Message

#: No residential meter of the grid recorded a curve before, and no file tells of days after.
FIRST_YEAR, LAST_YEAR = 2000, 2100
MISSING = frozenset({"", "null", "na", "n/a", "nan", "none", "-", "--", "nd", "unavailable", "unknown"})
_NUMBER = re.compile(r"([+-]?)(\d{1,12})(?:[.,](\d{1,15}))?")
_FRENCH = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[ T]+(.+))?")
_ISO = re.compile(r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})(?:[ T]+(.+))?")
_CLOCK = re.compile(r"(\d{1,2})[:hH](\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?\s*(Z|[+-]\d{2}:?\d{2})?")
_OUTER = '" \t\r\xa0\u202f\ufeff'
_SERIAL = re.compile(r"(\d{5})(?:[.,](\d{1,15}))?")
#: Fourteen digits: the number of a delivery point.
_HOME_NUMBER = re.compile(r"(?<!\d)\d{14}(?!\d)")
#: What may be such a number, cut or beside other digits.
_LONG_NUMBER = re.compile(r"\d{10,}")
_EPOCH = dt.date(1970, 1, 1)
_SERIAL_EPOCH = (dt.date(1899, 12, 30) - _EPOCH).days
#: Serial days of a spreadsheet that lie within the years of meters.
_FIRST_SERIAL, _LAST_SERIAL = 36_526, 73_051
#: 1 GW: above it a number is no power of a home, whatever the unit.
MAX_MILLI = 10**12


class Stamp(NamedTuple):
    """Minutes since 1970 (UTC when the stamp says its offset, else on the wall), and what else it says.

    `seconds` is what it has beyond the minute; `has_time` is False for a day alone.
    """

    minute: int
    aware: bool = False
    seconds: int = 0
    has_time: bool = True


def quoted(text: str) -> str:
    """What of a file may stand in a refusal: a few signs, and of a meter's number the last four."""
    return _LONG_NUMBER.sub(lambda found: f"…{found.group()[-4:]}", text)[:40]


def clean(cell: str) -> str:
    """A cell's text without the quotes and spaces around it."""
    return cell.strip(_OUTER)


def stamp_of(cell: str) -> Stamp:
    """The stamp in a cell: French, ISO, seconds since 1970, or the serial day of a spreadsheet.

    Raises:
        MeterFileError: when the cell is no stamp of this century.
    """
    text = clean(cell)
    found = _day_and_clock(text)
    if found is None:
        raise MeterFileError(Message.of("cell.no_stamp", cell=quoted(text)))
    return found


def clock_of(cell: str) -> Stamp:
    """The time of day in a cell, as minutes after midnight; 24:00 is 1,440.

    Raises:
        MeterFileError: when the cell is no time of day.
    """
    text = clean(cell)
    if re.fullmatch(r"0?[.,]\d{1,15}|[01]", text):  # the part of a day, as a spreadsheet has it
        return Stamp(round(float(text.replace(",", ".")) * MINUTES_PER_DAY))
    if not (found := _clock(text)):
        raise MeterFileError(Message.of("cell.no_stamp", cell=quoted(text)))
    return found


def _day_and_clock(text: str) -> Stamp | None:
    if french := _FRENCH.fullmatch(text):
        day, _, month, year, clock = french.groups()
    elif iso := _ISO.fullmatch(text):
        year, _, month, day, clock = iso.groups()
    else:
        return _number_of_time(text)
    if not FIRST_YEAR <= int(year) < LAST_YEAR:
        raise MeterFileError(Message.of("cell.no_time_of_century", cell=quoted(text)))
    try:
        minute = (dt.date(int(year), int(month), int(day)) - _EPOCH).days * MINUTES_PER_DAY
    except ValueError:
        return None
    if clock is None:
        return Stamp(minute, has_time=False)
    return None if (time := _clock(clock)) is None else time._replace(minute=minute + time.minute)


def _clock(text: str) -> Stamp | None:
    if not (found := _CLOCK.fullmatch(text)):
        return None
    hour, minute, second = (int(group or 0) for group in found.groups()[:3])
    offset = found.group(4)
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        return None
    at = hour * 60 + minute
    if offset and offset != "Z":
        hours, minutes = int(offset[1:3]), int(offset[-2:])
        if hours > 23 or minutes > 59:
            return None
        at -= (hours * 60 + minutes) * (-1 if offset[0] == "-" else 1)
    return Stamp(at, aware=offset is not None, seconds=second)


def _number_of_time(text: str) -> Stamp | None:
    """Seconds since 1970, or the days of a spreadsheet, of which the part behind the point is the time."""
    if text.isascii() and text.isdecimal() and len(text) == 10:
        minute, seconds = divmod(int(text), 60)
        return Stamp(minute, aware=True, seconds=seconds)
    if not (found := _SERIAL.fullmatch(text)) or not _FIRST_SERIAL <= int(found.group(1)) < _LAST_SERIAL:
        return None
    day, part = int(found.group(1)), found.group(2) or ""
    # The part is a binary fraction: it is the nearest second.
    seconds = round(int(part or 0) * 86_400 / 10 ** len(part))
    minute, seconds = divmod(seconds, 60)
    return Stamp((day + _SERIAL_EPOCH) * MINUTES_PER_DAY + minute, seconds=seconds, has_time=bool(part))


def milli_of(cell: str, milli_per_unit: int) -> int | None:
    """A number in thousandths, rounded half up where it is finer; None when the cell holds none.

    Raises:
        MeterFileError: when the cell holds something else than a number.
    """
    text = clean(cell)
    if not (text.isascii() and text.isdecimal()):
        text = re.sub(r"(?<=\d)[\s\u202f\xa0](?=\d{3}(?!\d))", "", text)
    if text.lower() in MISSING:
        return None
    found = _NUMBER.fullmatch(text) if text.isascii() else None
    if not found:
        raise MeterFileError(Message.of("cell.no_number", cell=quoted(text)))
    sign, whole, decimals = found.group(1), found.group(2), found.group(3) or ""
    scale: int = 10 ** len(decimals)
    milli = (int(whole + decimals) * milli_per_unit * 2 + scale) // (2 * scale)
    if milli > MAX_MILLI:
        raise MeterFileError(Message.of("cell.too_large", cell=quoted(text)))
    return -milli if sign == "-" else milli


def homes_in(texts: Iterable[str]) -> set[str]:
    """The numbers of delivery points that stand in some texts."""
    return {number for text in texts for number in _HOME_NUMBER.findall(text)}


def text_of(cell: object) -> str:
    """The text of a sheet's cell, in a notation that is read here."""
    return _TEXTS.get(type(cell), str)(cell)


def _text_of_duration(cell: dt.timedelta) -> str:
    minutes, seconds = divmod(round(cell.total_seconds()), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


_TEXTS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: lambda _: "",
    float: "{:.9f}".format,
    dt.datetime: "{:%Y-%m-%d %H:%M:%S}".format,
    dt.time: "{:%H:%M:%S}".format,
    dt.timedelta: _text_of_duration,
}
