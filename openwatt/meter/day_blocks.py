"""The reader of EDF's account, whose layout is no table: under each day, newest first, hours with power."""

import datetime as dt
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from openwatt.domain.errors import MeterFileError
from openwatt.domain.load_curve import Readings
from openwatt.domain.messages import Message
from openwatt.meter.cells import quoted
from openwatt.meter.columns import Spans
from openwatt.meter.measurements import Rows, read_numbers, read_stamps

_DAY = re.compile(r"(\d{2})/(\d{2})/(\d{4});*")
_ROW = re.compile(r"(\d{2}):(\d{2})(?::(\d{2}))?;([^;]*)(?:;.*)?")


def are_day_blocks(lines: Sequence[str]) -> bool:
    """Whether among some first lines one that is a day precedes one that is an hour."""
    return any(
        _DAY.fullmatch(line.strip()) and _ROW.fullmatch(following.strip())
        for line, following in pairwise(lines)
    )


def read_day_blocks(lines: Sequence[str]) -> Readings:
    """The rows `HH:MM:SS;W;nature` under each day.

    A day's block goes from 00:00:00, its newest row, down to 00:30:00: midnight
    closes the day, so that stamps are the **ends** of steps, like those of the grid
    operator from whom EDF has them.

    Raises:
        MeterFileError: a row that cannot be read.
    """
    day: dt.date | None = None
    stamps: list[str] = []
    values: list[str] = []
    for line in lines:
        text = line.strip()
        if found := _DAY.fullmatch(text):
            day = _day(found)
        elif row := _ROW.fullmatch(text):
            if day is None:
                raise MeterFileError(Message.of("row.before_first_day", row=quoted(text)))
            closes = row.group(1) == row.group(2) == "00"
            stamp_day = day + dt.timedelta(days=1) if closes else day
            stamps.append(f"{stamp_day}T{row.group(1)}:{row.group(2)}:{row.group(3) or '00'}")
            values.append(row.group(4))
        elif day is not None and text:
            raise MeterFileError(Message.of("row.no_day_or_hour", row=quoted(text)))
    read = read_stamps(Spans.of(stamps).trimmed())
    milli, present = read_numbers(Spans.of(values).trimmed(), 1000, read.valid)
    return Rows(read, milli, present, np.zeros(len(stamps), dtype=np.int64), "end").readings()


def _day(found: re.Match[str]) -> dt.date:
    try:
        day = dt.date(int(found.group(3)), int(found.group(2)), int(found.group(1)))
        day + dt.timedelta(days=1)
    except (ValueError, OverflowError):
        raise MeterFileError(Message.of("cell.no_stamp", cell=quoted(found.group()))) from None
    return day
