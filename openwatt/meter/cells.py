"""The cells of meter files: instants, wall clocks and exact numbers in every maker's notation."""

import datetime as dt
import re
from array import array
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import numpy as np

from openwatt.domain.errors import MeterFileError
from openwatt.domain.legal_time import Minutes, minutes_of
from openwatt.domain.load_curve import Finding, Readings, utc_of_local

#: No residential meter of the grid recorded a curve before, and no file tells of days after.
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_MISSING = frozenset({"", "null", "na", "n/a", "nan", "none", "-", "--"})
_NUMBER = re.compile(r"([+-]?)(\d{1,12})(?:[.,](\d{1,15}))?")
_FRENCH = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})[ T](\d{1,2}):(\d{2})(?::(\d{2}))?")
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 (wall clocks are counted from a wall clock)
#: 1 GW: above it a number is no power of a home, whatever the unit.
_MAX_MILLI = 10**12


@dataclass(slots=True)
class Column:
    """Rows of a file as they are read, one array per column of `Readings`: lists take five times that."""

    stamps: "array[int]" = field(default_factory=lambda: array("q"))
    milli: "array[int]" = field(default_factory=lambda: array("q"))
    present: "array[int]" = field(default_factory=lambda: array("b"))
    steps: "array[int]" = field(default_factory=lambda: array("q"))
    homes: set[str] = field(default_factory=set)
    aware: int = 0
    strays: int = 0

    def add(self, stamp: object, value: object, milli_per_unit: int, step_min: int = 0) -> None:
        """One row; a stamp between two minutes is counted as stray and left out.

        Raises:
            MeterFileError: when the stamp or the value cannot be read.
        """
        minute, aware = minute_of(stamp)
        if minute is None:
            self.strays += 1
            return
        number = milli_of(value, milli_per_unit)
        self.stamps.append(minute)
        self.milli.append(number or 0)
        self.present.append(number is not None)
        self.steps.append(step_min)
        self.aware += aware

    def readings(self, stamp_is: str, *, is_energy: bool = False) -> Readings:
        """The rows as `Readings`.

        Raises:
            MeterFileError: when there is none, when they are of several homes, or when
                only some stamps say their offset.
        """
        refuse_two_homes(self.homes)
        if not self.stamps:
            raise MeterFileError("the file holds no measurement")
        if self.aware not in {0, len(self.stamps)}:
            raise MeterFileError("some stamps say their offset from UTC and others do not")
        stamps: Minutes = np.array(self.stamps, dtype=np.int64)
        findings: list[Finding] = []
        if not self.aware:
            stamps, ambiguous = utc_of_local(stamps)
            findings += ambiguous
        if self.strays:
            findings.append(
                Finding("stray", self.strays, "rows whose stamp is between two minutes are left out")
            )
        return Readings(
            stamps_min=stamps,
            milli=np.array(self.milli, dtype=np.int64),
            present=np.array(self.present, dtype=np.bool_),
            steps_min=np.array(self.steps, dtype=np.int64),
            stamp_is="start" if stamp_is == "start" else "end",
            is_energy=is_energy,
            findings=tuple(findings),
            homes=frozenset(self.homes),
        )


def refuse_two_homes(homes: AbstractSet[str]) -> None:
    """Refuses measurements of more than one meter, without naming any.

    Raises:
        MeterFileError: when there are several.
    """
    if len(homes) > 1:
        raise MeterFileError(f"the file mixes {len(homes)} meters; bring the measurements of one home")


def minute_of(cell: object) -> tuple[int | None, bool]:
    """Minutes since 1970 of a stamp (UTC when it says its offset, else on the wall), and whether it does.

    None in place of the minutes when the stamp has seconds.

    Raises:
        MeterFileError: when the cell is no stamp of this century.
    """
    stamp = cell if isinstance(cell, dt.datetime) else _stamp(str(cell).strip().strip('"'))
    if not _FIRST_YEAR <= stamp.year < _LAST_YEAR:
        raise MeterFileError(f"{str(cell)[:40]!r} is not a time of this century")
    if stamp.second or stamp.microsecond:
        return None, stamp.tzinfo is not None
    if stamp.tzinfo is not None:
        return minutes_of(stamp), True
    return int((stamp - _EPOCH).total_seconds()) // 60, False


def _stamp(text: str) -> dt.datetime:
    try:
        if "/" in text and (french := _FRENCH.fullmatch(text)):
            day, month, year, hour, minute, second = (int(group or 0) for group in french.groups())
            return dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 (legal time, made UTC later)
        if text.isascii() and text.isdecimal() and len(text) == 10:  # Seconds since 1970.
            return dt.datetime.fromtimestamp(int(text), dt.UTC)
        # A day alone has no time: parsing it as one would put a measurement at midnight.
        return dt.datetime.fromisoformat(text if len(text) >= 16 else "")
    except (ValueError, OverflowError):
        raise MeterFileError(f"{text[:40]!r} is no time such as 2024-01-31T00:30:00+01:00") from None


def milli_of(cell: object, milli_per_unit: int) -> int | None:
    """A number in thousandths, rounded half up where it is finer; None when the cell holds none.

    Raises:
        MeterFileError: when the cell holds something else than a number.
    """
    if cell is None:
        return None
    text = f"{cell:.9f}" if isinstance(cell, float) else str(cell).strip().strip('"').strip()
    text = text.replace("\u202f", "").replace("\xa0", "")
    if text.isascii() and text.isdecimal() and len(text) <= 12:
        milli = int(text) * milli_per_unit
    elif text.lower() in _MISSING:
        return None
    else:
        found = _NUMBER.fullmatch(text)
        if not found:
            raise MeterFileError(f"{text[:40]!r} is no number")
        sign, whole, decimals = found.group(1), found.group(2), found.group(3) or ""
        scale = 10 ** len(decimals)
        milli = (int(whole + decimals) * milli_per_unit * 2 + scale) // (2 * scale)
        milli = -milli if sign == "-" else milli
    if abs(milli) > _MAX_MILLI:
        raise MeterFileError(f"{text[:40]} is too large for the power of a home")
    return milli
