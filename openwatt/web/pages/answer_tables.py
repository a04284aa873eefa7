"""The tables of an answer that people take with them: ranking, bills, assumptions and sources."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from openwatt.comparison.question import ASSUMED_OFF_PEAK, CustomerQuestion
from openwatt.domain.bill import EnergyLine, SubscriptionLine, to_kwh
from openwatt.domain.contract import Contract, PriceDocument
from openwatt.domain.tariff import REGISTERS
from openwatt.representations.bills import sentence_of_part
from openwatt.representations.figures import cents
from openwatt.sentences.catalogue import sentence
from openwatt.sentences.recorded import recorded_text
from openwatt.web.pages.answer import HomeView
from openwatt.web.pages.i18n import Language
from openwatt.web.pages.measured_use import EXAMPLE_FIELD
from openwatt.web.pages.question_form import HOURS, USUAL
from openwatt.web.pages.ranking import RankingLine
from openwatt.web.pages.rendering import sentence_start

#: What a cell holds: it decides how a spreadsheet shows it.
CellKind = Literal["text", "whole", "eur", "price", "kwh", "day"]


class TableColumn(NamedTuple):
    """A column of a table: its heading, what its cells hold, and its width in characters."""

    heading: str
    kind: CellKind
    width: int


class AnswerTable(NamedTuple):
    """A table of an answer; a cell that is not known is None."""

    name: str
    columns: Sequence[TableColumn]
    rows: Sequence[Sequence[Any]]


class Statement(NamedTuple):
    """Something that an answer rests on: what it is about, and what is so."""

    about: str
    value: Any
    kind: CellKind = "text"


class PrintedSheet(NamedTuple):
    """What the printed page says beside the figures of the answer."""

    statements: Sequence[Statement]
    caveats: Sequence[str]
    documents: Mapping[PriceDocument, Sequence[str]]
    """The documents of its contracts' prices, and which contracts rest on each."""


def printed_sheet(
    texts: Mapping[str, str], question: CustomerQuestion, view: HomeView, ours: Language
) -> PrintedSheet:
    """The printed page of an answer."""
    contracts = [line for line, _ in view.bills]
    return PrintedSheet(
        _statements(texts, question, view, ours), _caveats(view, ours), _documents(view, contracts, ours)
    )


def answer_tables(
    texts: Mapping[str, str], question: CustomerQuestion, view: HomeView, ours: Language
) -> list[AnswerTable]:
    """Every table of an answer, the ranking first, in the reader's language."""
    return [
        ranking_table(view, ours),
        _bills_table(view, ours),
        _statements_table(texts, question, view, ours),
        _sources_table(view, ours),
    ]


def ranking_table(view: HomeView, ours: Language) -> AnswerTable:
    """The contracts that the page shows, in its order."""
    lines = sorted((one for one in (*view.shown, *view.rest) if one.place), key=lambda one: one.place or 0)
    every = [*lines, *view.incomplete, *(one for one in (*view.shown, *view.outdated) if not one.place)]
    registers: dict[str, list[str]] = {}  # by name, which some options share
    for register in REGISTERS:
        if any(register in one.details.prices for one in every):
            registers.setdefault(ours.text(f"register.{register}"), []).append(register)
    columns = [
        TableColumn(ours.text("table.place"), "whole", 6),
        TableColumn(ours.text("table.supplier"), "text", 20),
        TableColumn(ours.text("table.offer"), "text", 34),
        TableColumn(ours.text("table.option"), "text", 22),
        TableColumn(ours.text("table.power_kva"), "whole", 11),
        TableColumn(ours.text("table.total_part" if view.part else "table.total"), "eur", 14),
        TableColumn(ours.text("table.per_month"), "eur", 14),
        TableColumn(ours.text("table.saving", baseline=_baseline_name(view, ours)), "eur", 22),
        TableColumn(ours.text("table.subscription"), "eur", 14),
        *(TableColumn(f"{name} (€/kWh)", "price", 14) for name in registers),
        TableColumn(ours.text("table.seen_on"), "day", 12),
        TableColumn(ours.text("table.remark"), "text", 44),
        TableColumn(ours.text("table.sources"), "text", 60),
    ]
    rows = [_ranking_row(one, list(registers.values()), ours) for one in every]
    return AnswerTable(ours.text("table.ranking"), columns, rows)


def _ranking_row(line: RankingLine, registers: Sequence[Sequence[str]], ours: Language) -> list[Any]:
    prices = line.details.prices
    supplier, offer, option, power_kva = line.contract.key
    return [
        line.place if line.whole else None,
        supplier,
        offer,
        ours.text(f"option.{option}"),
        power_kva,
        line.total if line.whole else None,
        line.per_month,
        line.saving if line.whole else None,
        line.details.subscription_per_month,
        *(next((prices[one] for one in names if one in prices), None) for names in registers),
        line.seen_on,
        "; ".join(_remarks(line, ours)) or None,
        "; ".join(_source_name(one, ours) for one in line.details.sources) or None,
    ]


def _remarks(line: RankingLine, ours: Language) -> Iterator[str]:
    """The badges of a line on the page."""
    badges = {
        "home.yours": line.present,
        "tariffs.regulated": line.regulated,
        "home.outdated": line.outdated,
        "source.secondary": line.secondary,
        "tariffs.closed": line.closed,
        "home.partial": not line.whole,
        "home.unseen": bool(line.unseen),
    }
    yield from (ours.text(key) for key, holds in badges.items() if holds)


def _baseline_name(view: HomeView, ours: Language) -> str:
    return "–" if view.baseline is None else contract_name(view.baseline.contract, ours)


def contract_name(contract: Contract, ours: Language) -> str:
    """The offer and option of a contract."""
    return f"{contract.offer}, {ours.text(f'option.{contract.option}')}"


def _bills_table(view: HomeView, ours: Language) -> AnswerTable:
    """The bills of the best contract and of the one it is compared with, line by line."""
    columns = [
        TableColumn(ours.text("table.contract"), "text", 40),
        TableColumn(ours.text("table.first_day"), "day", 12),
        TableColumn(ours.text("table.last_day"), "day", 12),
        TableColumn(ours.text("table.part"), "text", 24),
        TableColumn(ours.text("table.kwh"), "kwh", 12),
        TableColumn(ours.text("table.price"), "price", 14),
        TableColumn(ours.text("table.amount_ht"), "eur", 14),
        TableColumn(ours.text("table.amount_ttc"), "eur", 14),
    ]
    rows = [
        _bill_row(contract_name(line.contract, ours), one, ours)
        for line, _ in view.bills
        for one in sorted(view.comparison.bill(line.contract).lines, key=lambda each: each.span.start)
    ]
    return AnswerTable(ours.text("table.bills"), columns, rows)


def _bill_row(name: str, line: EnergyLine | SubscriptionLine, ours: Language) -> list[Any]:
    what: list[Any] = [ours.text("home.subscription"), None, None]
    if isinstance(line, EnergyLine):
        what = [ours.text(f"register.{line.register}"), to_kwh(line.energy), line.price_ttc]
    return [name, line.span.start, line.span.last, *what, cents(line.amount_ht), cents(line.amount_ttc)]


def _statements(
    texts: Mapping[str, str], question: CustomerQuestion, view: HomeView, ours: Language
) -> list[Statement]:
    """What the answer rests on: the day, the use, the home, the prices."""
    span = view.comparison.span
    hours = [texts[name] for name in HOURS if name in texts]
    if EXAMPLE_FIELD in texts:
        use = ours.text("table.example")
    elif view.measured:
        use = ours.text("table.measured")
    else:
        use = ours.text(f"profile.{texts.get('profile', USUAL['profile'])}")
    found = [
        Statement(ours.text("table.made_on"), question.terms.today, "day"),
        Statement(ours.text("table.first_day"), span.start, "day"),
        Statement(ours.text("table.last_day"), view.last, "day"),
        Statement(ours.text("table.kwh"), view.kwh, "whole"),
        Statement(ours.text("table.use"), use),
        Statement(ours.text("table.power_kva"), question.power_kva, "whole"),
        Statement(
            ours.text("home.off_peak"),
            ", ".join(hours) or ours.text("table.assumed", what=ASSUMED_OFF_PEAK),
        ),
        Statement(ours.text("table.prices"), ours.text(f"home.prices_{view.comparison.prices}")),
    ]
    if view.present is not None:
        found.append(Statement(ours.text("home.present"), contract_name(view.present.contract, ours)))
    return found


def _caveats(view: HomeView, ours: Language) -> list[str]:
    """What the answer assumes, and what is odd in it, in sentences."""
    found = [ours.text(f"home.assumed_{key}") for key in view.assumptions]
    if view.part:
        found.append(sentence_start(sentence_of_part(view.part, ours.code)))
    messages = (*(finding.message for finding in view.comparison.findings), *view.notes)
    return [*found, *(sentence_start(sentence(one, ours.code, on_page=True)) for one in messages)]


def _statements_table(
    texts: Mapping[str, str], question: CustomerQuestion, view: HomeView, ours: Language
) -> AnswerTable:
    columns = [
        TableColumn(ours.text("table.about"), "text", 34),
        TableColumn(ours.text("table.value"), "text", 100),
    ]
    rows: list[list[Any]] = [[one.about, one.value] for one in _statements(texts, question, view, ours)]
    rows += [[ours.text("table.remark"), text] for text in _caveats(view, ours)]
    return AnswerTable(ours.text("table.statements"), columns, rows)


def _sources_table(view: HomeView, ours: Language) -> AnswerTable:
    """The documents of every price, with how many contracts rest on each."""
    columns = [
        TableColumn(ours.text("table.document"), "text", 60),
        TableColumn(ours.text("table.by"), "text", 22),
        TableColumn(ours.text("table.address"), "text", 60),
        TableColumn("SHA-256", "text", 66),
        TableColumn(ours.text("table.page"), "whole", 8),
        TableColumn(ours.text("table.contracts"), "whole", 12),
    ]
    every = (*view.shown, *view.rest, *view.incomplete, *view.outdated)
    found = sorted(_documents(view, every, ours).items(), key=lambda each: (-len(each[1]), each[0].title))
    rows = [
        [
            recorded_text(one.title, ours.code),
            ours.text(f"table.by_{one.kind}"),
            one.url,
            one.document_sha256,
            one.page,
            len(names),
        ]
        for one, names in found
    ]
    return AnswerTable(ours.text("table.sources"), columns, rows)


def _documents(
    view: HomeView, lines: Iterable[RankingLine], ours: Language
) -> dict[PriceDocument, list[str]]:
    """The documents of every price of some contracts, on each day of the answer."""
    found: dict[PriceDocument, list[str]] = {}
    for line in lines:
        periods = view.comparison.costed[line.contract.key].periods
        sources = (one for period in periods if period.tariff for one in period.tariff.sources)
        for source in dict.fromkeys(sources):
            found.setdefault(source, []).append(contract_name(line.contract, ours))
    return found


def _source_name(source: PriceDocument, ours: Language) -> str:
    page = f", p. {source.page}" if source.page else ""
    return f"{recorded_text(source.title, ours.code)}{page}"
