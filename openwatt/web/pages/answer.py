"""The answer to a customer's question as the home page shows it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from openwatt.comparison.answer import CustomerAnswer
from openwatt.comparison.question import CustomerQuestion
from openwatt.domain.bill import to_kwh
from openwatt.domain.comparison import Comparison
from openwatt.domain.heat_map import heat_map
from openwatt.domain.messages import Message
from openwatt.domain.part_of_year import PartOfYear
from openwatt.domain.tariff import OPTIONS
from openwatt.representations.advice import AdviceItem
from openwatt.web.http.app_state import app_state
from openwatt.web.pages.charts import (
    BillColumns,
    CalendarRow,
    HeatPicture,
    counts_of,
    draw_bills,
    draw_calendar,
    draw_heat,
)
from openwatt.web.pages.ranking import SEEN_DAYS, RankingChoice, RankingLine, ranking_lines

#: How many contracts are shown at once, beside the baseline, the regulated and the present one.
_FIRST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChoice:
    """What the customer chose to see, what there is to choose among, and how many lines that leaves."""

    chosen: RankingChoice
    options: Sequence[str]
    seen_days: Sequence[int]
    matching: int
    every: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeView:
    """Everything that the page says of one customer's use."""

    kwh: Decimal
    last: dt.date
    comparison: Comparison
    part: PartOfYear | None
    """What the span lacks of a year."""
    unseen_colours: list[str]
    """Of the days of Tempo, those that the span lacks whole."""
    measured: bool
    """Whether the use is of a file."""
    choice: LineChoice
    shown: list[RankingLine]
    rest: list[RankingLine]
    incomplete: list[RankingLine]
    """Contracts that lack prices of some days: they have no cost of the span, nor of a year."""
    outdated: list[RankingLine]
    """Prices that cannot be today's; that of the present contract is in `shown`."""
    changed_on: dt.date | None
    """The last day on which duties or the network tariff changed."""
    best: RankingLine | None
    present: RankingLine | None
    baseline: RankingLine | None
    """The contract with which all are compared."""
    bills: list[tuple[RankingLine, BillColumns]]
    heat: HeatPicture | None
    calendar: list[CalendarRow]
    days_by_colour: dict[str, int]
    advice: AdviceItem
    assumptions: Sequence[str]
    notes: list[Message]
    includes_outdated: bool


def home_view(question: CustomerQuestion, answer: CustomerAnswer, chosen: RankingChoice) -> HomeView:
    """The answer to a question, drawn, with the chosen lines of its ranking."""

    def wanted(line: RankingLine) -> bool:
        return chosen.holds(line, question.terms.today)

    comparison = answer.comparison
    lines = ranking_lines(question, comparison)
    ranking, outdated = lines[: len(comparison.ranking)], lines[len(comparison.ranking) :]
    whole = [one for one in ranking if one.whole]
    matching = [one for one in whole if wanted(one)]
    best = _cheapest(matching)
    present = next((one for one in lines if one.present), None)
    baseline = next((one for one in lines if one.baseline), None)
    base = next((one for one in whole if one.regulated and one.contract.option == "BASE"), None)
    beside = next((one for one in (baseline, base) if one is not None and one is not best), None)
    billed = [one for one in (best, beside) if one is not None]
    bills = [(one, comparison.bill(one.contract)) for one in billed]
    any_bill = bills[0][1] if bills else comparison.bill(next(iter(comparison.costed.values())).contract)
    calendar = draw_calendar(app_state().market.colours()["TEMPO"], comparison.span)
    part = comparison.part_of_year
    first = {one.place for one in matching[:_FIRST]}
    shown = [one for one in whole if one.place in first or _stands_out(one, chosen)]
    places = {one.place for one in shown}
    return HomeView(
        kwh=max((to_kwh(bill.energy, 0) for _, bill in bills), default=to_kwh(any_bill.energy, 0)),
        last=comparison.span.end - dt.timedelta(days=1),
        comparison=comparison,
        part=part,
        unseen_colours=_unseen_colours(part),
        measured=question.curve is not None,
        choice=LineChoice(
            chosen=chosen,
            options=_options(ranking or outdated),
            seen_days=SEEN_DAYS,
            matching=len(matching),
            every=len(whole),
        ),
        shown=shown + [one for one in outdated if one.present],
        rest=[one for one in matching if one.place not in places],
        incomplete=[one for one in ranking if not one.whole and (one.present or wanted(one))],
        outdated=[one for one in outdated if not one.present and wanted(one)],
        changed_on=app_state().market.duties.latest_change(question.terms.today),
        best=best,
        present=present,
        baseline=baseline,
        bills=list(zip(billed, draw_bills([bill for _, bill in bills]), strict=True)),
        heat=None if question.curve is None else draw_heat(heat_map(question.curve, comparison.span)),
        calendar=calendar,
        days_by_colour=counts_of(calendar),
        advice=AdviceItem.of(answer.advice),
        assumptions=answer.assumptions,
        notes=list(
            dict.fromkeys(note for one in comparison.ranking or comparison.outdated for note in one.notes)
        ),
        includes_outdated=question.terms.include_outdated,
    )


def _cheapest(lines: Sequence[RankingLine]) -> RankingLine | None:
    """The cheapest that can be had, at a price of today where one has it."""
    winnable = [one for one in lines if one.winnable]
    return next((one for one in winnable if not one.outdated), None) or next(iter(winnable), None)


def _options(lines: Sequence[RankingLine]) -> list[str]:
    """The options of some lines, in the field's order."""
    known = {one.contract.option for one in lines}
    return [option for option in OPTIONS if option in known]


def _unseen_colours(part: PartOfYear | None) -> list[str]:
    unseen = part.unseen.get("TEMPO", ()) if part else ()
    return [colour for colour in ("BLEU", "BLANC", "ROUGE") if {f"{colour}_HP", f"{colour}_HC"} <= {*unseen}]


def _stands_out(line: RankingLine, chosen: RankingChoice) -> bool:
    """Whether a contract is shown at once, however dear it is: those that people compare the others with."""
    return line.present or line.baseline or (line.regulated and not chosen)
