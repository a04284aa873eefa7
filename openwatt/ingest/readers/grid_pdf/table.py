"""The reader of one table of a sheet: from words around a column of powers to figures with a meaning."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from openwatt.domain.reading import SUBSCRIPTION, Figure, Tax
from openwatt.ingest.readers.figures import Amount, parse_amount
from openwatt.ingest.readers.grid_pdf.geometry import (
    MIN_ROWS,
    AmountColumn,
    PowerColumn,
    join_ranges,
    lines_of,
    power_columns,
    value_columns,
)
from openwatt.ingest.readers.grid_pdf.header import header_words
from openwatt.ingest.readers.grid_pdf.meanings import HeaderReader, Meaning
from openwatt.ingest.readers.grid_pdf.owners import others_columns
from openwatt.ingest.readers.grid_pdf.vocabulary import Anchor, AnchorKind, Vocabulary, read_anchors
from openwatt.ingest.readers.grid_pdf.words import Page, Word

_POWER_WORDS = re.compile(r"puis-? ?s?ance|\bkva\b|\bps\b")
_PER_YEAR = re.compile(r"/ ?an\b|\bannuel|par an\b")
_PER_MONTH = re.compile(r"/ ?mois|mensuel|par mois")
_CENTS = re.compile(r"\bcts?\b|\bc ?€|centimes?")
_LABELS = (AnchorKind.PERIOD, AnchorKind.SEASON, AnchorKind.COLOUR)

#: A row of the spine, a meaning (`subscription` or a register) and a tax side.
CellKey = tuple[int, str, str, Tax]


@dataclass
class Table:
    """The content of one table, row by row; `faults` is what its reader found contradictory.

    `mistitled` says so when the title names another option than the columns are of.
    """

    page: int
    spine: PowerColumn
    header: str
    yearly: bool | None
    cents: bool
    titles: frozenset[str]
    cells: dict[CellKey, Figure] = field(default_factory=dict)
    decoys: dict[CellKey, Figure] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    mistitled: str | None = None


def read_tables(
    page: Page, vocabulary: Vocabulary, *, ignored_mark: str | None = None, default_tax: Tax | None = None
) -> Iterator[Table]:
    """Reads every table of a page that has a column of subscribed powers and amounts beside it.

    Amounts that bear `ignored_mark` belong to another tariff; `default_tax` is
    the tax side of a sheet whose headers name none.
    """
    if sum(parse_amount(word.text) is not None for word in page.words) < MIN_ROWS:
        return
    words = join_ranges(page.words)
    spines = power_columns(words)
    for spine in spines:
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
        if ignored_mark:
            for column in columns:
                column.cells = [cell for cell in column.cells if cell[1].marks != ignored_mark]
            columns = [column for column in columns if column.cells]
        if not columns:
            continue
        if not beside:
            right = min(right, columns[-1].x1 + 45)
        others = [other for other in spines if other is not spine]
        heading = header_words(words, spine, spine.x0 - 25, right, others)
        table = _read_table(_Frame(page.number, spine, columns, body, heading), vocabulary, default_tax)
        if table is not None:
            yield table


@dataclass(frozen=True)
class _Frame:
    """The words of one table, sorted into its parts."""

    page: int
    spine: PowerColumn
    columns: Sequence[AmountColumn]
    body: Sequence[Word]
    heading: Sequence[Word]


def _read_table(frame: _Frame, vocabulary: Vocabulary, default_tax: Tax | None) -> Table | None:
    text = " ".join(word.plain for line in lines_of(frame.heading) for word in line)
    if not _POWER_WORDS.search(text):
        return _unread(frame, text)
    anchors = read_anchors(frame.heading, vocabulary)
    titles = frozenset(a.value for a in anchors if a.kind is AnchorKind.OPTION)
    anchors = [a for a in anchors if a.xc > frame.spine.x0 - 4]
    year, month = bool(_PER_YEAR.search(text)), bool(_PER_MONTH.search(text))
    table = Table(
        page=frame.page,
        spine=frame.spine,
        header=text,
        yearly=year if year != month else None,
        cents=bool(_CENTS.search(text)),
        titles=titles,
    )
    columns = frame.columns
    reader = HeaderReader(columns, anchors)
    meanings = reader.meanings(default_tax)
    table.faults += reader.faults
    others = others_columns(reader, frame.heading, frame.spine, vocabulary)
    labels = [a for a in read_anchors(frame.body, Vocabulary()) if a.kind in _LABELS]
    for column, meaning in zip(columns, meanings, strict=True):
        _check_measure(table, column, meaning)
    read = [
        (other, cell_meaning, rows)
        for column, meaning, other in zip(columns, meanings, others, strict=True)
        if meaning.measure and meaning.tax
        for cell_meaning, rows in _rows(table, column, meaning, labels)
    ]
    joint = any(meaning.option for meaning in meanings)
    whole = None if joint else _option_of([meaning for _, meaning, _ in read], text)
    for other, meaning, rows in read:
        _keep(table, meaning, whole or meaning.option or "BASE", rows, decoy=other)
    read_options = {option for _, option, _, _ in table.cells}
    if whole and titles and read_options and not read_options & titles:
        titled, found = ", ".join(sorted(titles)), ", ".join(sorted(read_options))
        table.mistitled = f"the title says {titled}, the columns are those of {found}"
    return table


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


def _option_of(meanings: Sequence[Meaning], header: str) -> str:
    """The option whose registers a table's columns are."""
    periods = {meaning.period for meaning in meanings}
    if any(meaning.colour for meaning in meanings):
        return "TEMPO"
    if any(meaning.season for meaning in meanings):
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
    values = [amount.value for _, amount in column.cells]
    if len(values) < 4 or meaning.measure is None:
        return
    rises = values[-1] > Decimal("1.6") * values[0]
    if meaning.measure == "energy" and (rises or max(values) >= (100 if table.cents else 2)):
        table.faults.append(f"a column under « prix du kWh » holds {values[0]} to {values[-1]}")
    if meaning.measure == "subscription" and (max(values) < 2 or len(set(values)) == 1):
        table.faults.append(f"a column under « abonnement » holds {values[0]} to {values[-1]}")


AmountRow = tuple[int, Word, Amount]


def _rows(
    table: Table, column: AmountColumn, meaning: Meaning, labels: Sequence[Anchor]
) -> Iterator[tuple[Meaning, list[AmountRow]]]:
    """Reads the amounts of a column by row; labels stacked inside its cells win over the header."""
    rows = table.spine.rows
    groups: dict[Meaning, list[tuple[Word, Amount]]] = {}
    merged = meaning.measure == "energy" and len(column.cells) < len(rows)
    for word, amount in column.cells:
        labelled = _label(table, column, word, labels) if merged else {}
        group = replace(
            meaning,
            period=labelled.get(AnchorKind.PERIOD, meaning.period),
            season=labelled.get(AnchorKind.SEASON, meaning.season),
            colour=labelled.get(AnchorKind.COLOUR, meaning.colour),
        )
        groups.setdefault(group, []).append((word, amount))
    for group, cells in groups.items():
        if len(cells) >= 0.6 * len(rows) or meaning.measure == "subscription":
            yield group, list(_row_by_row(table, cells))
        else:
            yield group, list(_spread(table, cells, alone=len(groups) == 1))


def _label(table: Table, column: AmountColumn, word: Word, labels: Sequence[Anchor]) -> dict[AnchorKind, str]:
    """The labels in a cell that belong to an amount: of each kind the nearest above or beside it."""
    values: dict[AnchorKind, str] = {}
    reach = 1.9 * max(word.height, table.spine.pitch)
    for anchor in sorted(labels, key=lambda a: a.yc):
        beside = min(anchor.x1, column.x1 + 25) > max(anchor.x0, column.x0 - 45)
        if beside and -0.6 * word.height < word.yc - anchor.yc < reach:
            values[anchor.kind] = anchor.value
    return values


def _row_by_row(table: Table, cells: Sequence[tuple[Word, Amount]]) -> Iterator[AmountRow]:
    for word, amount in cells:
        row = table.spine.nearest(word.yc)
        if abs(table.spine.rows[row].yc - word.yc) < 0.6 * table.spine.pitch:
            yield row, word, amount


def _spread(table: Table, cells: Sequence[tuple[Word, Amount]], *, alone: bool) -> Iterator[AmountRow]:
    """Copies a price that is printed once over many rows to all the rows that it is centred on."""
    rows, pitch = table.spine.rows, table.spine.pitch
    start = 0
    for k, (word, amount) in enumerate(cells):
        stop = len(rows)
        if k < len(cells) - 1:
            stop = min(
                range(start + 1, max(start + 2, len(rows))),
                key=lambda end: abs((rows[start].yc + rows[end - 1].yc) / 2 - word.yc),
            )
        middle = (rows[start].yc + rows[stop - 1].yc) / 2 if start < len(rows) else word.yc
        if alone and abs(middle - word.yc) > max(1.6 * pitch, 0.15 * (table.spine.bottom - table.spine.top)):
            table.faults.append(f"« {word.text} » stands for several rows but is not centred on them")
        for row in range(start, stop):
            yield row, word, amount
        start = stop


def _keep(table: Table, meaning: Meaning, option: str, rows: Sequence[AmountRow], *, decoy: bool) -> None:
    """Stores figures in the field's units under their place; two different ones in one place are a fault."""
    name = SUBSCRIPTION if meaning.measure == "subscription" else _register(meaning, option)
    if meaning.measure == "subscription":
        factor = Decimal(1) if table.yearly else Decimal(12)
    else:
        factor = Decimal("0.01") if table.cents else Decimal(1)
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
        cells = table.decoys if decoy else table.cells
        if place in cells and cells[place].amount != figure.amount and not decoy:
            clashes.append((row, cells[place].printed, word.text))
        cells.setdefault(place, figure)
    if clashes:
        row, first, second = clashes[0]
        power = table.spine.rows[row].word.text
        table.faults.append(f"two figures for {name} {meaning.tax} at {power} kVA: {first} and {second}")


def _register(meaning: Meaning, option: str) -> str:
    return "BASE" if option == "BASE" else meaning.register
