"""The draft of a source's file from a sheet that no source describes: what is recognised, and what is not."""

import datetime as dt
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from openwatt.catalogue.references import shipped_references
from openwatt.domain.reading import SIDES, Doubt, Line, Reading
from openwatt.domain.tariff import OPTIONS
from openwatt.ingest.declarations import TO_COMPLETE, SourceDeclaration, load_source
from openwatt.ingest.errors import UnreadableDocumentError
from openwatt.ingest.guesses import (
    Guess,
    guess_date_words,
    guess_marks,
    guess_offer,
    guess_phrases,
    guess_supplier,
    title_words,
)
from openwatt.ingest.inspection import Inspection
from openwatt.ingest.quotation import DocumentLines, quote
from openwatt.ingest.readers.figures import plain
from openwatt.ingest.readers.grid_pdf.words import Page
from openwatt.ingest.sandbox import DocumentSandbox

_LONGEST_NAME, _LONGEST_COMMENT, _MOST_LINES = 60, 200, 6
#: What YAML takes for something else than a text.
_NO_NAMES = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
#: What may help, by the start of a doubt's rule and by words of its message.
_REMEDIES = (
    (
        "layout",
        "is printed in two tables",
        "several offers? name each, with `title:`, a word above its tables",
    ),
    (
        "layout",
        "two figures for",
        "another tariff? `decoys: [WORD]` of its header; two variants? `column: WORD`",
    ),
    ("layout", "no header says HT or TTC", "`default_tax: TTC`, or HT, when the sheet says so elsewhere"),
    (
        "layout",
        "is struck out",
        "the regulated tariff's? `decoys: [WORD]`, or `ignored_mark: '*'` for its mark",
    ),
    (
        "layout",
        "is not centred on them",
        "another price in one cell? `ignored_mark: '*'`, the mark that it bears",
    ),
    ("part", "", "`compose: {BASE: [words of each table's title]}` adds up what is printed in parts"),
    ("date-", "", "`date_after:`, the words before the right day; `date_per_page: true` where pages differ"),
    ("powers-missing", "", "correct `options` when the sheet prints these powers and no others"),
    (
        "nothing-read",
        "",
        "a layout that is new: type it as a table (`openwatt ingest SOURCE --file TABLE.csv`)",
    ),
    ("regulated", "", "`regulated: true` is for the regulated tariff itself"),
    ("decoy-unlike", "", "are the offer's columns and the regulated tariff's the right ones? see `decoys`"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDraft:
    """One offer of a draft: its name, the word that titles its tables where there are several, its powers."""

    name: str | None
    title: str | None = None
    options: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a source's file would say of a sheet; every value may be wrong, and is to be looked at."""

    name: str
    document: str
    supplier: Guess
    offer: Guess
    offers: tuple[OfferDraft, ...]
    date_after: Guess
    date_per_page: bool
    recognise: tuple[str, ...]
    ignored_mark: str | None = None
    taxes: tuple[str, ...]

    def text(self, remarks: Sequence[str] = ()) -> str:
        """The file, ready to be completed, with remarks as its last comments."""
        return "\n".join([*self._head(), *self._offers(), *(f"# {_comment(line)}" for line in remarks), ""])

    def _head(self) -> Iterator[str]:
        yield f"# A draft from {_comment(self.document)}, by `openwatt inspect --draft`: look at every line."
        yield f"# {TO_COMPLETE} stands where nothing was found."
        yield f"# `openwatt sources check {self.name}.yaml --document SHEET` says what is still wanting."
        yield f"name: {self.name}"
        yield from _seen(self.supplier)
        yield f"supplier: {_quoted(self.supplier.value or TO_COMPLETE)}"
        yield "format: grid_pdf"
        yield "# A sheet does not say where it lies; write `address: https://…` in place of the note."
        yield "note: No address is known yet; the sheet is handed in by hand."
        yield "cadence_days: 1"
        yield "# By these phrases the document is known again: all must be in it, and in no other supplier's."
        phrases = self.recognise if len(self.recognise) > 1 else (*self.recognise, TO_COMPLETE)
        yield f"recognise: [{', '.join(map(_quoted, phrases))}]"
        yield from _seen(self.date_after)
        if self.date_after.value:
            yield f"date_after: {_quoted(self.date_after.value)}"
        else:
            yield "# date_after: the words before the day from which the prices apply"
        if self.date_per_page:
            yield "date_per_page: true"
        if self.ignored_mark:
            yield "# Without the amounts of this mark the tables can be read: are they another tariff's?"
            yield f"ignored_mark: {_quoted(self.ignored_mark)}"
        if self.taxes:
            yield f"taxes: [{', '.join(self.taxes)}]"
        else:
            yield "# taxes: [TTC] or [HT], when the sheet prints one side alone; none was read"

    def _offers(self) -> Iterator[str]:
        yield "offers:"
        yield from _seen(self.offer, indent="  ")
        for offer in self.offers:
            yield f"  - name: {_quoted(offer.name or TO_COMPLETE)}"
            if offer.title:
                yield f"    title: {_quoted(offer.title)}"
            yield "    options:"
            for option in (option for option in OPTIONS if option in offer.options):
                yield f"      {option}: {_powers(offer.options[option])}"
            if not offer.options:
                yield f"      # {TO_COMPLETE}: no table was read; these are the usual powers."
                yield "      BASE: 3 6 9 12 15 18 24 30 36"


def draft_from(document: bytes, *, name: str, document_name: str, on: dt.date) -> str:
    """Drafts the file of a source from a sheet, which the sandbox reads without the draft and then with it.

    Raises:
        UnreadableDocumentError: it is no sheet, beyond a limit, or has no text to draft from.
    """
    references = shipped_references()
    with DocumentSandbox() as inspector:

        def inspect(draft: Draft | None) -> Inspection:
            sources = {} if draft is None else {name: _declared(draft)}
            chosen = None if draft is None else name
            return inspector.inspect_document(document, sources, references, on=on, name=chosen)

        pages = inspector.read_pages(document)
        first = inspect(None)
        if first.reason is not None:
            raise UnreadableDocumentError(first.reason)
        if unread := next((fault for fault in first.reading.faults if fault.rule == "no-text"), None):
            raise UnreadableDocumentError(unread.message)
        draft = _guessed(pages, first.reading, name=name, document=document_name)
        if _mixes_offers(first.reading) and (titled := _titled(draft)):
            titled = _with_powers(titled, inspect(titled).reading.lines)
            if len(titled.offers) > 1 and not _mixes_offers(inspect(titled).reading):
                draft = titled
        last = inspect(draft)
        for mark in guess_marks(pages) if _has_other_prices(last.reading) else ():
            without = inspect(replace(draft, ignored_mark=mark))
            if not _has_other_prices(without.reading) and without.reading.lines:
                draft, last = replace(draft, ignored_mark=mark), without
                break
    return draft.text(list(_remarks(last, DocumentLines(pages))))


def name_of(stem: str) -> str:
    """The name of a source by that of a file: small letters, digits and `_`."""
    name = re.sub(r"[^a-z0-9]+", "_", plain(stem)).strip("_")[:_LONGEST_NAME]
    return name if name[:1].isalpha() and name not in _NO_NAMES else f"source_{name}".strip("_")


def _guessed(pages: Sequence[Page], reading: Reading, *, name: str, document: str) -> Draft:
    supplier = guess_supplier(pages)
    offer = guess_offer(pages, supplier.value)
    date_after, date_per_page = guess_date_words(pages)
    read = {tax for line in reading.lines for _, tax in line.figures}
    return Draft(
        name=name,
        document=document,
        supplier=supplier,
        offer=offer,
        offers=(OfferDraft(name=offer.value, options=_options(reading.lines)),),
        date_after=date_after,
        date_per_page=date_per_page,
        recognise=guess_phrases(pages, (supplier.value, offer.value)),
        taxes=tuple(side for side in SIDES if side in read),
    )


def _options(lines: Sequence[Line]) -> dict[str, tuple[int, ...]]:
    """The powers that were read, per option."""
    powers: dict[str, set[int]] = {}
    for line in lines:
        powers.setdefault(line.option, set()).add(line.power_kva)
    return {option: tuple(sorted(found)) for option, found in powers.items()}


def _mixes_offers(reading: Reading) -> bool:
    return any("is printed in two tables" in fault.message for fault in reading.faults)


def _has_other_prices(reading: Reading) -> bool:
    """Whether cells hold more prices than their rows can have."""
    return any(
        "is not centred on them" in f.message or "two figures for" in f.message for f in reading.faults
    )


def _titled(draft: Draft) -> Draft | None:
    """The draft with an offer for each name that the sheet titles; None for one alone."""
    titles = title_words(draft.offer.names)
    offers = tuple(OfferDraft(name=name, title=title) for name, title in titles.items())
    return replace(draft, offers=offers) if len(offers) > 1 else None


def _with_powers(draft: Draft, lines: Sequence[Line]) -> Draft:
    """The draft with the powers that were read of each offer, without the offers of which none was."""
    options = {o.name: _options([line for line in lines if line.offer == o.name]) for o in draft.offers}
    offers = tuple(replace(o, options=options[o.name]) for o in draft.offers if options[o.name])
    return replace(draft, offers=offers)


def _declared(draft: Draft) -> SourceDeclaration:
    """The declaration that a draft is, read from its file as any other."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{draft.name}.yaml"
        path.write_text(draft.text(), encoding="utf-8")
        return load_source(path)


def _remarks(last: Inspection, lines: DocumentLines) -> Iterator[str]:
    """What remains when the sheet is read with the draft, each doubt with the sheet's own words."""
    if not last.doubts:
        count = len(last.tariffs())
        yield f"Read with this draft, it gives {count} tariffs and no doubt; compare them with the page."
    else:
        yield "Read with this draft, a run would refuse the sheet:"
    for doubt in last.doubts:
        yield f"- {doubt.rule}, {doubt.where}: {doubt.message}"
        for quotation in quote(doubt, last.reading, lines)[:_MOST_LINES]:
            yield f"    page {quotation.page}: {quotation.text}"
        if remedy := _remedy(doubt):
            yield f"    {remedy}"
    if last.reading.unknown_headers:
        yield "Words above the tables without a meaning for the reader:"
        yield from (f"    {header}" for header in last.reading.unknown_headers[:20])


def _remedy(doubt: Doubt) -> str | None:
    found = (
        text for rule, words, text in _REMEDIES if doubt.rule.startswith(rule) and words in doubt.message
    )
    return next(found, None)


def _seen(guess: Guess, indent: str = "") -> Iterator[str]:
    """The comment lines above a value: where it stands, what else it could be."""
    if guess.seen:
        yield f"{indent}# {_comment(guess.seen)}"
    elif guess.value is None:
        yield f"{indent}# Not found on the sheet."
    for other in guess.others:
        yield f"{indent}#   or {_comment(other)}"


def _powers(powers: Sequence[int]) -> str:
    every_step = len(powers) > 2 and all(b == a + 1 for a, b in pairwise(powers))
    return f"{powers[0]}-{powers[-1]}" if every_step else " ".join(map(str, powers))


def _quoted(text: str) -> str:
    """A text as a quoted scalar of YAML, whatever a document put into it."""
    return json.dumps(_printable(text), ensure_ascii=False)


def _comment(text: str) -> str:
    """A text that cannot leave its comment."""
    indent = len(text) - len(text.lstrip(" "))
    text = " " * indent + _printable(text)
    return text if len(text) <= _LONGEST_COMMENT else f"{text[:_LONGEST_COMMENT]}…"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
