"""What the home page says on request under an answer: two contracts side by side, "what if", past years."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from openwatt.comparison.answer import CustomerAnswer
from openwatt.comparison.past_years import PastYear, past_year_assumptions, past_years, usual_contracts
from openwatt.comparison.question import CustomerQuestion, QuestionError
from openwatt.comparison.what_if import USUAL_CAR_KWH_PER_100_KM, WhatIf, best_of, what_if
from openwatt.domain.bill import to_cents
from openwatt.domain.comparison import Comparison, ContractKey, Ranked
from openwatt.domain.contract import Contract
from openwatt.domain.messages import Message
from openwatt.domain.versus import Versus, contracts_beside
from openwatt.web.api.what_if_params import CHANGES, read_change
from openwatt.web.http.app_state import app_state
from openwatt.web.http.params import gather
from openwatt.web.pages.grouped_columns import GroupedColumns, draw_groups
from openwatt.web.pages.rendering import language
from openwatt.web.pages.typed_numbers import whole_kwh

_VERSUS = ("versus_first", "versus_second")
_PAST_YEARS = "past_years"
_PARTS = ("versus", "what-if", "past-years")
_NUMBERS = ("shift_percent", "car_km_per_week", "heat_pump_kwh")
_DECIMAL = "car_kwh_per_100_km"
_CHANGE_FIELDS = tuple(one.name for one in CHANGES)
#: The fields of these parts; a form and an address have them beside those of the question.
UNDERSTAND_FIELDS = (*_VERSUS, *_CHANGE_FIELDS, _PAST_YEARS)
#: Contracts of the ranking after a change that are shown.
_FIRST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VersusView:
    """Two contracts side by side, drawn."""

    versus: Versus
    reasons: tuple[Message, ...]
    months: list[dt.date]
    """The first day of each month of one or the other."""
    by_month: GroupedColumns
    hours: GroupedColumns | None
    """By hour of the day, how much less the first costs than the second."""
    saved_by_hour: list[Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCost:
    """What a contract costs before and after a change, in EUR for 365 days or for the span alone."""

    contract: Contract
    before: Decimal | None
    after: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfView:
    """The answer to "what if", drawn."""

    found: WhatIf
    before: ChangedCost | None
    """The contract that is the best before."""
    after: ChangedCost | None
    """The contract that is the best after."""
    present: ChangedCost | None
    saving: Decimal | None
    """What the best after saves, after the change, against staying with the best before."""
    ranking: list[tuple[Contract, Decimal | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastYearsView:
    """What some contracts would have cost in past years, drawn; the newest year is last."""

    contracts: list[Contract]
    years: list[PastYear]
    drawn: GroupedColumns
    assumptions: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """The three parts under an answer; one that was not requested is None.

    `choices` are the contracts that may be put side by side, as a form sends them and with their cost;
    `chosen` those of the form. `faults` are fields that cannot be used, with why where that has a sentence.
    """

    choices: list[tuple[str, Contract, Decimal]]
    chosen: tuple[str, str]
    versus: VersusView | None
    what_if: WhatIfView | None
    past_years: PastYearsView | None
    faults: Mapping[str, Message | None]
    usual_car_kwh: Decimal = USUAL_CAR_KWH_PER_100_KM


def requested_part(given: Mapping[str, str]) -> str | None:
    """The part whose button was pressed, as its heading is named in the page."""
    return part if (part := given.get("part", "")) in _PARTS else None


def texts_of_part(given: Mapping[str, str]) -> dict[str, str]:
    """The fields of the parts that were filled in, and what the button of past years says without one."""
    texts = {name: text for name in UNDERSTAND_FIELDS if (text := given.get(name, "").strip())}
    texts |= {name: _plain(texts[name]) for name in _NUMBERS if name in texts}
    if _DECIMAL in texts:
        texts[_DECIMAL] = re.sub(r"\s*(?:kwh.*)?$", "", texts[_DECIMAL], flags=re.IGNORECASE).replace(
            ",", "."
        )
    return texts | ({_PAST_YEARS: "true"} if requested_part(given) == "past-years" else {})


def understand(texts: Mapping[str, str], question: CustomerQuestion, answer: CustomerAnswer) -> Understanding:
    """The parts that the texts of a form request; nothing is computed for the others."""
    comparison = answer.comparison
    by_value = {_value(one.contract): one for one in (*comparison.ranking, *comparison.outdated)}
    chosen = _chosen(texts, comparison)
    faults: dict[str, Message | None] = {
        name: None for name in _VERSUS if texts.get(name, "") not in {"", *by_value}
    }
    versus = None
    if not faults and any(name in texts for name in _VERSUS):
        first, second = (by_value[value].contract for value in chosen)
        if first == second:
            faults[_VERSUS[1]] = None
        else:
            versus = _versus_view((first, second), question, comparison)
    return Understanding(
        choices=[
            (value, one.contract, to_cents(_shown(comparison, one) or one.total_ttc))
            for value, one in by_value.items()
        ],
        chosen=chosen,
        versus=versus,
        what_if=_what_if_view(texts, question, comparison, faults),
        past_years=_past_years_view(question, comparison) if texts.get(_PAST_YEARS) == "true" else None,
        faults=faults,
    )


def _plain(text: str) -> str:
    """A number without the unit that stands beside its field, as digits where it is one."""
    return whole_kwh(re.sub(r"\s*(?:%|km)$", "", text)) or text


def _value(contract: Contract) -> str:
    """A contract as the form sends it."""
    return f"{contract.supplier}~{contract.offer}~{contract.option}"


def _shown(comparison: Comparison, one: Ranked | None) -> Fraction | None:
    """The amount of a contract as the answer shows it: for 365 days, or for a span that is no year."""
    if one is None:
        return None
    return one.total_ttc if comparison.part_of_year else comparison.per_year(one.total_ttc, whole=one.whole)


def _cents(amount: Fraction | None) -> Decimal | None:
    return None if amount is None else to_cents(amount)


def _chosen(texts: Mapping[str, str], comparison: Comparison) -> tuple[str, str]:
    """The two contracts that the form chooses, else the best and the one that stands beside it."""
    usual = [_value(one) for one in usual_contracts(comparison)]
    usual += [_value(one.contract) for one in comparison.ranking]
    first = texts.get(_VERSUS[0]) or usual[0]
    return first, texts.get(_VERSUS[1]) or next((one for one in usual if one != first), first)


def _names(contracts: Sequence[Contract]) -> dict[ContractKey, str]:
    """Contracts as sentences name them: by offer and option, and by supplier where that is needed."""
    short = [f"{one.offer} ({language().text(f'option.{one.option}')})" for one in contracts]
    if len(set(short)) < len(short):
        short = [f"{one.supplier} {name}" for one, name in zip(contracts, short, strict=True)]
    return {one.key: name for one, name in zip(contracts, short, strict=True)}


def _versus_view(
    pair: tuple[Contract, Contract], question: CustomerQuestion, comparison: Comparison
) -> VersusView:
    versus = contracts_beside(
        comparison,
        (pair[0].key, pair[1].key),
        app_state().market.calendar_of,
        question.curve_over(comparison.span),
        question.home,
    )
    first, second = versus.first, versus.second
    months = sorted({*first.months, *second.months})
    saved: list[Fraction] = []
    if first.hours is not None and second.hours is not None:
        saved = [dear - cheap for cheap, dear in zip(first.hours, second.hours, strict=True)]
    return VersusView(
        versus=versus,
        reasons=versus.reasons(_names(pair)),
        months=months,
        by_month=draw_groups([(first.months.get(one), second.months.get(one)) for one in months]),
        hours=draw_groups([[amount] for amount in saved]) if saved else None,
        saved_by_hour=saved,
    )


def _what_if_view(
    texts: Mapping[str, str],
    question: CustomerQuestion,
    before: Comparison,
    faults: dict[str, Message | None],
) -> WhatIfView | None:
    pairs = [(name, texts[name]) for name in _CHANGE_FIELDS if name in texts]
    values, of_texts = gather(pairs, CHANGES)
    faults |= {fault.parameter: None for fault in of_texts}
    change = read_change(values)
    if of_texts or change.is_none:
        return None
    try:
        found = what_if(question, before, change, app_state().market)
    except QuestionError as error:
        faults |= {
            fault.field if fault.field in _CHANGE_FIELDS else "other_power_kva": fault.message
            for fault in error.faults
        }
        return None
    best, best_after = best_of(before), best_of(found.after)

    def cost(key: ContractKey, contract: Contract) -> ChangedCost:
        every = (*before.ranking, *before.outdated)
        of_today = next((one for one in every if one.contract.key[:3] == key[:3]), None)
        of_then = found.after_of(key)
        return ChangedCost(
            contract=contract,
            before=_cents(_shown(before, of_today)),
            after=_cents(_shown(found.after, of_then)),
        )

    present = None if before.present is None else before.costed.get(before.present)
    staying = None if best is None else _shown(found.after, found.after_of(best.contract.key))
    leaving = _shown(found.after, best_after)
    return WhatIfView(
        found=found,
        before=None if best is None else cost(best.contract.key, best.contract),
        after=None if best_after is None else cost(best_after.contract.key, best_after.contract),
        present=None if present is None else cost(present.contract.key, present.contract),
        saving=None if staying is None or leaving is None else to_cents(staying - leaving),
        ranking=[(one.contract, _cents(_shown(found.after, one))) for one in found.after.ranking[:_FIRST]],
    )


def _past_years_view(question: CustomerQuestion, comparison: Comparison) -> PastYearsView:
    contracts = usual_contracts(comparison)
    years = past_years(question, contracts, app_state().market)[::-1]
    return PastYearsView(
        contracts=contracts,
        years=list(years),
        drawn=draw_groups([[year.costs[one.key].total_ttc for one in contracts] for year in years]),
        assumptions=past_year_assumptions(question),
    )
