"""A table of measurements as homes: rows of one step each, or rows of one home each with a list of its steps.

Of the package only this, `parquet_source` and `parquet_results` know pyarrow, an optional extra: they are
imported on demand.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from openwatt.domain.errors import OpenWattError
from openwatt.domain.legal_time import Minutes
from openwatt.domain.load_curve import (
    PER_WH,
    LoadCurve,
    Readings,
    build_curve,
    measure_readings,
    regular_curves,
)
from openwatt.portfolio.billing.kernel import HomeSetting, MeteredHome, Unreadable
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.sources.homes_file import parse_hours, refuse_power
from openwatt.portfolio.sources.source import HomeSettings
from openwatt.sentences.catalogue import sentence

#: What the table holds; docs/use.md has the same words.
SCHEMA = {
    "home": "string",
    "start": "timestamp with a time zone",
    "step_minutes": "integer",
    "wh": "integer or decimal",
}
#: What a table may say of each home's meter.
SETTING_SCHEMA = {"power_kva": "integer", "off_peak_hours": "string"}
#: Why a home of the list form fails.
SEVERAL_ROWS = "it has several rows: a row with a list of energies holds all of a home"
#: A step of a home has less than this, a thousand million; what has more is no measurement.
_MOST_WH = 10**9
_MOST_STEP_MIN = 1440
_TIMES_PER_MINUTE = {"s": 60, "ms": 60_000, "us": 60_000_000}


class Stretch(NamedTuple):
    """The rows of one home."""

    home: str | None
    first: int
    size: int


def is_list_form(schema: Any) -> bool:
    """Whether a row is a home, with a list of energies that follow each other."""
    return "wh" in schema.names and _is_list(schema.field("wh").type)


def refuse_other_columns(name: str | Path, schema: Any) -> None:
    """Refuses a table that has not the columns of `SCHEMA`, as Arrow's types.

    Raises:
        PortfolioError: with every fault.
    """
    fits: Mapping[str, Callable[[Any], bool]] = {
        "home": _is_text,
        "start": lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None,
        "step_minutes": pa.types.is_integer,
        "wh": _is_energy,
        "power_kva": pa.types.is_integer,
        "off_peak_hours": _is_text,
    }
    faults = []
    for column, wanted in {**SCHEMA, **SETTING_SCHEMA}.items():
        if column not in schema.names:
            if column in SCHEMA:
                faults.append(f"column {column} ({wanted}) is missing")
        elif schema.names.count(column) > 1:
            faults.append(f"several columns are named {column}")
        elif not fits[column](_plain(schema.field(column).type)):
            faults.append(f"column {column} is {schema.field(column).type}, not {wanted}")
    if faults:
        raise PortfolioError(f"{name}: {'; '.join(faults)}")


def home_runs(homes: Any) -> Iterator[tuple[str | None, int]]:
    """Stretches of one home's name that follow each other, with their lengths; dictionaries are fastest."""
    coded = homes if pa.types.is_dictionary(homes.type) else homes.dictionary_encode()
    codes = _numbers(coded.indices, -1)
    if not len(codes):
        return
    starts = np.concatenate([[0], _changes(codes)])
    firsts = pa.array(codes[starts], mask=codes[starts] < 0)
    yield from zip(
        coded.dictionary.take(firsts).to_pylist(),
        np.diff(starts, append=len(codes)).tolist(),
        strict=True,
    )


def homes_of(
    rows: pa.Table, stretches: Sequence[Stretch], settings: HomeSettings, now: datetime
) -> Iterator[MeteredHome]:
    """The homes of some rows with the columns of `SCHEMA`, one for each stretch that `stretches_of` found.

    A home that the file of settings names has its setting from there alone; the columns
    of `SETTING_SCHEMA` say that of others, where they are not null.
    """
    names = [name or "" for name, _, _ in stretches]
    settings_of_rows = _own_settings(rows, stretches)
    for name, setting, measured in zip(names, settings_of_rows, _curves(rows, stretches, now), strict=True):
        own = None if name in settings.by_home else setting
        if isinstance(own, Unreadable):
            yield MeteredHome(name, settings.default, own)
        else:
            yield MeteredHome(name, _setting(settings, name, own), measured)


def stretches_of(rows: pa.Table) -> list[Stretch]:
    """The rows of each home; every row is a home of its own in the list form."""
    if is_list_form(rows.schema):
        return [Stretch(home, row, 1) for row, home in enumerate(rows["home"].to_pylist())]
    found: list[Stretch] = []
    first = 0
    for chunk in rows["home"].chunks:
        for home, size in home_runs(chunk):
            if found and found[-1].home == home:
                found[-1] = found[-1]._replace(size=found[-1].size + size)
            else:
                found.append(Stretch(home, first, size))
            first += size
    return found


class _OwnSetting(NamedTuple):
    """What columns say of a home's meter; None where they are silent."""

    power_kva: int | None
    off_peak_hours: str | None


def _setting(settings: HomeSettings, home: str, own: _OwnSetting | None) -> HomeSetting:
    setting = settings.of(home)
    if own is None:
        return setting
    power_kva = setting.power_kva if own.power_kva is None else own.power_kva
    hours = parse_hours(own.off_peak_hours) if own.off_peak_hours else setting.off_peak_hours
    return HomeSetting(power_kva, hours)


def _own_settings(rows: pa.Table, stretches: Sequence[Stretch]) -> Sequence[_OwnSetting | Unreadable | None]:
    """What the columns of settings say of each home, once they were found to be right."""
    columns = [name for name in SETTING_SCHEMA if name in rows.column_names]
    if not columns:
        return [None] * len(stretches)
    firsts = np.array([one.first for one in stretches], dtype=np.int64)
    ends = firsts + [one.size for one in stretches]
    values: dict[str, list[Any]] = {name: [None] * len(stretches) for name in SETTING_SCHEMA}
    mixed: dict[str, npt.NDArray[np.bool_]] = {}
    for name in columns:
        cells = _whole(rows[name])
        changes = _changes(_codes(cells))
        mixed[name] = np.searchsorted(changes, ends) > np.searchsorted(changes, firsts, side="right")
        values[name] = cells.take(firsts).to_pylist()
    own: list[_OwnSetting | Unreadable | None] = []
    for number, one in enumerate(map(_OwnSetting, *values.values())):
        several = [name for name in columns if mixed[name][number]]
        if several:
            own.append(Unreadable(f"its rows have several values of {' and of '.join(several)}"))
            continue
        own.append(_checked(one))
    return own


def _checked(own: _OwnSetting) -> _OwnSetting | Unreadable:
    try:
        if own.power_kva is not None:
            refuse_power(own.power_kva)
        if own.off_peak_hours:
            parse_hours(own.off_peak_hours)
    except OpenWattError as error:
        return Unreadable(sentence(error))
    return own


def _codes(cells: Any) -> npt.NDArray[Any]:
    """A number for each cell that is the same where cells are; -1 for a null."""
    if pa.types.is_integer(cells.type):
        return _numbers(cells, -1)
    coded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
    return _numbers(coded.indices, -1)


def _changes(codes: npt.NDArray[Any]) -> Minutes:
    """The places of the codes that are not as the one before."""
    return np.flatnonzero(codes[1:] != codes[:-1]) + 1


def _numbers(cells: Any, of_null: int) -> npt.NDArray[Any]:
    numbers: npt.NDArray[Any] = (cells.fill_null(of_null) if cells.null_count else cells).to_numpy()
    return numbers


def _curves(rows: pa.Table, stretches: Sequence[Stretch], now: datetime) -> Sequence[LoadCurve | Unreadable]:
    """The curve of each home."""
    try:
        return _list_curves(rows, now) if is_list_form(rows.schema) else _row_curves(rows, stretches, now)
    except (pa.ArrowException, OverflowError) as error:
        # A value that is no measurement, or beyond every date, is one home's.
        if len(stretches) == 1:
            return [Unreadable(f"its measurements cannot be read: {error}")]
        alone = (rows.slice(one.first, one.size) for one in stretches)
        return [curve for some in alone for curve in _curves(some, [Stretch(None, 0, len(some))], now)]


def _row_curves(
    rows: pa.Table, stretches: Sequence[Stretch], now: datetime
) -> Sequence[LoadCurve | Unreadable]:
    """The curves of rows of one step each."""
    measured = _Measured.of(rows["start"], rows["step_minutes"], rows["wh"])
    found: list[LoadCurve | Unreadable] = []
    for size, block in groupby(stretches, key=lambda one: one.size):
        firsts = [one.first for one in block]
        regular = _regular_curves(measured, firsts[0], len(firsts), size, now)
        found += [
            regular.get(number) or measured.between(first, first + size).curve(now)
            for number, first in enumerate(firsts)
        ]
    return found


def _regular_curves(
    measured: "_Measured", first: int, homes: int, size: int, now: datetime
) -> Mapping[int, LoadCurve]:
    """The curves, by number, of those of some homes of so many rows each that are regular and exact."""
    starts, steps = (
        amounts[first : first + homes * size].reshape(homes, size)
        for amounts in (measured.starts, measured.steps_min)
    )
    energies, usable = measured.energies.regular(first, homes, size)
    if measured.has_start is not None:
        usable &= measured.has_start[first : first + homes * size].reshape(homes, size).all(axis=1)
    curves: dict[int, LoadCurve] = {}
    while usable.any():
        number = int(usable.argmax())
        start, step = int(starts[number, 0]), int(steps[number, 0])
        alike = usable & (starts[:, 0] == start) & (steps[:, 0] == step)
        usable &= ~alike
        if not _is_regular(starts[number], steps[number], measured.per_minute, now):
            continue
        if alike.sum() > 1:
            alike &= (starts == starts[number]).all(axis=1) & (steps == step).all(axis=1)
        numbers = np.flatnonzero(alike).tolist()
        found = regular_curves(start // measured.per_minute, step, [energies[one] for one in numbers])
        curves |= zip(numbers, found, strict=True)
    return curves


def _is_regular(starts: Minutes, steps: npt.NDArray[Any], per_minute: int, now: datetime) -> bool:
    """Whether steps of one length follow each other on whole minutes, and the last has ended."""
    step, start = int(steps[0]), int(starts[0])
    if not 1 <= step <= _MOST_STEP_MIN or start < 0 or start % per_minute:
        return False
    end_min = start // per_minute + len(starts) * step
    is_past = end_min * 60 <= now.timestamp()
    return is_past and bool((steps == step).all() and (np.diff(starts) == step * per_minute).all())


def _list_curves(rows: pa.Table, now: datetime) -> Sequence[LoadCurve | Unreadable]:
    """The curves of rows of one home each."""
    lists = _whole(rows["wh"])
    if pa.types.is_fixed_size_list(lists.type):
        lists = lists.cast(pa.list_(lists.type.value_type))
    offsets = lists.offsets.to_numpy().tolist()
    energies = _Energies.of(lists.values)
    starts, per_minute, has_start = _starts(rows["start"])
    has_start &= lists.is_valid().to_numpy(zero_copy_only=False)
    steps = _integers(rows["step_minutes"])
    keys = list(zip(starts.tolist(), steps.tolist(), map(int.__sub__, offsets[1:], offsets), strict=True))
    found: list[LoadCurve | Unreadable] = []
    for (start, step, size), block in groupby(enumerate(keys), key=lambda one: one[1]):
        numbers = [number for number, _ in block]
        firsts = [offsets[number] for number in numbers]
        ends = start + step * per_minute * np.arange(size + 1, dtype=np.int64)
        regular: Mapping[int, LoadCurve] = {}
        if size and has_start[numbers].all() and _is_regular(ends[:-1], np.array([step]), per_minute, now):
            amounts, usable = energies.regular(firsts[0], len(numbers), size)
            whole = np.flatnonzero(usable).tolist()
            curves = regular_curves(start // per_minute, step, [amounts[one] for one in whole])
            regular = dict(zip(whole, curves, strict=True))
        for number, first in enumerate(firsts):
            if number in regular:
                found.append(regular[number])
                continue
            some = energies.between(first, first + size)
            if not has_start[numbers[number]]:
                some = some._replace(present=np.zeros(size, dtype=np.bool_))
            found.append(_Measured(ends[:-1], per_minute, np.full(size, step), some, None).curve(now))
    return found


class _Energies(NamedTuple):
    """Energies in Wh / `per_wh`, 0 where there is none; `present` says where one is, None: everywhere."""

    values: npt.NDArray[Any]
    per_wh: int
    present: npt.NDArray[np.bool_] | None

    @classmethod
    def of(cls, wh: Any) -> "_Energies":
        """The energies of an Arrow array; more than three decimals are rounded.

        Raises:
            pa.ArrowException: when one is beyond all measure.
        """
        present = None if not wh.null_count else wh.is_valid().to_numpy(zero_copy_only=False)
        wh = _plain_cells(wh)
        kind = wh.type
        if not pa.types.is_decimal(kind):
            return cls(_integers(wh), 1, present)
        if kind.precision > 18 or not 0 <= kind.scale <= 3:
            rounded = pc.round(wh, 3).cast(pa.decimal128(22, 3), safe=False)
            milli = pc.multiply_checked(rounded, pa.scalar(Decimal(1000))).cast(pa.int64())
            return cls(_integers(milli), 1000, present)
        whole = wh.cast(pa.decimal128(18, kind.scale)).fill_null(Decimal(0))
        # The lower half of a decimal of 128 bits is all of one that has at most 18 digits.
        halves = np.frombuffer(whole.buffers()[1], dtype=np.int64).reshape(-1, 2)
        return cls(halves[whole.offset : whole.offset + len(whole), 0], 10**kind.scale, present)

    def between(self, first: int, end: int) -> "_Energies":
        """Some of them."""
        present = None if self.present is None else self.present[first:end]
        return self._replace(values=self.values[first:end], present=present)

    def regular(self, first: int, homes: int, size: int) -> tuple[Minutes, npt.NDArray[np.bool_]]:
        """So many homes of one size in W × minutes, and which of them are whole, exact and not negative."""
        if not size:
            return np.zeros((homes, 0), dtype=np.int64), np.zeros(homes, dtype=np.bool_)
        some = self.values[first : first + homes * size].reshape(homes, size)
        usable = (some.min(axis=1) >= 0) & (some.max(axis=1) < _MOST_WH * self.per_wh)
        if self.present is not None:
            usable &= self.present[first : first + homes * size].reshape(homes, size).all(axis=1)
        factor, rest = divmod(PER_WH, self.per_wh)
        if not rest:
            return np.multiply(some, factor, dtype=np.int64), usable
        numerators = np.multiply(some, PER_WH, dtype=np.int64)
        energies = numerators // self.per_wh
        usable &= (energies * self.per_wh == numerators).all(axis=1)
        return energies, usable


class _Measured(NamedTuple):
    """The measurements of some rows: starts in 1 / `per_minute` of a minute, steps and energies.

    `has_start` says where there is a start, None: everywhere.
    """

    starts: Minutes
    per_minute: int
    steps_min: npt.NDArray[Any]
    energies: _Energies
    has_start: npt.NDArray[np.bool_] | None

    @classmethod
    def of(cls, start: Any, step_minutes: Any, wh: Any) -> "_Measured":
        """The measurements of Arrow columns."""
        starts, per_minute, has_start = _starts(start)
        energies = _Energies.of(_whole(wh))
        return cls(
            starts, per_minute, _integers(step_minutes), energies, None if has_start.all() else has_start
        )

    def between(self, first: int, end: int) -> "_Measured":
        """Those of some rows."""
        return _Measured(
            self.starts[first:end],
            self.per_minute,
            self.steps_min[first:end],
            self.energies.between(first, end),
            None if self.has_start is None else self.has_start[first:end],
        )

    def curve(self, now: datetime) -> LoadCurve | Unreadable:
        """The curve of one home, whatever its rows are."""
        if (self.starts % self.per_minute).any():
            return Unreadable("a start does not fall on a whole minute")
        if (self.starts < 0).any():
            return Unreadable("a start lies before 1970")  # and a bill may look at days beyond every date
        steps = self.steps_min.astype(np.int64)
        if (steps < 1).any() or (steps > _MOST_STEP_MIN).any():
            return Unreadable("step_minutes are not all from 1 to 1440")
        values, per_wh, present = self.energies
        if len(values) and max(int(values.max()), -int(values.min())) >= _MOST_WH * per_wh:
            return Unreadable("a value of wh is a thousand million or more")
        readings = Readings(
            stamps_min=self.starts // self.per_minute,
            milli=values.astype(np.int64) * (1000 // per_wh),
            present=_where_all([present, self.has_start], len(values)),
            steps_min=steps,
            stamp_is="start",
            is_energy=True,
        )
        try:
            return build_curve([measure_readings(readings, now)])
        except OpenWattError as error:
            return Unreadable(sentence(error))


def _where_all(several: Sequence[npt.NDArray[np.bool_] | None], size: int) -> npt.NDArray[np.bool_]:
    """Where all say yes; None says it everywhere."""
    found = np.ones(size, dtype=np.bool_)
    for flags in several:
        if flags is not None:
            found &= flags
    return found


def _starts(column: Any) -> tuple[Minutes, int, npt.NDArray[np.bool_]]:
    """Instants since 1970, how many there are in a minute, and where there is one."""
    whole = _plain_cells(_whole(column))
    if whole.type.unit == "ns":
        whole = whole.cast(pa.timestamp("us", whole.type.tz), safe=False)
    has_start = whole.is_valid().to_numpy(zero_copy_only=False).copy()
    return _numbers(whole.view(pa.int64()), 0), _TIMES_PER_MINUTE[whole.type.unit], has_start


def _integers(column: Any) -> npt.NDArray[Any]:
    """Integers of any size that int64 holds, 0 for a null."""
    whole = _plain_cells(_whole(column))
    return _numbers(whole.cast(pa.int64()) if pa.types.is_unsigned_integer(whole.type) else whole, 0)


def _whole(column: Any) -> Any:
    """One array of a column in chunks."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _plain_cells(cells: Any) -> Any:
    return cells.cast(cells.type.value_type) if pa.types.is_dictionary(cells.type) else cells


def _plain(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: Any) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_energy(kind: Any) -> bool:
    kind = kind.value_type if _is_list(kind) else kind
    return pa.types.is_integer(kind) or pa.types.is_decimal(kind)


def _is_list(kind: Any) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
