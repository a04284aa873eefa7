"""Tables read by meaning: a header anywhere in the first rows, its columns by the vocabulary, any maker."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from openwatt.domain.errors import MeterFileError
from openwatt.domain.legal_time import Minutes
from openwatt.domain.load_curve import Export, Finding, Readings
from openwatt.domain.messages import Message
from openwatt.meter.cells import homes_in, quoted, stamp_of
from openwatt.meter.columns import Mask, Spans
from openwatt.meter.grids import Grid
from openwatt.meter.measurements import Rows, Stamps, read_numbers, read_stamps, steps_between
from openwatt.meter.options import UNITS, FileOptions, StampIs, Unit
from openwatt.meter.refusals import ambiguous, refused
from openwatt.meter.vocabulary import (
    ACCOUNT_TITLE,
    EDF_TITLE,
    METADATA_LEAD,
    MONTH,
    PERIOD,
    HeaderCell,
    Role,
    direction_of,
    header_cell,
    plain,
    unit_of,
)

#: Rows among which a header is looked for: the account's sheet has fifteen above its own.
_HEADER_ROWS = 100
_MOMENTS: frozenset[Role] = frozenset({"start", "end", "stamp", "date", "time", "time_start", "time_end"})
_QUANTITIES: frozenset[Role] = frozenset({"value", "production", "index", "maximum", "register"})
_STEP = re.compile(r"(?:PT)?(\d{1,3})\s*(M|H|min|h|)", re.IGNORECASE)
#: The places in the row below the operator's own names for what an export holds.
_META_KIND, _META_PHYSICAL, _META_DIRECTION, _META_UNIT = 1, 4, 5, 7
_CURVE_KINDS = frozenset({"courbe de charge", "courbe", ""})


@dataclass(frozen=True, slots=True)
class Header:
    """The row that names the columns, and what stands above it. A table without one has the row -1."""

    row: int
    cells: tuple[HeaderCell, ...]
    texts: tuple[str, ...] = ()
    above: tuple[tuple[str, ...], ...] = ()

    def places(self, role: Role) -> list[int]:
        """The columns of a role."""
        return [place for place, cell in enumerate(self.cells) if cell.role == role]

    def first(self, role: Role) -> int | None:
        """The first column of a role."""
        return next(iter(self.places(role)), None)


def find_header(grid: Grid) -> Header | None:
    """The header of a grid: the first row that names a moment and a quantity, or what a bare table lacks."""
    above: list[tuple[str, ...]] = []
    for number in range(min(len(grid), _HEADER_ROWS)):
        texts = tuple(grid.row(number))
        cells = tuple(map(header_cell, texts))
        roles = {cell.role for cell in cells}
        if roles & _MOMENTS and roles & _QUANTITIES:
            return Header(number, cells, texts, tuple(above))
        above.append(texts)
    return _bare_header(above[0]) if above else None


def _bare_header(row: Sequence[str]) -> Header | None:
    """The header of a table whose first row is a stamp with a value, or a day, a time and a value."""
    filled = tuple(cell for cell in row if cell)
    if len(filled) < 2:
        return None
    names: tuple[Role, ...] = ("stamp", "value")
    text = filled[0]
    if len(filled) == 3 and re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", filled[1]):
        names, text = ("date", "time", "value"), f"{filled[0]} {filled[1]}"
    try:
        stamp = stamp_of(text)
    except MeterFileError:
        return None
    if not stamp.has_time or tuple(row[: len(names)]) != filled[: len(names)]:
        return None
    return Header(-1, tuple(map(HeaderCell, names)))


def export_of(header: Header) -> Export:
    """Whose export a table is: by its title, the operator's row of metadata, or the operator's columns."""
    above = {plain(cell) for row in header.above for cell in row}
    if ACCOUNT_TITLE in above:
        return "enedis_account"
    if METADATA_LEAD in above:
        return "enedis_curve"
    if header.first("home") is not None and any("horodate" in cell.words for cell in header.cells):
        return "enedis_r63"
    return "table"


def read_table(grid: Grid, header: Header, options: FileOptions) -> Readings:
    """The measurements of a table.

    Raises:
        MeterFileError: what it holds instead, which of two meanings is to be said, or what cannot be read.
    """
    return _Table(grid, header, options).readings()


@dataclass(slots=True)
class _Table:
    """A table while it is read."""

    grid: Grid
    header: Header
    options: FileOptions
    homes: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    meta: tuple[str, ...] = ()
    metadata_row: int = -1
    """The row after the last one that names metadata."""

    def readings(self) -> Readings:
        """The measurements."""
        header, first = self.header, self.header.row + 1
        self.homes |= homes_in(cell for row in header.above for cell in row)
        for names, values in zip(header.above, header.above[1:], strict=False):
            if names and plain(names[0]) == METADATA_LEAD:
                self._take_metadata(values)
        value = self._value_column()
        self._refuse_direction(value)
        if len(self.grid) <= first:
            raise MeterFileError(Message.of("file.no_measurement"))
        stamps, steps, stamp_is = self._moments(first)
        valid = self._wanted_rows(first, stamps.valid)
        stamps = stamps._replace(valid=valid)
        spans = self.grid.column(value, first)
        self._refuse_other_cells(first, valid)
        unit = self._unit(value, first, spans, valid)
        milli_per_unit, is_energy = UNITS[unit]
        if unit in {"W", "Wh"} and _may_be_thousands(spans, valid):
            raise ambiguous("thousands", column=quoted(header.texts[value]) if header.texts else "")
        milli, present = read_numbers(spans, milli_per_unit, valid)
        return Rows(
            stamps, milli, present, self._own_steps(first, steps), stamp_is, is_energy,
            frozenset(self.homes), tuple(self.findings),
        ).readings()  # fmt: skip

    def _value_column(self) -> int:
        """The column of consumption. Raises MeterFileError when there is none, or more than one."""
        header = self.header
        values = header.places("value")
        if not values:
            self._refuse_other_quantities()
        if header.places("production"):
            self._left_out_production(len(self.grid) - header.row - 1)
        if len(values) > 1:
            for wanted in (
                [place for place in values if unit_of(header.cells[place].unit) == self.options.unit],
                [place for place in values if header.cells[place].is_consumption],
            ):
                if len(wanted) == 1:
                    return wanted[0]
            names = " / ".join(quoted(header.texts[place]) for place in values[:4])
            raise ambiguous("columns", columns=names[:100])
        return values[0]

    def _refuse_other_quantities(self) -> None:
        header = self.header
        first = [*self.grid.row(header.row + 1), ""] if len(self.grid) > header.row + 1 else [""]
        bring = "edf" if self._is_edf() else "enedis"
        if header.places("production"):
            raise refused("production", bring)
        if header.places("index"):
            raise refused("index", bring)
        if header.places("maximum"):
            raise refused("maxima", bring)
        if any(PERIOD.search(cell) for cell in first):
            raise refused("monthly", "registers")
        raise refused("registers", "registers")

    def _is_edf(self) -> bool:
        return any(EDF_TITLE.match(plain(cell)) for row in self.header.above for cell in row)

    def _left_out_production(self, rows: int) -> None:
        message = Message.of("finding.production", rows=rows)
        self.findings.append(Finding("production", rows, message))

    def _take_metadata(self, values: Sequence[str]) -> None:
        """What the operator's row of metadata says. Raises MeterFileError unless it is of consumption."""
        meta = (*values, *[""] * 8)
        kind, physical = plain(meta[_META_KIND]), plain(meta[_META_PHYSICAL])
        if direction_of([meta[_META_DIRECTION], kind]) == "production":
            raise refused("production")
        if kind == "index":
            raise refused("index")
        if "max" in kind or "max" in physical or "VA" in meta:
            raise refused("maxima")
        if kind not in _CURVE_KINDS:
            raise refused("kind", kind=quoted(meta[_META_KIND]))
        if self.meta and meta[_META_UNIT] != self.meta[_META_UNIT]:
            raise MeterFileError(Message.of("file.mixed_units"))
        self.meta = meta
        self.homes |= homes_in(values[:1])

    def _refuse_direction(self, value: int) -> None:
        """Refuses a table whose title, sheet or header says that it is of production."""
        if self.header.first("direction") is not None:
            return
        printed = [self.header.texts[value]] if self.header.texts else []
        titles = [cell for row in self.header.above for cell in row] if not self.meta else []
        if (direction_of(printed) or direction_of([self.grid.title, *titles])) == "production":
            raise refused("production")
        if self.options.direction == "production":
            raise refused("production")

    # Moments.

    def _moments(self, first: int) -> tuple[Stamps, Minutes, StampIs]:
        """The stamps, the steps where both ends are given (else 0), and what the stamps are."""
        header = self.header
        operator = [n for n, cell in enumerate(header.cells) if "horodate" in cell.words]
        starts, ends = header.first("start"), header.first("end")
        if operator:
            place = operator[0]
            stamp_is: StampIs = "start" if header.cells[place].role == "start" else "end"
            return self._stamps([place], first), self._no_steps(first), stamp_is
        if starts is not None:
            stamps = self._stamps([starts], first)
            steps = self._no_steps(first)
            if ends is not None:
                closes = read_stamps(self.grid.column(ends, first), lambda *_: True)
                steps = np.where(closes.valid, steps_between(stamps, closes), 0)
            return stamps, steps, "start"
        if ends is not None:
            return self._stamps([ends], first), self._no_steps(first), "end"
        return self._one_moment(first)

    def _one_moment(self, first: int) -> tuple[Stamps, Minutes, StampIs]:
        """The stamps of a header that says no more than a moment, or a day and a time."""
        header = self.header
        day, stamp = header.first("date"), header.first("stamp")
        clocks = [n for n, cell in enumerate(header.cells) if cell.role in {"time", "time_start", "time_end"}]
        if stamp is None and day is None:
            stamp = clocks.pop(0)  # a column "heure" that stands alone
        if stamp is not None:
            stamps, role = self._stamps([stamp], first), header.cells[stamp].role
        elif clocks and day is not None:
            role = header.cells[clocks[0]].role
            stamps = self._stamps([day, clocks[0]], first)
        else:
            stamps, role = self._stamps([day or 0], first), "stamp"
        printed: dict[Role, StampIs] = {"time_start": "start", "time_end": "end"}
        stamp_is = printed.get(role) or self.options.stamps
        if stamp_is is None and header.row < 0 and stamp is not None:
            stamp_is = "end"  # how those who print no header have it from the operator
            self.findings.append(Finding("assumed", 1, Message("finding.assumed_bare")))
        if stamp_is is None:
            raise ambiguous("stamps", column=quoted(header.texts[stamp or day or 0]) if header.texts else "")
        return stamps, self._no_steps(first), stamp_is

    def _no_steps(self, first: int) -> Minutes:
        return np.zeros(len(self.grid) - first, dtype=np.int64)

    def _stamps(self, places: Sequence[int], first: int) -> Stamps:
        """The stamps of one column, or of a day's and a time's. Raises MeterFileError when they are days."""
        spans = self.grid.column(places[0], first)
        if len(places) > 1:
            clock = self.grid.column(places[1], first)
            days = (spans.text(row).removesuffix(" 00:00:00") for row in range(len(spans.begin)))
            spans = Spans.of([f"{day} {clock.text(row)}".strip() for row, day in enumerate(days)])

        def is_no_measurement(row: int, error: MeterFileError) -> bool:
            return self._is_no_measurement(first + row, error)

        stamps = read_stamps(spans, is_no_measurement)
        if stamps.valid.any() and stamps.timeless[stamps.valid].all():
            raise refused("daily", "edf" if self._is_edf() else "enedis")
        return stamps

    def _is_no_measurement(self, number: int, error: MeterFileError) -> bool:
        """Whether a row without a stamp is blank, a header again, or metadata of a file that follows.

        Raises:
            MeterFileError: when it is none of these, saying what it is.
        """
        row = self.grid.row(number)
        filled = [cell for cell in row if cell]
        if not filled:
            return True
        if number == self.metadata_row:
            self._take_metadata(row)
            return True
        if plain(row[0]) == METADATA_LEAD:
            self.metadata_row = number + 1
            return True
        roles = [header_cell(cell).role for cell in row]
        if set(roles) & _MOMENTS and set(roles) & _QUANTITIES:
            if [one for one in roles if one != "other"] != [
                cell.role for cell in self.header.cells if cell.role != "other"
            ]:
                raise MeterFileError(Message.of("file.two_headers", row=number + 1))
            return True
        if any(PERIOD.search(cell) for cell in row):
            raise refused("monthly", "registers")
        if MONTH.fullmatch(filled[0]) and number <= self.header.row + 3:
            raise refused("monthly", "edf" if self._is_edf() else "enedis")
        if len(filled) == 1:
            raise MeterFileError(Message.of("row.no_measurement", row=quoted(filled[0])))
        raise error

    def _refuse_other_cells(self, first: int, valid: Mask) -> None:
        """Refuses rows of more than one value where nothing says which is the curve's."""
        if self.header.row >= 0:
            return
        for row in range(first, min(first + 5, len(self.grid))):
            if valid[row - first] and any(self.grid.row(row)[len(self.header.cells) :]):
                raise MeterFileError(Message.of("row.no_measurement", row=quoted(self.grid.row(row)[0])))

    # Quantities.

    def _wanted_rows(self, first: int, valid: Mask) -> Mask:
        """The rows of consumption and active power. Raises MeterFileError when there is none."""
        home = self.header.first("home")
        if home is not None:
            self.homes |= homes_in(text for text, _ in self.grid.column(home, first).distinct())
        direction = self.header.first("direction")
        if direction is not None:
            rows = np.zeros(len(valid), dtype=np.bool_)
            for text, same in self.grid.column(direction, first).distinct():
                if direction_of([text]) == "production":
                    rows |= same
            rows &= valid
            if rows.any():
                if (rows == valid).all():
                    raise refused("production")
                self._left_out_production(int(rows.sum()))
                valid = valid & ~rows
        return valid

    def _own_steps(self, first: int, steps: Minutes) -> Minutes:
        """The steps that rows say themselves."""
        place = self.header.first("step")
        if place is None or steps.any():
            return steps
        for text, rows in self.grid.column(place, first).distinct():
            if (found := _STEP.fullmatch(text)) and 0 < int(found.group(1)) <= 60:
                minutes = int(found.group(1)) * (60 if found.group(2).lower() == "h" else 1)
                steps[rows] = minutes if minutes <= 60 else 0
        return steps

    def _unit(self, value: int, first: int, spans: Spans, valid: Mask) -> Unit:
        """The unit of the values. Raises MeterFileError when it is another one, or nothing says it."""
        printed = self.header.cells[value].unit
        place = self.header.first("unit")
        if not printed and place is not None:
            units = [text for text, rows in self.grid.column(place, first).distinct() if (rows & valid).any()]
            if len(units) > 1:
                raise MeterFileError(Message.of("file.mixed_units"))
            printed = units[0] if units else ""
        printed = printed or (self.meta[_META_UNIT] if self.meta else "") or self._unit_of_title()
        if printed:
            if (unit := unit_of(printed)) is not None:
                return unit
            if plain(printed) in {"va", "kva"}:
                raise refused("maxima")
            raise refused("unit", unit=quoted(printed)[:20])
        if self.options.unit is not None:
            return self.options.unit
        whole = not _holds_decimals(spans, valid)
        operator = any("horodate" in cell.words for cell in self.header.cells)
        if whole and (operator or self.header.row < 0):
            return "W"  # the operator's own rows, and those of who prints no header, are whole W
        raise ambiguous("unit", column=quoted(self.header.texts[value]) if self.header.texts else "")

    def _unit_of_title(self) -> str:
        """The one unit that title lines name, if they name one."""
        cells = (cell for row in self.header.above for cell in row if len(cell) <= 100)
        units = {header_cell(cell).unit for cell in cells} - {""}
        return units.pop() if len(units) == 1 else ""


def _may_be_thousands(spans: Spans, valid: Mask) -> bool:
    """Whether each comma has three digits after it and up to three before: 1,234 W is 1234 or 1.234."""
    some = spans.take(valid)
    widths = some.end - some.begin
    fourth_last = (some.buffer[np.maximum(some.end - 4, 0)] == ord(",")) & (widths >= 5) & (widths <= 7)
    if not fourth_last.any():
        return False
    others = some.take(~fourth_last)
    return not any("," in others.text(row) for row in range(len(others.begin)))


def _holds_decimals(spans: Spans, valid: Mask) -> bool:
    """Whether some value is written with a point or a comma."""
    some = spans.take(valid)
    for place in range(int((some.end - some.begin).max(initial=0))):
        inside = some.begin + place < some.end
        sign = some.buffer[np.minimum(some.begin + place, len(some.buffer) - 1)]
        if (inside & ((sign == ord(".")) | (sign == ord(",")))).any():
            return True
        if place > 20:
            break
    return False
