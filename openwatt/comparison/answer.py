"""The answer to a customer's question: every contract costed and ranked, and advice to the home."""

from dataclasses import dataclass, replace

from openwatt.comparison.market import StoredMarket
from openwatt.comparison.question import CustomerQuestion, QuestionError, QuestionFault
from openwatt.domain.advice import Advice, advise
from openwatt.domain.comparison import Comparison, compare
from openwatt.domain.errors import OpenWattError, message_of


@dataclass(frozen=True, slots=True)
class CustomerAnswer:
    """A comparison, the advice that goes with it, and what both rest on without the customer's word.

    `assumptions` are keys of `question.assumption_message`, only those that a figure rests on.
    """

    comparison: Comparison
    advice: Advice
    assumptions: tuple[str, ...]


def answer_question(question: CustomerQuestion, market: StoredMarket) -> CustomerAnswer:
    """Every contract of the home's power, from the cheapest, and what the home could change.

    Raises:
        QuestionError: when no contract can be costed, with the reasons.
        DatabaseUnavailableError: when the contracts have to be read and cannot be.
    """
    at_power = market.at_power(question.power_kva)
    contracts = dict(at_power.contracts)
    # Advice on the power needs the same offer at others.
    offers = at_power.regulated | ({question.terms.present[:2]} if question.terms.present else set())
    for offer in sorted(offers):
        contracts |= market.of_offer(*offer).contracts
    try:
        comparison = compare(question.use, market.market(at_power), question.terms)
        all_powers = market.market(at_power, contracts)
        advice = advise(question.curve, question.use, all_powers, question.terms, comparison)
    except OpenWattError as error:
        raise QuestionError([QuestionFault("power_kva", message_of(error))]) from None
    if question.curve is not None:
        above = question.curve.above_power(question.power_kva)
        findings = (*question.curve.findings, *comparison.findings, *([above] if above else []))
        comparison = replace(comparison, findings=findings)
    return CustomerAnswer(comparison, advice, _used_assumptions(question, comparison))


def _used_assumptions(question: CustomerQuestion, comparison: Comparison) -> tuple[str, ...]:
    """Without the assumed off-peak hours where no cost depends on them."""
    used = question.off_peak_spreads_kwh or any(
        one.usage.depends_on_off_peak for one in comparison.costed.values()
    )
    return tuple(key for key in question.assumptions if used or key != "off_peak")
