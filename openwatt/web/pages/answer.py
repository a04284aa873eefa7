"""The answer to a customer's question as the home page shows it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from openwatt.comparison.answer import CustomerAnswer
from openwatt.comparison.question import CustomerQuestion
from openwatt.comparison.source_incidents import incident_of_offer
from openwatt.domain.bill import to_cents, to_kwh
from openwatt.domain.comparison import Comparison, ContractKey
from openwatt.domain.contract import Contract
from openwatt.domain.freshness import DataStatus, data_status
from openwatt.domain.heat_map import heat_map
from openwatt.domain.messages import Message
from openwatt.domain.part_of_year import PartOfYear
from openwatt.representations.advice import AdviceItem
from openwatt.representations.figures import cents
from openwatt.store.tariffs import TariffFilter, tariffs_on
from openwatt.web.http.app_state import app_state
from openwatt.web.pages.charts import (
    BillColumns,
    CalendarRow,
    HeatPicture,
    counts_of,
    draw_bill,
    draw_calendar,
    draw_heat,
)
from openwatt.web.pages.rendering import now

#: How many contracts are shown at once, beside the regulated and the present one.
_FIRST = 10
#: More contracts of one power than France has.
_ALL = 100_000


class PriceAge(NamedTuple):
    """Of a price of today: its first day, and how far to trust it."""

    applies_from: dt.date
    status: DataStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingLine:
    """One contract of the answer; `width` is in hundredths of the dearest.

    Amounts are in EUR for 365 days, or for the span alone where that cannot stand for a year.
    """

    place: int | None
    """Its place in the ranking; None for a price that cannot be today's."""
    contract: Contract
    total: Decimal
    width: Decimal
    saving: Decimal | None
    saving_against_present: Decimal | None
    regulated: bool
    present: bool
    closed: bool
    whole: bool
    unseen: tuple[str, ...]
    secondary: bool
    """Whether today's price was taken from somebody else than the supplier or the regulator."""
    outdated: bool
    seen_on: dt.date | None
    """The last day on which its price was seen."""
    age: PriceAge | None
    """None at the prices of each day."""

    @property
    def winnable(self) -> bool:
        """Whether it may be the cheapest: open, whole, and of all registers."""
        return self.whole and not self.closed and not self.unseen


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
    shown: list[RankingLine]
    rest: list[RankingLine]
    outdated: list[RankingLine]
    """Prices that cannot be today's; that of the present contract is in `shown`."""
    changed_on: dt.date | None
    """The last day on which duties or the network tariff changed."""
    best: RankingLine | None
    present: RankingLine | None
    bills: list[tuple[RankingLine, BillColumns]]
    heat: HeatPicture | None
    calendar: list[CalendarRow]
    days_by_colour: dict[str, int]
    advice: AdviceItem
    assumptions: Sequence[str]
    notes: list[Message]
    includes_outdated: bool


def home_view(question: CustomerQuestion, answer: CustomerAnswer) -> HomeView:
    """The answer to a question, drawn."""
    comparison = answer.comparison
    lines = _lines(question, comparison)
    ranking, outdated = lines[: len(comparison.ranking)], lines[len(comparison.ranking) :]
    best = next((one for one in ranking if one.winnable and not one.outdated), None) or next(
        (one for one in ranking if one.winnable), None
    )
    present = next((one for one in (*ranking, *outdated) if one.present), None)
    beside = present or next(
        (one for one in ranking if one.regulated and one.contract.option == "BASE"), None
    )
    billed = [one for one in (best, None if beside is best else beside) if one is not None]
    bills = [(one, comparison.bill(one.contract)) for one in billed]
    any_bill = bills[0][1] if bills else comparison.bill(next(iter(comparison.costed.values())).contract)
    calendar = draw_calendar(app_state().market.colours()["TEMPO"], comparison.span)
    part = comparison.part_of_year
    return HomeView(
        kwh=max((to_kwh(bill.energy, 0) for _, bill in bills), default=to_kwh(any_bill.energy, 0)),
        last=comparison.span.end - dt.timedelta(days=1),
        comparison=comparison,
        part=part,
        unseen_colours=_unseen_colours(part),
        measured=question.curve is not None,
        shown=[one for one in ranking if _stands_out(one)] + [one for one in outdated if one.present],
        rest=[one for one in ranking if not _stands_out(one)],
        outdated=[one for one in outdated if not one.present],
        changed_on=app_state().market.duties.latest_change(question.terms.today),
        best=best,
        present=present,
        bills=[(one, draw_bill(bill)) for one, bill in bills],
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


def _lines(question: CustomerQuestion, comparison: Comparison) -> list[RankingLine]:
    """The contracts of a comparison as the page shows them: its ranking, then outdated prices."""
    every = (*comparison.ranking, *comparison.outdated)
    dearest = max(one.total_ttc for one in every) or 1
    ages = _ages(question) if comparison.prices == "now" else {}
    part = comparison.part_of_year

    def shown_amount(amount: Fraction | None) -> Decimal | None:
        return cents(amount if part else comparison.per_year(amount, whole=True))

    return [
        RankingLine(
            place=place if place <= len(comparison.ranking) else None,
            contract=one.contract,
            total=shown_amount(one.total_ttc) or Decimal(0),
            width=to_cents(100 * one.total_ttc / dearest),
            saving=shown_amount(one.saving_against_regulated),
            saving_against_present=shown_amount(one.saving_against_present),
            regulated=one.is_regulated,
            present=one.contract.key == question.terms.present,
            closed=one.closed_to_new_customers,
            whole=one.whole,
            unseen=one.unseen,
            secondary=comparison.prices == "now" and one.source_kind == "secondary",
            outdated=one.outdated is not None,
            seen_on=one.last_seen_on,
            age=ages.get(one.contract.key),
        )
        for place, one in enumerate(every, start=1)
    ]


def _unseen_colours(part: PartOfYear | None) -> list[str]:
    unseen = part.unseen.get("TEMPO", ()) if part else ()
    return [colour for colour in ("BLEU", "BLANC", "ROUGE") if {f"{colour}_HP", f"{colour}_HC"} <= {*unseen}]


def _ages(question: CustomerQuestion) -> dict[ContractKey, PriceAge]:
    """How old the prices of today are."""
    on = question.terms.today
    found = tariffs_on(app_state().database, TariffFilter(power_kva=question.power_kva), on=on, limit=_ALL)
    incidents = app_state().source_incidents.current()
    return {
        (one.supplier, one.offer, one.option, one.power_kva): PriceAge(
            one.applies_from,
            data_status(
                one,
                on=on,
                last_seen_at=one.last_seen_at,
                now=now(),
                incident=incident_of_offer(one, incidents),
                changes=app_state().market.change_days,
            ),
        )
        for one in found
    }


def _stands_out(line: RankingLine) -> bool:
    """Whether a contract is shown at once: the cheapest, the regulated and the present one."""
    return (line.place or 0) <= _FIRST or line.regulated or line.present
