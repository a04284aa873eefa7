"""What explains a ranking, on request: two contracts side by side, a changed home, past years."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint

from openwatt.comparison.answer import CustomerAnswer
from openwatt.comparison.past_years import past_years, usual_contracts
from openwatt.comparison.present import UnknownContractError, find_present
from openwatt.comparison.question import CustomerQuestion, QuestionError
from openwatt.comparison.what_if import HomeChange, what_if
from openwatt.domain.comparison import Comparison, ContractKey
from openwatt.domain.errors import message_of
from openwatt.domain.messages import Message
from openwatt.domain.tariff import OPTIONS
from openwatt.domain.versus import contracts_beside
from openwatt.representations.explanations import ExplanationPage, PastYearsItem, VersusItem, WhatIfItem
from openwatt.web.api.bill_params import BILL_FIELDS, BILL_PARAMETERS, DETAILS, faults_of, read_bill_question
from openwatt.web.api.bills import PRIVACY, PRIVACY_OF_ADDRESS, answer_of
from openwatt.web.api.what_if_params import CHANGES, faults_of_car, read_change
from openwatt.web.http.app_state import app_state
from openwatt.web.http.parameter_types import BOOLEAN, string
from openwatt.web.http.params import Parameter
from openwatt.web.http.problems import BadRequestError, Fault, reader_language
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.security_headers import forbid_caching
from openwatt.web.http.views import post_view, private_view

explanations = Blueprint("explanations", __name__, url_prefix="/v1")
explanations.after_request(forbid_caching)

_CONTRACT = string(
    rf"[^\x00-\x1f\x7f~]{{1,100}}~[^\x00-\x1f\x7f~]{{1,100}}~(?:{'|'.join(OPTIONS)})",
    Message("parameter.contract"),
    lambda text: tuple(text.split("~")),
)
FIRST, SECOND = (
    Parameter(
        name, f"The {which} of two contracts to put side by side: supplier~offer~option.", _CONTRACT, example
    )
    for name, which, example in (
        ("first", "first", "EDF~Tarif Bleu~BASE"),
        ("second", "second", "EDF~Tarif Bleu~HPHC"),
    )
)
PAST_YEARS = Parameter(
    "past_years",
    "Whether the last years are computed; false when left out.",
    BOOLEAN,
)
_PARTS = (FIRST, SECOND, *CHANGES, PAST_YEARS)
#: A file stands in no address.
EXPLANATION_FIELDS, EXPLANATION_PARAMETERS = (
    (*(one for one in fields if one is not DETAILS), *_PARTS) for fields in (BILL_FIELDS, BILL_PARAMETERS)
)


def _explanation(params: RequestParams, privacy: Message) -> ExplanationPage:
    values = params.values
    faults = [*params.faults, *faults_of_car(values)]
    if (FIRST.name in values) != (SECOND.name in values):
        missing = SECOND if FIRST.name in values else FIRST
        faults.append(Fault(missing.name, Message("what_if.two_contracts"), of_form=False))
    question = read_bill_question(values, faults, params.now)
    answer = answer_of(question)
    language = reader_language()
    return ExplanationPage.of(
        question,
        (
            _versus(values, question, answer.comparison, language),
            _what_if(read_change(values), question, answer, language),
            _past_years(question, answer.comparison, language) if values.get(PAST_YEARS.name) else None,
        ),
        privacy,
        language,
    )


def _versus(
    values: Mapping[str, Any], question: CustomerQuestion, comparison: Comparison, language: str
) -> VersusItem | None:
    if FIRST.name not in values:
        return None
    faults: list[Fault] = []
    first, second = (
        _costed(values[one.name], one.name, question, comparison, faults) for one in (FIRST, SECOND)
    )
    if faults or first is None or second is None:
        raise BadRequestError(faults)
    curve = question.curve_over(comparison.span)
    calendar_of = app_state().market.calendar_of
    return VersusItem.of(
        contracts_beside(comparison, (first, second), calendar_of, curve, question.home), language
    )


def _costed(
    names: tuple[str, str, str],
    field: str,
    question: CustomerQuestion,
    comparison: Comparison,
    faults: list[Fault],
) -> ContractKey | None:
    """The contract of these names, among those that could be costed."""
    supplier, offer, option = names
    try:
        return find_present(
            comparison.costed, option=option, power_kva=question.power_kva, supplier=supplier, offer=offer
        )
    except UnknownContractError as error:
        faults.append(Fault(field, message_of(error), of_form=False))
    return None


def _what_if(
    change: HomeChange, question: CustomerQuestion, answer: CustomerAnswer, language: str
) -> WhatIfItem | None:
    if change.is_none:
        return None
    try:
        found = what_if(question, answer.comparison, change, app_state().market)
    except QuestionError as error:
        raise BadRequestError(faults_of(error)) from None
    return WhatIfItem.of(found, language)


def _past_years(question: CustomerQuestion, comparison: Comparison, language: str) -> PastYearsItem:
    contracts = usual_contracts(comparison)
    return PastYearsItem.of(
        past_years(question, contracts, app_state().market), contracts, question, language
    )


@explanations.post("/bills/explanation")
@post_view(*EXPLANATION_FIELDS, page=ExplanationPage)
def explain_file(params: RequestParams) -> ExplanationPage:
    """What explains a ranking.

    For the question of `/v1/bills`, the parts that are requested: with `first` and `second`, two
    contracts side by side by register, month and hour, and why one costs less; with a change of the
    home (a shifted use, a car, a heat pump, another power), its ranking after the change beside that
    of today; with `past_years`, what the best contract would have cost in the last years, at the
    prices of each day. Nothing of what is sent is stored or logged.
    """
    return _explanation(params, PRIVACY)


@explanations.get("/bills/explanation")
@private_view(*EXPLANATION_PARAMETERS, page=ExplanationPage, problems=(422,))
def explain_kwh(params: RequestParams) -> ExplanationPage:
    """What explains a ranking of yearly kWh.

    The same without a file, at an address that can be shared. The answer is the household's own: no
    cache may keep it.
    """
    return _explanation(params, PRIVACY_OF_ADDRESS)
