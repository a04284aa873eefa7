"""What a customer's use would have cost: registers and bills, of a file or of yearly kWh."""

from flask import Blueprint

from openwatt.comparison.answer import CustomerAnswer, answer_question
from openwatt.comparison.question import (
    MOST_DAYS,
    CustomerQuestion,
    Fields,
    QuestionError,
    file_options_of,
    home_of,
)
from openwatt.domain.errors import OpenWattError, message_of
from openwatt.domain.messages import Message
from openwatt.domain.usage import register_totals
from openwatt.representations.bills import BillsPage, CurrentRow, RankedItem, RankedRow, RegistersPage
from openwatt.web.api.bill_params import (
    BILL_FIELDS,
    BILL_PARAMETERS,
    REGISTER_FIELDS,
    address_of,
    faults_of,
    read_bill_question,
)
from openwatt.web.http.app_state import app_state
from openwatt.web.http.problems import BadRequestError, Fault, reader_language
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.responses import Collection
from openwatt.web.http.security_headers import forbid_caching
from openwatt.web.http.uploads import read_load_curve
from openwatt.web.http.views import post_view, private_view

bills = Blueprint("bills", __name__, url_prefix="/v1")
bills.after_request(forbid_caching)

PRIVACY, PRIVACY_OF_ADDRESS = Message("privacy.body"), Message("privacy.address")


@bills.post("/registers")
@post_view(*REGISTER_FIELDS, page=RegistersPage)
def registers(params: RequestParams) -> RegistersPage:
    """Registers of a load curve.

    How much of the meter's file ran in each register of an option, in whole Wh, by
    legal time. A register that cannot be known (a Tempo day without a colour) is
    counted apart. Nothing of what is sent is stored or logged.
    """
    market = app_state().market
    faults = list(params.faults)
    values = params.values
    curve, start_min, end_min = None, values.get("from"), values.get("to")
    if values.get("file") is not None:
        try:
            curve = read_load_curve(values["file"], params.now, file_options_of(values))
        except OpenWattError as error:
            faults.append(Fault("file", message_of(error), of_form=False))
    if curve is not None:
        start_min = curve.start_min if start_min is None else start_min
        end_min = curve.end_min if end_min is None else end_min
        if not 0 < end_min - start_min <= MOST_DAYS * 24 * 60:
            fault = Message.of("question.span", days=MOST_DAYS)
            faults.append(Fault("to" if values.get("to") else "from", fault, of_form=False))
    calendar = market.calendar_of_option(values["option"]) if values.get("option") else None
    if calendar is not None and calendar.needs_off_peak_hours and "off_peak_hours" not in values:
        fault = Message.of("question.hours_needed", option=calendar.option)
        faults.append(Fault("off_peak_hours", fault, of_form=False))
    if faults or curve is None or calendar is None or start_min is None or end_min is None:
        raise BadRequestError(faults)
    totals = register_totals(curve, calendar, home_of(values, market.colours()), start_min, end_min)
    return RegistersPage.of(totals, privacy=PRIVACY, language=reader_language())


def answer_of(question: CustomerQuestion) -> CustomerAnswer:
    """The answer to a customer's question.

    Raises:
        BadRequestError: when no contract can be costed, with the reasons.
        DatabaseUnavailableError: when the contracts have to be read and cannot be.
    """
    try:
        return answer_question(question, app_state().market)
    except QuestionError as error:
        raise BadRequestError(faults_of(error)) from None


def bills_collection(
    values: Fields, question: CustomerQuestion, answer: CustomerAnswer, privacy: Message
) -> Collection:
    """The ranking as JSON, and its rows as CSV."""
    page = BillsPage.of(
        question,
        answer,
        details=values.get("details", False),
        address=address_of(values, question),
        privacy=privacy,
        language=reader_language(),
    )
    if question.terms.prices == "then":
        return Collection(page, page.ranking, RankedRow)
    return Collection(page, [*page.ranking, *(page.outdated or ())], CurrentRow)


def _ranking(params: RequestParams, privacy: Message) -> Collection:
    question = read_bill_question(params.values, params.faults, params.now)
    return bills_collection(params.values, question, answer_of(question), privacy)


@bills.post("/bills")
@post_view(*BILL_FIELDS, page=BillsPage, row=RankedItem)
def compare_file(params: RequestParams) -> Collection:
    """What every contract would have cost.

    The contracts of the home's power, from the cheapest, for what its meter's file
    tells or for yearly kWh: with and without taxes, beside the regulated tariff of the
    same option and beside the present contract. At today's prices the contracts whose
    price cannot be today's stand in `outdated`. With `details`, every bill by month
    and register. Nothing of what is sent is stored or logged.
    """
    return _ranking(params, PRIVACY)


@bills.get("/bills")
@private_view(*BILL_PARAMETERS, page=BillsPage, row=RankedItem, problems=(422,))
def compare_kwh(params: RequestParams) -> Collection:
    """What every contract would cost for yearly kWh.

    The same without a file, at an address that can be shared: either `kwh`, spread by a
    `profile`, or `register_kwh`. The answer is the household's own: no cache may keep it.
    """
    return _ranking(params, PRIVACY_OF_ADDRESS)
