"""`/v1/*.ics`: calendars to subscribe to: Tempo's colours, EJP's peak days, changes of a tariff."""

import datetime as dt

from openwatt.comparison.present import UnknownContractError, find_present
from openwatt.domain.errors import message_of
from openwatt.domain.messages import Message
from openwatt.domain.tariff import Colour
from openwatt.representations.day_calendar import to_icalendar
from openwatt.representations.day_events import contract_name, ejp_events, tariff_events, tempo_events
from openwatt.store.tariffs import TariffFilter, tariff_corrections, tariff_history
from openwatt.store.tempo import revised_colours
from openwatt.web.api.price_params import CONTRACT_NAMES
from openwatt.web.api.tariff_params import OFFER, OPTION, POWER_KVA, SUPPLIER
from openwatt.web.http.app_state import app_state
from openwatt.web.http.calendar_view import calendar_view
from openwatt.web.http.parameter_types import string
from openwatt.web.http.params import Parameter
from openwatt.web.http.problems import BadRequestError, Fault
from openwatt.web.http.request_params import RequestParams

_COLOUR = "(BLEU|BLANC|ROUGE)"
#: The days for which others pay more; a calendar of blue ones is full.
_USUAL_COLOURS: frozenset[Colour] = frozenset({"BLANC", "ROUGE"})
COLOURS = Parameter(
    "colours",
    "The colours of the days, joined by commas; ROUGE,BLANC when left out.",
    string(
        rf"{_COLOUR}(,{_COLOUR})*",
        Message("parameter.colours"),
        lambda text: frozenset(text.split(",")),
    ),
    "ROUGE,BLANC",
    default="ROUGE,BLANC",
)
#: The word of EJP's peak days; the other days of a winter have one too.
_PEAK = "PM"
#: Far more tariffs than a contract has in a lifetime.
_MOST_TARIFFS = 10_000


def _first_day(params: RequestParams) -> dt.date:
    """The first day of a calendar: the beginning, in September, of the season before the present one."""
    today = params.today
    return dt.date(today.year - (1 if today.month >= 9 else 2), 9, 1)


@calendar_view(COLOURS)
def tempo_calendar(params: RequestParams, language: str) -> bytes:
    """Tempo days as a calendar.

    One event for each day of the wanted colours in the present season and the one before, up to the
    last day whose colour is known. An event is of a date; the Tempo day begins at 06:00.
    """
    wanted = params.get(COLOURS, _USUAL_COLOURS)
    days = revised_colours(app_state().database, _first_day(params))
    return to_icalendar(
        Message("calendar.tempo"), tempo_events(day for day in days if day.colour in wanted), language
    )


@calendar_view()
def ejp_calendar(params: RequestParams, language: str) -> bytes:
    """EJP peak days as a calendar.

    One event for each peak day that is known of the present season and the one before. An event is of
    a date; the peak lasts from 07:00 to 01:00 of the next day.
    """
    since = _first_day(params)
    words = app_state().market.colours().get("EJP", {})
    peak_days = sorted(day for day, word in words.items() if word == _PEAK and day >= since)
    return to_icalendar(Message("calendar.ejp"), ejp_events(peak_days), language)


@calendar_view(*CONTRACT_NAMES, problems=(422,))
def tariff_changes_calendar(params: RequestParams, language: str) -> bytes:
    """Changes of a contract's tariff as a calendar.

    One event on each day from which a tariff of the contract applies, past or to come, with its prices
    beside those before it.
    """
    power_kva = params.get(POWER_KVA)
    names = {one.name: params.get(one) for one in (SUPPLIER, OFFER, OPTION)}
    try:
        key = find_present(app_state().market.at_power(power_kva).contracts, power_kva=power_kva, **names)
    except UnknownContractError as error:
        raise BadRequestError([Fault(error.name, message_of(error), of_form=False)]) from None
    database = app_state().database
    tariffs = tariff_history(
        database, TariffFilter(*key), since=dt.date.min, until=dt.date.max, limit=_MOST_TARIFFS
    )
    name = Message.of("calendar.tariffs", contract=contract_name(tariffs[0]))
    return to_icalendar(name, tariff_events(tariffs, tariff_corrections(database, *key)), language)
