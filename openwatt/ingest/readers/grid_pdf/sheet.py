"""The reader of a whole sheet: its tables become the lines of offers, composed and dated."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from openwatt.domain.reading import SIDES, SUBSCRIPTION, Doubt, Figure, Line, PrintedDay, Reading, Tax
from openwatt.domain.tariff import OPTIONS
from openwatt.ingest.declarations import DeclaredOffer, SourceDeclaration
from openwatt.ingest.readers.figures import find_validity
from openwatt.ingest.readers.grid_pdf.blocks import read_blocks
from openwatt.ingest.readers.grid_pdf.components import sum_of
from openwatt.ingest.readers.grid_pdf.geometry import lines_of, phrases_of
from openwatt.ingest.readers.grid_pdf.table import Table, TableReader
from openwatt.ingest.readers.grid_pdf.vocabulary import Vocabulary
from openwatt.ingest.readers.grid_pdf.words import Page

#: Stands where a document without a source names neither supplier nor offer for the reader.
UNKNOWN = "(unknown)"

_GENERAL = SourceDeclaration(
    name="",
    supplier=UNKNOWN,
    format="grid_pdf",
    address=None,
    cadence_days=1,
    offers=(DeclaredOffer(name=UNKNOWN),),
)
#: A page with less text than this has its words drawn, not written.
_MIN_CHARACTERS_PER_PAGE = 80
#: The sentences by which sheets say that an option, or some powers of it, is closed to new customers.
_CLOSED = (
    re.compile(
        r"puissances? de (?P<low>\d+) a (?P<high>\d+) kva (?:inclus )?de l'option"
        r" (?P<option>base|heures creuses|tempo)[^.]{0,200}(?:extinction|plus disponibles?)"
    ),
    re.compile(
        r"option (?P<option>base|heures creuses|tempo|ejp) residentiel[\w ]{0,45} en extinction"
        r" - n'est plus propose"
        r"(?: - pour les puissances souscrites de (?P<low>\d+) kva inclus a (?P<high>\d+) kva)?"
    ),
)
#: The sentences after which a price that is struck out may be that of an option that is no longer sold.
_CLOSING = re.compile(
    r"(?:n'est|ne sont|ne seront) plus (?:\w+ ){0,3}(?:propos|commercialis|disponible|souscri|ouvert)"
    r"|plus disponibles?|en extinction|option fermee|fermee?s? a la (?:souscription|commercialisation|vente)"
    r"|fermee?s? aux nouveaux"
)
_OPTION_NAMES = {"base": "BASE", "heures creuses": "HPHC", "tempo": "TEMPO", "ejp": "EJP"}
_ANNOUNCED = {
    "BASE": re.compile(r"^option (?:tarifaire )?(?:de )?base\b"),
    "HPHC": re.compile(r"^option (?:tarifaire )?(?:heures |hp)"),
    "TEMPO": re.compile(r"^option (?:tarifaire )?tempo\b"),
    "EJP": re.compile(r"^option (?:tarifaire )?ejp\b"),
}


@dataclass
class _Dated:
    """The validity that a page or the whole sheet prints."""

    applies_from: PrintedDay | None
    applies_to: dt.date | None
    others: list[str]


def read_sheet(pages: Sequence[Page], source: SourceDeclaration | None = None) -> Reading:
    """Reads a sheet's words with its source's declaration, or with the general vocabulary alone.

    Never raises for what a sheet prints: what cannot be understood is a fault of
    the reading.
    """
    if sum(len(page.text) for page in pages) < _MIN_CHARACTERS_PER_PAGE * len(pages):
        message = "no text: manual entry (the words are drawn as shapes or images; type the grid as a CSV)"
        return Reading(lines=(), faults=(Doubt(rule="no-text", message=message, where="whole document"),))
    return _SheetReader(pages, source or _GENERAL).read()


class _SheetReader:
    def __init__(self, pages: Sequence[Page], source: SourceDeclaration) -> None:
        self.pages = pages
        self.source = source
        self.faults: list[Doubt] = []
        self.announced: set[str] = set()
        self.unknown_headers: dict[str, None] = {}
        self.lines: dict[tuple[str, str, int], Line] = {}
        self.dates: dict[int | None, _Dated] = {}

    def read(self) -> Reading:
        wanted = [page for page in self.pages if _is_wanted(page, self.source)]
        if not wanted:
            phrases = " or ".join(f"« {phrase} »" for phrase in self.source.page_phrases)
            self._fault(
                "phrase-missing", f"no page says {phrases}: is it the right document?", "whole document"
            )
        for offer, others in _passes(self.source):
            own = (offer.column,) if offer and offer.column else ()
            vocabulary = Vocabulary(own=own, others=(*self.source.decoys, *others))
            reader = TableReader(
                vocabulary,
                ignored_mark=self.source.ignored_mark,
                default_tax=self.source.default_tax,
                closing=any(_CLOSING.search(page.text) for page in self.pages),
            )
            tables = [(page, table) for page in wanted for table in self._tables(reader, page)]
            self.unknown_headers |= {
                f"page {page.number}: « {text} »": None
                for page, table in tables
                for text in table.unknown_headers
            }
            if self.source.compose:
                self._compose(self.source.offers[0], tables)
            else:
                for page, table in tables:
                    self._take(offer or self._offer_above(page, table), page, table)
        for page in wanted:
            self._announce(page)
        self._join_subscriptions()
        self._close()
        order = list(OPTIONS)
        lines = sorted(
            self.lines.values(), key=lambda line: (line.offer, order.index(line.option), line.power_kva)
        )
        return Reading(
            lines=tuple(lines),
            announced=frozenset(self.announced),
            faults=tuple(self.faults),
            unknown_headers=tuple(self.unknown_headers),
        )

    @staticmethod
    def _tables(reader: TableReader, page: Page) -> list[Table]:
        """The tables of a page; where none has a figure, its blocks of one power each."""
        tables = list(reader.read(page))
        if not any(table.cells for table in tables):
            blocks = read_blocks(page, reader.vocabulary, reader.default_tax)
            if blocks is not None and blocks.cells:
                return [blocks]
        return tables

    def _fault(self, rule: str, message: str, where: str) -> None:
        doubt = Doubt(rule=rule, message=message, where=where)
        if doubt not in self.faults:
            self.faults.append(doubt)

    def _offer_above(self, page: Page, table: Table) -> DeclaredOffer | None:
        """The offer whose title stands nearest above a table; the only one needs no title."""
        offers = self.source.offers
        if len(offers) == 1:
            return offers[0]
        found = [
            (word.yc, offer)
            for offer in offers
            for word in page.words
            if word.yc < table.spine.top and word.plain.strip("*.,:«»") == offer.title
        ]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def _dated(self, page: Page) -> _Dated:
        key = page.number if self.source.date_per_page else None
        if key not in self.dates:
            dated = [page] if key else self.pages
            # In the document's order first; some sheets print the day apart from the words before it.
            texts = chain((p.text for p in dated), (_in_lines(p) for p in dated))
            self.dates[key] = _Dated(None, None, [])
            for text in texts:
                found = find_validity(text, self.source.date_after)
                if found[0] is not None:
                    self.dates[key] = _Dated(*found)
                    break
            for other in self.dates[key].others:
                first = self.dates[key].applies_from
                printed = first.printed if first else ""
                self._fault(
                    "date-doubtful",
                    f"the sheet gives {printed} and {other}: say in the source which words the day follows",
                    "whole document",
                )
        return self.dates[key]

    def _take(self, offer: DeclaredOffer | None, page: Page, table: Table) -> None:
        """Adds the rows of a table as lines of an offer."""
        first, last = table.spine.rows[0].word.text, table.spine.rows[-1].word.text
        where = f"page {table.page}, table at {first} … {last} kVA"
        if offer is None:
            self._fault("offer-unknown", f"no title of an offer stands above: « {table.header[:80]} »", where)
            return
        for fault in (*table.faults, *filter(None, [table.mistitled])):
            self._fault("layout", fault, where)
        options = {option for _, option, _, _ in table.cells}
        dated = self._dated(page)
        self.announced |= table.titles
        for option in sorted(options):
            for row, spine_row in enumerate(table.spine.rows):
                figures = _of_row(table.cells, row, option)
                if not figures:
                    continue
                for power in spine_row.powers.steps():
                    line = Line(
                        supplier=self.source.supplier,
                        offer=offer.name,
                        option=option,
                        power_kva=power,
                        figures=figures,
                        decoys=_of_row(table.decoys, row, option),
                        applies_from=dated.applies_from,
                        applies_to=dated.applies_to,
                        closed_to_new_customers=(row, option) in table.closed,
                    )
                    self._add(line, where)

    def _add(self, line: Line, where: str) -> None:
        key = (line.offer, line.option, line.power_kva)
        other = self.lines.get(key)
        if other is not None and not set(other.figures) & set(line.figures):
            # One table of subscriptions, another of prices.
            self.lines[key] = replace(
                other,
                figures={**other.figures, **line.figures},
                decoys={**other.decoys, **line.decoys},
                closed_to_new_customers=other.closed_to_new_customers or line.closed_to_new_customers,
            )
        elif other is not None:
            self._fault("layout", f"{line.offer} {line.option} is printed in two tables", where)
        else:
            self.lines[key] = line

    def _compose(self, offer: DeclaredOffer, tables: Sequence[tuple[Page, Table]]) -> None:
        """Adds up prices printed in parts (supply, network, obligations), row by row."""
        for page, table in tables:
            for fault in table.faults if not table.cells else ():
                self._fault("layout", fault, f"page {page.number}")
        for option, titles in self.source.compose.items():
            parts = [part for title in titles for part in self._part_titled(title, tables, option)]
            if len(parts) == len(titles):
                self._add_up(offer, option, parts)

    def _part_titled(
        self, title: str, tables: Sequence[tuple[Page, Table]], option: str
    ) -> list[tuple[Page, Table]]:
        """The one table under a title, its faults collected; None and a fault when there is not one."""
        found = [(page, table) for page, table in tables if title in table.header]
        if len(found) != 1:
            self._fault("part-missing", f"{len(found)} tables under « {title} », one is needed", option)
            return []
        page, table = found[0]
        # A part may be titled by the option and have one price for all its hours: no fault here.
        for fault in table.faults:
            self._fault("layout", fault, f"page {page.number}, {option}")
        return found

    def _add_up(self, offer: DeclaredOffer, option: str, parts: Sequence[tuple[Page, Table]]) -> None:
        """Adds a line of an option for each row of its first part."""
        page, first = parts[0]
        dated = self._dated(page)
        paying = sum(any(name == SUBSCRIPTION for _, _, name, _ in table.cells) for _, table in parts)
        for power in (step for row in first.spine.rows for step in row.powers.steps()):
            figures = _sum_of([_part(table, power, option) for _, table in parts], option, paying)
            if figures:
                line = Line(
                    supplier=self.source.supplier,
                    offer=offer.name,
                    option=option,
                    power_kva=power,
                    figures=figures,
                    applies_from=dated.applies_from,
                    applies_to=dated.applies_to,
                )
                self._add(line, f"page {page.number}")

    def _join_subscriptions(self) -> None:
        """Gives an option the subscriptions of a table that names none, where it alone lacks its own."""
        for offer in {offer for offer, _, _ in self.lines}:
            lines = {key: line for key, line in self.lines.items() if key[0] == offer}
            fixed = {
                key: line
                for key, line in lines.items()
                if {name for name, _ in line.figures} == {SUBSCRIPTION}
            }
            lacking = [
                line for line in lines.values() if not any(name == SUBSCRIPTION for name, _ in line.figures)
            ]
            options = {line.option for line in lacking}
            if len(options) != 1 or {option for _, option, _ in fixed} != {"BASE"}:
                continue
            for line in lacking:
                own = fixed.get((offer, "BASE", line.power_kva))
                if own is not None:
                    key = (offer, line.option, line.power_kva)
                    self.lines[key] = replace(line, figures={**own.figures, **line.figures})
            if all(power in {line.power_kva for line in lacking} for _, _, power in fixed):
                for key in fixed:
                    del self.lines[key]

    def _announce(self, page: Page) -> None:
        """Collects the options that a short phrase of a page names, read or not."""
        if "option" not in page.text:
            return
        for phrase in phrases_of(page.words):
            if len(phrase.words) <= 8:
                self.announced.update(
                    option for option, pattern in _ANNOUNCED.items() if pattern.match(phrase.text)
                )

    def _close(self) -> None:
        """Marks the lines that a sentence of the sheet says are no longer sold."""
        text = " ".join(page.text for page in self.pages)
        for found in (match for pattern in _CLOSED for match in pattern.finditer(text)):
            low, high = int(found["low"] or 1), int(found["high"] or 36)
            for key, line in self.lines.items():
                if line.option == _OPTION_NAMES[found["option"]] and low <= line.power_kva <= high:
                    self.lines[key] = replace(line, closed_to_new_customers=True)


def _is_wanted(page: Page, source: SourceDeclaration) -> bool:
    return not source.page_phrases or any(phrase in page.text for phrase in source.page_phrases)


def _passes(source: SourceDeclaration) -> Iterator[tuple[DeclaredOffer | None, tuple[str, ...]]]:
    """Yields, pass by pass, the offer whose columns are read and the words of the other variants' columns."""
    columns = [offer for offer in source.offers if offer.column]
    if not columns:
        yield None, ()
    for offer in columns:
        yield offer, tuple(other.column for other in columns if other is not offer and other.column)


def _in_lines(page: Page) -> str:
    return " ".join(word.plain for line in lines_of(page.words) for word in line)


def _of_row(
    cells: Mapping[tuple[int, str, str, Tax], Figure], row: int, option: str
) -> dict[tuple[str, Tax], Figure]:
    return {(name, tax): figure for (r, o, name, tax), figure in cells.items() if r == row and o == option}


def _part(table: Table, power: int, option: str) -> dict[tuple[str, Tax], Figure]:
    """One part's figures at a power; a part without registers counts for every register of the option."""
    rows = [i for i, row in enumerate(table.spine.rows) if power in row.powers.steps()]
    figures = {(name, tax): figure for (row, _, name, tax), figure in table.cells.items() if row in rows}
    for tax in SIDES:
        whole = figures.pop(("BASE", tax), None)
        if whole is not None:
            figures |= {(register, tax): whole for register in OPTIONS[option]}
    return figures


def _sum_of(
    parts: Sequence[Mapping[tuple[str, Tax], Figure]], option: str, with_subscription: int
) -> dict[tuple[str, Tax], Figure]:
    """Adds figures over parts; what one part lacks is not read at all.

    `with_subscription` is how many of the parts have a subscription to add.
    """
    total: dict[tuple[str, Tax], Figure] = {}
    for name in (SUBSCRIPTION, *OPTIONS[option]):
        for tax in SIDES:
            found = [part[name, tax] for part in parts if (name, tax) in part]
            needed = with_subscription if name == SUBSCRIPTION else len(parts)
            if found and len(found) == needed:
                total[name, tax] = sum_of(found)
    return total
