"""Parameters of prices over time, the same on the page, and how their question is read."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from openwatt.domain.errors import message_of
from openwatt.prices.instants import InstantError, parse_instant
from openwatt.prices.question import SLICES_MINUTES, PriceQuestionError
from openwatt.web.api.bill_params import CHOSEN_WEEKDAY, OFF_PEAK_HOURS
from openwatt.web.api.tariff_params import OFFER, OPTION, POWER_KVA, SUPPLIER
from openwatt.web.http.parameter_types import (
    MeaningError,
    ParameterError,
    ParameterType,
    choice,
    day_or_instant,
)
from openwatt.web.http.params import FORMAT, Parameter
from openwatt.web.http.problems import BadRequestError, Fault
from openwatt.web.http.request_params import RequestParams


def _instant(text: str) -> dt.datetime:
    try:
        return parse_instant(text)
    except InstantError as error:
        raise (ParameterError if error.malformed else MeaningError)(message_of(error)) from None


_INSTANT = day_or_instant(_instant)
_SLICES = tuple(map(str, SLICES_MINUTES))
#: The names of one contract.
CONTRACT_NAMES = (
    replace(SUPPLIER, description="Supplier of the contract; EDF, whose tariff is regulated, when left out."),
    replace(OFFER, description="Offer of the contract; Tarif Bleu, the regulated tariff, when left out."),
    replace(OPTION, description="Option of the contract.", required=True),
    replace(POWER_KVA, required=True),
)
#: One contract, and what its home is set to.
CONTRACT = (
    *CONTRACT_NAMES,
    replace(OFF_PEAK_HOURS, example=None),
    CHOSEN_WEEKDAY,
)
AT = Parameter(
    "at",
    "The instant (RFC 3339, a day, which means its beginning, or legal time without an offset); now when "
    "left out.",
    _INSTANT,
)
FROM = Parameter(
    "from",
    "First instant, or a day, which means its beginning; the beginning of today when left out.",
    _INSTANT,
    "2026-01-05",
)
TO = Parameter(
    "to",
    "First instant after the last, or a day, which means its beginning; two days after `from` when left out. "
    "At most 400 days after it, 62 with slices.",
    _INSTANT,
    "2026-01-07",
)
SLICE_MINUTES = Parameter(
    "slice_minutes",
    "Cuts the answer into slices of so many minutes, and finer where the price changes within one.",
    ParameterType(
        {"type": "integer", "enum": list(SLICES_MINUTES)}, lambda text: int(choice(*_SLICES).read(text))
    ),
    60,
)
PRICE_FORMAT = replace(
    FORMAT,
    description=f"{FORMAT.description} `evcc`: a bare array of the prices that are known, as evcc takes "
    "them, by the hour unless `slice_minutes` says otherwise.",
    type=choice("json", "csv", "evcc"),
)


@contextmanager
def price_question(params: RequestParams) -> Iterator[None]:
    """Turns the faults of a question for prices, with those of its parameters, into one problem.

    Raises:
        BadRequestError: when there are any of either.
    """
    try:
        yield
    except PriceQuestionError as error:
        own = [Fault(one.field, one.message, of_form=one.of_form) for one in error.faults]
        raise BadRequestError([*params.faults, *own]) from None
    if params.faults:
        raise BadRequestError(params.faults)
