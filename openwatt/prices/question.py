"""The question for prices: fields of any door become a contract and a span, with all faults at once."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from openwatt.comparison.market import StoredMarket
from openwatt.comparison.present import UnknownContractError, find_present
from openwatt.comparison.question import Fields, home_of
from openwatt.domain.calendar import Home, RegisterCalendar
from openwatt.domain.contract import Contract, DutyDays
from openwatt.domain.errors import CalendarError, OpenWattError, message_of
from openwatt.domain.legal_time import PARIS, day_start, minutes_of
from openwatt.domain.messages import Message
from openwatt.prices.contract_prices import ContractPrices

#: No tariff before the first of the regulated ones, of July 2012, is known.
FIRST_DAY = dt.date(2012, 1, 1)
#: Nothing that anybody could know lies further ahead.
MOST_DAYS_AHEAD = 400
MOST_DAYS, MOST_DAYS_SLICED = 400, 62
SLICES_MINUTES = (15, 30, 60)
USUAL_DAYS = 2


class PriceFault(NamedTuple):
    """One thing wrong with a question for prices; `of_form` where a field is missing that the others need."""

    field: str
    message: Message
    of_form: bool = False


class PriceQuestionError(OpenWattError):
    """A question for prices cannot be answered; `faults` names everything that is wrong with it."""

    def __init__(self, faults: Sequence[PriceFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))


class PriceSpan(NamedTuple):
    """A span in minutes UTC, its end excluded, and into slices of how many minutes it is cut, if it is."""

    start_min: int
    end_min: int
    slice_minutes: int | None


def read_span_question(
    fields: Fields, market: StoredMarket, now: dt.datetime
) -> tuple[ContractPrices, PriceSpan]:
    """The contract and the span that fields mean together.

    The fields are `supplier`, `offer`, `option`, `power_kva`, `off_peak_hours` (the entries of each
    text), `chosen_weekday` (from 0), the instants `from` and `to` (excluded), and `slice_minutes`.
    One that is not given is absent, the value of a faulty one is None.

    Raises:
        PriceQuestionError: with every fault that the fields have together. Where a field is None or a
            needed one is absent, the fault is the caller's, and there may be no other.
        DatabaseUnavailableError: when the contracts have to be read and cannot be.
    """
    faults: list[PriceFault] = []
    prices = _contract(fields, market, faults)
    span = _span(fields, now, faults)
    if prices is None or span is None or faults:
        raise PriceQuestionError(faults)
    return prices, span


def read_instant_question(
    fields: Fields, market: StoredMarket, now: dt.datetime
) -> tuple[ContractPrices, dt.datetime]:
    """The contract that fields mean together and the instant `at`, which is `now` where it is left out.

    Raises:
        PriceQuestionError: as `read_span_question`.
        DatabaseUnavailableError: when the contracts have to be read and cannot be.
    """
    faults: list[PriceFault] = []
    prices = _contract(fields, market, faults)
    at = fields.get("at", now)
    if at is not None:
        faults += faults_of_instant("at", at, now)
    if prices is None or at is None or faults:
        raise PriceQuestionError(faults)
    return prices, at


def faults_of_instant(name: str, instant: dt.datetime, now: dt.datetime) -> list[PriceFault]:
    """What is wrong with an instant of which nothing can be known."""
    if instant < day_start(FIRST_DAY):
        return [PriceFault(name, Message.of("prices.too_early", day=Message.day(FIRST_DAY)))]
    if instant > now + dt.timedelta(days=MOST_DAYS_AHEAD):
        return [PriceFault(name, Message.of("prices.too_late", days=MOST_DAYS_AHEAD))]
    return []


def _contract(fields: Fields, market: StoredMarket, faults: list[PriceFault]) -> ContractPrices | None:
    """The contract that the names mean, in the home that the fields say; None with a fault."""
    wanted = {name: fields[name] for name in ("supplier", "offer", "option") if name in fields}
    power_kva = fields.get("power_kva")
    if power_kva is None or "option" not in wanted or None in wanted.values():
        return None  # one of them is faulty or missing, which the caller says
    contracts = market.at_power(power_kva).contracts
    try:
        contract = contracts[find_present(contracts, power_kva=power_kva, **wanted)]
        calendar = market.calendar_of(contract)
    except UnknownContractError as error:
        faults.append(PriceFault(error.name, message_of(error)))
        return None
    except CalendarError as error:
        faults.append(PriceFault("option", message_of(error)))
        return None
    home = home_of({name: value for name, value in fields.items() if value is not None}, market.colours())
    missing = list(_missing(contract, calendar, home))
    # One that was given and could not be read is the caller's fault already.
    faults += [fault for fault in missing if fault.field not in fields]
    return None if missing else ContractPrices(contract, calendar, home, DutyDays(market.duties))


def _missing(contract: Contract, calendar: RegisterCalendar, home: Home) -> Sequence[PriceFault]:
    """What the home does not say and the calendar needs."""
    faults = []
    if calendar.needs_off_peak_hours and not home.off_peak_hours:
        message = Message.of("prices.no_hours", option=contract.option)
        faults.append(PriceFault("off_peak_hours", message, of_form=True))
    if calendar.needs_chosen_weekday and home.chosen_weekday is None:
        message = Message.of("prices.no_weekday", option=contract.option)
        faults.append(PriceFault("chosen_weekday", message, of_form=True))
    return faults


def _span(fields: Fields, now: dt.datetime, faults: list[PriceFault]) -> PriceSpan | None:
    """The span from one instant to another; None with a fault, or where a field is faulty already."""
    slice_minutes = fields.get("slice_minutes")
    given = {name: fields[name] for name in ("from", "to") if fields.get(name) is not None}
    found = len(faults)
    for name, instant in given.items():
        faults += faults_of_instant(name, instant, now)
        if instant.second or instant.microsecond:
            faults.append(PriceFault(name, Message("prices.not_a_minute")))
        elif slice_minutes and minutes_of(instant) % slice_minutes:
            faults.append(PriceFault(name, Message.of("prices.not_divided", minutes=slice_minutes)))
    if None in [fields.get(name, 0) for name in ("from", "to", "slice_minutes")]:
        return None
    start = given.get("from", day_start(now.astimezone(PARIS).date()))
    if "to" not in given and len(faults) > found:
        return None  # the usual end of a faulty start can lie outside the calendar
    end = given["to"] if "to" in given else day_start(start.date() + dt.timedelta(days=USUAL_DAYS))
    start_min, end_min = minutes_of(start), minutes_of(end)
    most = MOST_DAYS_SLICED if slice_minutes else MOST_DAYS
    named = "to" if "to" in given else "from"
    if end_min <= start_min:
        faults.append(PriceFault(named, Message("prices.reversed")))
    # By what clocks show: a day of 25 hours is a day.
    elif end.replace(tzinfo=None) - start.replace(tzinfo=None) > dt.timedelta(days=most):
        what = "too_long_sliced" if slice_minutes else "too_long"
        faults.append(PriceFault(named, Message.of(f"prices.{what}", days=most)))
    return None if len(faults) > found else PriceSpan(start_min, end_min, slice_minutes)
