"""The reader of one table of a sheet: from words around a column of powers to figures with a meaning."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from openwatt.domain.reading import SUBSCRIPTION, Figure, Tax
from openwatt.ingest.readers.figures import parse_amount
from openwatt.ingest.readers.grid_pdf.cells import (
    LABELS,
    AmountRow,
    ColumnRows,
    rows_without,
    struck_columns,
    unit_beside,
    without_replaced,
)
from openwatt.ingest.readers.grid_pdf.components import CellKey, add_up
from openwatt.ingest.readers.grid_pdf.geometry import (
    MIN_ROWS,
    AmountColumn,
    PowerColumn,
    lines_of,
    overlap,
    power_columns,
    value_columns,
)
from openwatt.ingest.readers.grid_pdf.header import header_words
from openwatt.ingest.readers.grid_pdf.joints import join_words
from openwatt.ingest.readers.grid_pdf.meanings import HeaderReader, Meaning
from openwatt.ingest.readers.grid_pdf.owners import others_columns
from openwatt.ingest.readers.grid_pdf.vocabulary import (
    AnchorKind,
    Vocabulary,
    anchors_of,
    read_anchors,
    unknown_phrases,
)
from openwatt.ingest.readers.grid_pdf.words import Page, Word

_POWER_WORDS = re.compile(r"puis-? ?s?ance|\bkva\b|\bps\b")
_PER_YEAR = re.compile(r"/ ?an\b|\bannuel|par an\b")
_PER_MONTH = re.compile(r"/ ?mois|mensuel|par mois")
_CENTS = re.compile(r"\bcts?\b|\bc ?€|centimes?|¢")


@dataclass
class Table:
    """The content of one table, row by row; `faults` is what its reader found contradictory.

    `mistitled` says so when the title names another option than the columns are of. `closed` are
    the rows and options whose own prices are struck out: they are no longer sold.
    """

    page: int
    spine: PowerColumn
    header: str
    yearly: bool | None
    cents: bool
    titles: frozenset[str]
    cells: dict[CellKey, Figure] = field(default_factory=dict)
    decoys: dict[CellKey, Figure] = field(default_factory=dict)
    closed: set[tuple[int, str]] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    mistitled: str | None = None
    unknown_headers: tuple[str, ...] = ()


class TableReader:
    """Reads the tables of a sheet's pages, in order: a header may serve on the page after it too.

    Amounts that bear `ignored_mark` belong to another tariff; `default_tax` is the tax side of a
    sheet whose headers name none. On a sheet where `closing` is set a sentence says that something
    is no longer sold: prices that are struck out may be real.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        ignored_mark: str | None = None,
        default_tax: Tax | None = None,
        closing: bool = False,
    ) -> None:
        self.vocabulary = vocabulary
        self.ignored_mark = ignored_mark
        self.default_tax = default_tax
        self.closing = closing
        self._last: _Frame | None = None

    def read(self, page: Page) -> Iterator[Table]:
        """Reads every table of a page that has a column of subscribed powers and amounts beside it."""
        words = join_words(page.words)
        if sum(parse_amount(word.text) is not None for word in words) < MIN_ROWS:
            return
        spines = power_columns(words)
        for spine in spines:
            frame = self._frame(page, words, spine, spines)
            if frame is None:
                continue
            text = _text_of(frame.heading)
            if not _POWER_WORDS.search(text):
                if self._last is not None and self._last.goes_on_in(frame):
                    frame = replace(frame, heading=self._last.heading)
                elif not frame.rows_are_powers:
                    unread = _unread(frame, text)
                    if unread is not None:
                        yield unread
                    continue
            self._last = frame
            yield _read_table(frame, self.vocabulary, self.default_tax, closing=self.closing)

    def _frame(
        self, page: Page, words: Sequence[Word], spine: PowerColumn, spines: Sequence[PowerColumn]
    ) -> "_Frame | None":
        """The words of the table that a column of powers opens; None without an amount."""
        beside = [
            other.x0
            for other in spines
            if other.x0 > spine.x1 + 20 and other.top < spine.bottom and other.bottom > spine.top
        ]
        right = min([*beside, page.width]) - 1
        margin = 0.8 * spine.pitch
        body = [
            w for w in words if spine.x1 < w.xc < right and spine.top - margin < w.yc < spine.bottom + margin
        ]
        columns = value_columns(body)
        if self.ignored_mark:
            for column in columns:
                column.cells = [cell for cell in column.cells if cell[1].marks != self.ignored_mark]
            columns = [column for column in columns if column.cells]
        columns = [left for column in columns if (left := without_replaced(spine, column))]
        if not columns:
            return None
        if not beside:
            right = min(right, columns[-1].x1 + 45)
        others = [other for other in spines if other is not spine]
        heading = header_words(words, spine, spine.x0 - 25, right, others)
        return _Frame(page.number, spine, columns, body, heading)


@dataclass(frozen=True)
class _Frame:
    """The words of one table, sorted into its parts."""

    page: int
    spine: PowerColumn
    columns: Sequence[AmountColumn]
    body: Sequence[Word]
    heading: Sequence[Word]

    @property
    def rows_are_powers(self) -> bool:
        """Whether the rows themselves say kVA, so that their header need not."""
        units = [word.yc for word in self.body if word.plain == "kva"]
        named = [
            row
            for row in self.spine.rows
            if row.word.plain.endswith("kva") or any(abs(row.yc - y) < 0.5 * row.word.height for y in units)
        ]
        return len(named) == len(self.spine.rows)

    def goes_on_in(self, other: "_Frame") -> bool:
        """Whether another table, on the next page, has the same columns and higher powers."""
        return (
            other.page == self.page + 1
            and not read_anchors(other.heading, Vocabulary())
            and other.spine.rows[0].powers.low > self.spine.rows[-1].powers.high
            and overlap(self.spine, other.spine) > 0
            and len(self.columns) == len(other.columns)
            and all(overlap(a, b) > 0 for a, b in zip(self.columns, other.columns, strict=True))
        )


def is_yearly(text: str) -> bool | None:
    """Whether a header counts subscriptions by the year; None when it says nothing, or month as well."""
    year, month = bool(_PER_YEAR.search(text)), bool(_PER_MONTH.search(text))
    return year if year != month else None


def in_cents(text: str) -> bool:
    """Whether a header counts prices in cents."""
    return bool(_CENTS.search(text))


def _text_of(words: Sequence[Word]) -> str:
    return " ".join(word.plain for line in lines_of(words) for word in line)


def _read_table(frame: _Frame, vocabulary: Vocabulary, default_tax: Tax | None, *, closing: bool) -> Table:
    text = _text_of(frame.heading)
    anchors = read_anchors(frame.heading, vocabulary)
    titles = frozenset(a.value for a in anchors if a.kind is AnchorKind.OPTION)
    anchors = [a for a in anchors if a.xc > frame.spine.x0 - 4]
    table = Table(
        page=frame.page,
        spine=frame.spine,
        header=text,
        yearly=is_yearly(text),
        cents=in_cents(text),
        titles=titles,
        unknown_headers=tuple(unknown_phrases(frame.heading, vocabulary)),
    )
    columns = frame.columns
    units = [unit_beside(column, frame.body) for column in columns]
    reader = HeaderReader(columns, anchors, [list(anchors_of(unit)) if unit else [] for unit in units])
    meanings = reader.meanings(default_tax)
    table.faults += reader.faults
    others = others_columns(reader, frame.heading, frame.spine, vocabulary)
    replaced = struck_columns(columns, meanings, others)
    labels = [a for a in read_anchors(frame.body, Vocabulary()) if a.kind in LABELS]
    for column, meaning in zip(columns, meanings, strict=True):
        _check_measure(table, column, meaning)
    read = []
    for i, (column, meaning) in enumerate(zip(columns, meanings, strict=True)):
        if meaning.measure and meaning.tax and not replaced[i]:
            rows = ColumnRows(frame.spine, column, _rows_of(frame, meanings, i))
            read += [(others[i], found, cells) for found, cells in rows.read(meaning, labels)]
            table.faults += rows.faults
    joint = any(meaning.option for meaning in meanings)
    whole = None if joint else option_of([meaning for _, meaning, _ in read], text)
    parts: dict[CellKey, dict[str, Figure]] = {}
    for other, meaning, cells in read:
        keep(table, meaning, whole or meaning.option or "BASE", cells, decoy=other, parts=parts)
    table.cells.update(add_up(parts, table.faults))
    _check_struck(table, [(o, m, c) for o, m, c in read if not o], whole, closing=closing)
    read_options = {option for _, option, _, _ in table.cells}
    if whole and titles and read_options and not read_options & _titled(titles, text):
        titled, found_options = ", ".join(sorted(titles)), ", ".join(sorted(read_options))
        table.mistitled = f"the title says {titled}, the columns are those of {found_options}"
    return table


def _titled(titles: frozenset[str], header: str) -> frozenset[str]:
    """The options that titles name; peak and off-peak of the seasons are titled by their hours."""
    return titles | {"SAISON"} if "HPHC" in titles and "saison" in header else titles


def _rows_of(frame: _Frame, meanings: Sequence[Meaning], i: int) -> list[int]:
    """The rows in which a column can have amounts: not marked, and with its option's subscription."""
    spine, meaning = frame.spine, meanings[i]
    rows = set(range(len(spine.rows))) - rows_without(spine, frame.columns[i], frame.body)
    if meaning.option and meaning.measure == "energy":
        sold = {
            spine.nearest(word.yc)
            for column, other in zip(frame.columns, meanings, strict=True)
            if (other.option, other.measure) == (meaning.option, "subscription")
            for word, _ in column.cells
        }
        rows &= sold
    return sorted(rows)


def _check_struck(
    table: Table,
    read: Sequence[tuple[bool, Meaning, Sequence[AmountRow]]],
    whole: str | None,
    *,
    closing: bool,
) -> None:
    """Closes the rows whose own amounts are struck out, where the sheet says that something is closed."""
    struck = [
        (row, whole or meaning.option or "BASE", word)
        for _, meaning, cells in read
        for row, word, _ in cells
        if word.struck
    ]
    if struck and not closing:
        table.faults.append(
            f"« {struck[0][2].text} » is struck out, none replaces it, and no sentence says what is closed"
        )
    table.closed.update((row, option) for row, option, _ in struck)


def _unread(frame: _Frame, text: str) -> Table | None:
    """Judges a table whose header names no power: None for gas zones, a fault for a possible grid.

    Subscribed powers go up to 12 kVA at least; zones and classes of other tables end before.
    """
    last = frame.spine.rows[-1].powers.high
    if last < 12 or "gaz" in text:
        return None
    message = (
        f"a column of numbers up to {last} with amounts beside it, whose header does not say « puissance »"
    )
    return Table(
        frame.page, frame.spine, text, yearly=None, cents=False, titles=frozenset(), faults=[message]
    )


def option_of(meanings: Sequence[Meaning], header: str) -> str:
    """The option whose registers a table's columns are."""
    periods = {meaning.period for meaning in meanings}
    if any(meaning.colour for meaning in meanings):
        return "TEMPO"
    if any(meaning.season or meaning.half for meaning in meanings):
        return "SAISON"
    if periods & {"HN", "PM"}:
        return "EJP"
    if "HSC" in periods:
        return "SUPER_CREUSES"
    if periods & {"HP", "HC"}:
        return "WEEKEND_HPHC" if "week-end" in header else "HPHC"
    return "BASE"


def _check_measure(table: Table, column: AmountColumn, meaning: Meaning) -> None:
    """Checks headers: a subscription rises with the power, a price of a kWh hardly does."""
    if meaning.measure == "subscription" and table.yearly is None and meaning.yearly is None:
        message = "the header does not say whether the subscription is per month or year"
        if message not in table.faults:
            table.faults.append(message)
    values = [amount.value for _, amount in column.cells]
    if len(values) < 4 or meaning.measure is None or meaning.component:
        return
    cents = table.cents if meaning.cents is None else meaning.cents
    rises = values[-1] > Decimal("1.6") * values[0]
    if meaning.measure == "energy" and (rises or max(values) >= (100 if cents else 2)):
        table.faults.append(f"a column under « prix du kWh » holds {values[0]} to {values[-1]}")
    if meaning.measure == "subscription" and (max(values) < 2 or len(set(values)) == 1):
        table.faults.append(f"a column under « abonnement » holds {values[0]} to {values[-1]}")


def keep(
    table: Table,
    meaning: Meaning,
    option: str,
    rows: Sequence[AmountRow],
    *,
    decoy: bool,
    parts: dict[CellKey, dict[str, Figure]],
) -> None:
    """Stores figures in the field's units under their place; two different ones in one place are a fault.

    What is a part of a price goes to `parts` instead.
    """
    name = SUBSCRIPTION if meaning.measure == "subscription" else _register(meaning, option)
    factor = _factor(table, meaning)
    if meaning.tax is None:
        return
    clashes = []
    for row, word, amount in rows:
        place = (row, option, name, meaning.tax)
        figure = Figure(
            amount=amount.value * factor,
            printed=word.text,
            step=Decimal(1).scaleb(int(amount.value.as_tuple().exponent)) * factor,
            page=table.page,
            box=(int(word.x0), int(word.y0), int(word.x1) + 1, int(word.y1) + 1),
        )
        if meaning.component and not decoy:
            if meaning.component in parts.setdefault(place, {}):
                clashes.append((row, parts[place][meaning.component].printed, word.text))
            parts[place][meaning.component] = figure
            continue
        cells = table.decoys if decoy else table.cells
        if place in cells and cells[place].amount != figure.amount and not decoy:
            clashes.append((row, cells[place].printed, word.text))
        cells.setdefault(place, figure)
    if clashes:
        row, first, second = clashes[0]
        power = table.spine.rows[row].word.text
        table.faults.append(f"two figures for {name} {meaning.tax} at {power} kVA: {first} and {second}")


def _factor(table: Table, meaning: Meaning) -> Decimal:
    """What makes a column's amounts those of a year, or of a kWh in euros."""
    if meaning.measure == "subscription":
        yearly = table.yearly if meaning.yearly is None else meaning.yearly
        return Decimal(1) if yearly else Decimal(12)
    cents = table.cents if meaning.cents is None else meaning.cents
    return Decimal("0.01") if cents else Decimal(1)


def _register(meaning: Meaning, option: str) -> str:
    return "BASE" if option == "BASE" else meaning.register
