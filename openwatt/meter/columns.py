"""Columns of a file read as arrays: stamps and numbers whose notation is regular, hundreds of rows at a time.

Each function says for which rows it has a result; the others are read one by one by
`cells`, with the same result where both have one.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from openwatt.domain.legal_time import MINUTES_PER_DAY, Minutes
from openwatt.meter.cells import FIRST_YEAR, LAST_YEAR, MAX_MILLI, clean

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
#: Parts of stamps and minutes of this century: 32 bits hold them, in half the memory.
Parts = npt.NDArray[np.int32]

#: Bytes before and after those of a file, so that a window at its edge stays inside the array.
PAD = 32
_COMMA, _MINUS, _POINT, _ZERO = b",-.0"
#: Which signs stand around a cell without being of it.
_OUTER: Mask = np.isin(np.arange(256), np.frombuffer(b'" \t\r', dtype=np.uint8))
#: Digits whose product with any unit stays within 64 bits; a cell of more is read by itself.
_MOST_DIGITS = 11
_MOST_DECIMALS = 9
_MONTHS = np.arange(f"{FIRST_YEAR}-01", f"{LAST_YEAR}-02", dtype="datetime64[M]").astype("datetime64[D]")
_MONTH_STARTS: Parts = _MONTHS.astype(np.int32)
_MONTH_LENGTHS: Parts = np.diff(_MONTH_STARTS)


def padded(data: bytes) -> Bytes:
    """The bytes of a file as an array, with room before and after them."""
    return np.frombuffer(b"".join((bytes(PAD), data, bytes(PAD))), dtype=np.uint8)


class Spans(NamedTuple):
    """The cells of one column: where each begins and ends in the padded bytes of a file."""

    buffer: Bytes
    begin: Minutes
    end: Minutes

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """The spans of some texts."""
        encoded = [text.encode() for text in texts]
        lengths = np.array([0, *map(len, encoded)], dtype=np.int64)
        bounds = np.cumsum(lengths) + PAD
        return cls(padded(b"".join(encoded)), bounds[:-1], bounds[1:])

    def trimmed(self) -> "Spans":
        """Without the quotes and spaces around each."""
        begin, end = self.begin, self.end
        for _ in range(4):  # spaces, a quote, spaces: what has more is read by itself
            first = self.buffer[begin]
            outer = _OUTER[first] & (begin < end)
            if not outer.any():
                break
            begin = begin + outer
        for _ in range(4):
            last = self.buffer[end - 1]
            outer = _OUTER[last] & (begin < end)
            if not outer.any():
                break
            end = end - outer
        return Spans(self.buffer, begin, end)

    def take(self, rows: Minutes | Mask) -> "Spans":
        """Those of some rows."""
        return Spans(self.buffer, self.begin[rows], self.end[rows])

    def digits(self, width: int) -> Bytes:
        """The first bytes of each, less that of 0, one row for each place."""
        windows = np.lib.stride_tricks.sliding_window_view(self.buffer, width)
        found: Bytes = windows[self.begin].T.copy()
        found -= _ZERO
        return found

    def equal(self, text: bytes) -> Mask:
        """Which are these bytes."""
        same: Mask = (self.end - self.begin) == len(text)
        if text:
            windows = np.lib.stride_tricks.sliding_window_view(self.buffer, len(text))
            rows = np.flatnonzero(same)
            same[rows] = (windows[self.begin[rows]] == np.frombuffer(text, dtype=np.uint8)).all(axis=1)
        return same

    def distinct(self, most: int = 64) -> list[tuple[str, Mask]]:
        """The different texts and the rows of each, in the order of their first; at most so many."""
        left = np.ones(len(self.begin), dtype=np.bool_)
        found: list[tuple[str, Mask]] = []
        while left.any() and len(found) < most:
            row = int(left.argmax())
            rows = self.equal(bytes(self.buffer[self.begin[row] : self.end[row]]))
            found.append((self.text(row), rows))
            left &= ~rows
        return found

    def text(self, row: int) -> str:
        """That of one row."""
        return clean(bytes(self.buffer[self.begin[row] : self.end[row]]).decode("utf-8", "replace"))


class RegularStamps(NamedTuple):
    """The stamps of a column: minutes since 1970, which say their offset, and which rows these are."""

    minutes: Minutes
    aware: Mask
    found: Mask


class _Layout(NamedTuple):
    """Where the parts of a day stand in a stamp, and the signs between them."""

    year: tuple[int, ...]
    month: tuple[int, ...]
    day: tuple[int, ...]
    signs: dict[int, bytes]


_LAYOUTS = (
    _Layout((0, 1, 2, 3), (5, 6), (8, 9), {4: b"-", 7: b"-"}),
    _Layout((6, 7, 8, 9), (3, 4), (0, 1), {2: b"/", 5: b"/"}),
)
#: To the minute, to the second, and to the second with an offset.
_MINUTE, _SECOND, _OFFSET = 16, 19, 25


def regular_stamps(spans: Spans) -> RegularStamps:
    """Stamps to the minute such as 2024-01-31T00:30:00+01:00 and 31/01/2024 00:30."""
    count = len(spans.begin)
    minutes = np.zeros(count, dtype=np.int64)
    found = np.zeros(count, dtype=np.bool_)
    widths = spans.end - spans.begin
    for width in (_MINUTE, _SECOND, _OFFSET):
        rows = np.flatnonzero(widths == width)
        if not len(rows):
            continue
        digits = (spans if len(rows) == count else spans.take(rows)).digits(width)
        for layout in _LAYOUTS:
            here = np.flatnonzero(_are(digits, layout.signs))
            if len(here):
                some = digits if len(here) == len(rows) else digits[:, here]
                minutes[rows[here]], found[rows[here]] = _stamps_of(layout, some, width)
    return RegularStamps(minutes, found & (widths == _OFFSET), found)


def _stamps_of(layout: _Layout, digits: Bytes, width: int) -> tuple[Parts, Mask]:
    signs, places = {10: b"T ", 13: b":"}, (*layout.year, *layout.month, *layout.day, 11, 12, 14, 15)
    if width >= _SECOND:
        signs |= {16: b":", 17: b"0", 18: b"0"}
    if width == _OFFSET:
        signs |= {19: b"+", 22: b":"}
        places = (*places, 20, 21, 23, 24)
    regular = _are(digits, signs)
    for place in places:
        regular &= digits[place] <= 9
    year, month, day = (_number(digits, *part) for part in layout[:3])
    hour, minute = _number(digits, 11, 12), _number(digits, 14, 15)
    regular &= (year >= FIRST_YEAR) & (year < LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)
    regular &= (hour <= 23) & (minute <= 59)
    index = np.where(regular, (year - FIRST_YEAR) * 12 + month - 1, 0)
    regular &= day <= _MONTH_LENGTHS[index]
    at = (_MONTH_STARTS[index] + day - 1) * MINUTES_PER_DAY + hour * 60 + minute
    if width == _OFFSET:
        hours, minutes = _number(digits, 20, 21), _number(digits, 23, 24)
        regular &= (hours <= 23) & (minutes <= 59)
        at -= hours * 60 + minutes
    return at, regular


def _are(digits: Bytes, signs: dict[int, bytes]) -> Mask:
    """Which rows have one of some signs at each of some places."""
    rows = np.ones(digits.shape[1], dtype=np.bool_)
    for place, allowed in signs.items():
        here = digits[place]
        rows &= np.logical_or.reduce([here == np.uint8((sign - _ZERO) % 256) for sign in allowed])
    return rows


def _number(digits: Bytes, *places: int) -> Parts:
    number: Parts = digits[places[0]].astype(np.int32)
    for place in places[1:]:
        number *= 10
        number += digits[place]
    return number


def regular_numbers(spans: Spans, milli_per_unit: int) -> tuple[Minutes, Mask]:
    """Numbers such as 252, -1.5 and 0,252 in thousandths, rounded half up, and which rows they are of."""
    count = len(spans.begin)
    widths = spans.end - spans.begin
    wide = widths <= _MOST_DIGITS + 2
    found = wide & (widths > 0)
    first = spans.buffer[spans.begin]
    negative = first == _MINUS
    begin = spans.begin + negative
    number = np.zeros(count, dtype=np.int64)
    digits = np.zeros(count, dtype=np.int8)
    decimals = np.zeros(count, dtype=np.int8)
    behind = np.zeros(count, dtype=np.bool_)
    longest = int(widths[found].max()) if found.any() else 0
    for place in range(longest):
        inside = begin + place < spans.end
        sign = spans.buffer[np.minimum(begin + place, len(spans.buffer) - 1)]
        digit = sign - np.uint8(_ZERO)
        is_digit = inside & (digit <= 9)
        is_point = inside & ((sign == _POINT) | (sign == _COMMA)) & ~behind & (digits > 0)
        found &= is_digit | is_point | ~inside
        number = np.where(is_digit, number * 10 + digit, number)
        digits += is_digit
        decimals += is_digit & behind
        behind |= is_point
    found &= (
        (digits > 0) & (digits <= _MOST_DIGITS) & (decimals <= _MOST_DECIMALS) & (behind == (decimals > 0))
    )
    scale = 10 ** np.clip(decimals, 0, _MOST_DECIMALS).astype(np.int64)
    if behind.any():
        milli = (np.where(found, number, 0) * (2 * milli_per_unit) + scale) // (2 * scale)
    else:
        milli = np.where(found, number, 0) * milli_per_unit
    found &= milli <= MAX_MILLI
    return np.where(negative, -milli, milli), found
