"""The page of the price of now: one contract, its next changes, its week, and how programs get all that."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from openwatt.comparison.source_incidents import incident_of_offer
from openwatt.domain.calendar import WEEKDAYS
from openwatt.domain.legal_time import Span, instant_of, minutes_of
from openwatt.domain.messages import Message
from openwatt.prices.contract_prices import ContractPrices
from openwatt.prices.intervals import PriceInterval
from openwatt.prices.question import PriceQuestionError, read_instant_question
from openwatt.prices.season import TempoSeason, count_season, season_span
from openwatt.representations.prices import PriceNow
from openwatt.store.offers import stored_offers
from openwatt.web.api.price_params import CONTRACT
from openwatt.web.http.app_state import app_state
from openwatt.web.http.params import gather
from openwatt.web.http.problems import Fault
from openwatt.web.pages.charts import CalendarRow, draw_calendar
from openwatt.web.pages.price_charts import PriceTimeline, WeekRow, draw_timeline, draw_week
from openwatt.web.pages.rendering import (
    FormValues,
    contract_choices,
    language,
    now,
    power_choices,
    show,
    today,
)

#: What is shown where nothing is chosen: the regulated tariff of most homes.
_USUAL = {"contract": "EDF~Tarif Bleu~BASE", "power_kva": "6"}
_FIELDS = ("contract", "power_kva", "off_peak_hours", "chosen_weekday")
_NAMES = ("supplier", "offer", "option")
#: An address may name the contract as the API does, in part too: `?option=TEMPO&power_kva=9`.
_USUAL_NAMES = dict(zip(_NAMES, _USUAL["contract"].split("~"), strict=True))
_MOST_CHANGES = 6
_WEEK_DAYS, _TIMELINE_DAYS = 7, 2


@dataclass(frozen=True, slots=True)
class TempoView:
    """A season's days by colour, month by month."""

    season: TempoSeason
    calendar: list[CalendarRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceView:
    """What the page shows of a contract."""

    item: PriceNow
    reason: Message | None
    changes: list[PriceInterval]
    timeline: PriceTimeline
    week: list[WeekRow]
    registers: list[str]
    has_unknown: bool
    tempo: TempoView | None
    query: str
    """The contract as the API takes it."""
    names_query: str
    """The same without what is the home's own."""


def now_page() -> Response:
    """What a kilowatt hour of a contract costs now and next, and how programs ask for it."""
    texts = {name: text for name in _FIELDS if (text := request.args.get(name, "").strip())}
    named = {name: text for name in _NAMES if (text := request.args.get(name, "").strip())}
    if named and "contract" not in texts:
        texts["contract"] = "~".join(named.get(name, usual) for name, usual in _USUAL_NAMES.items())
    chosen = {**_USUAL, **texts}
    values, faults = _read(chosen)
    view = None
    try:
        of_contract, at = read_instant_question(values, app_state().market, now())
    except PriceQuestionError as error:
        faults += [Fault(one.field, one.message, of_form=one.of_form) for one in error.faults]
    else:
        if not faults:
            view = _view(of_contract, at, chosen)
    details: dict[str, list[Message | str]] = {}
    for fault in faults:
        found = details.setdefault("contract" if fault.parameter in _NAMES else fault.parameter, [])
        if not fault.of_form:  # of a field that is missing or misspelt, the form itself says what to give
            found.append(fault.message)
    offers = stored_offers(app_state().database, None)
    ours = language()
    return show(
        "now.html",
        status=400 if faults else 200,
        keep=not texts,  # a home's contract is its own
        form=FormValues({}, chosen, frozenset(details)),
        details=details,
        view=view,
        instant_of=instant_of,
        contracts=contract_choices(offers),
        powers=power_choices(offers),
        weekdays=[(name, ours.weekday(number)) for number, name in enumerate(WEEKDAYS)],
        asks_weekday="chosen_weekday" in {*details, *texts},
    )


def _read(chosen: Mapping[str, str]) -> tuple[dict[str, Any], list[Fault]]:
    """The values of the chosen texts as the API reads them, and what is wrong with each."""
    names = chosen["contract"].split("~")
    if len(names) != len(_NAMES):
        names = ["", "", ""]
    pairs = [*zip(_NAMES, names, strict=True)]
    pairs += [(name, text) for name, text in chosen.items() if name != "contract"]
    return gather(pairs, CONTRACT)


def _view(of_contract: ContractPrices, at: dt.datetime, chosen: Mapping[str, str]) -> PriceView:
    state, day = app_state(), today()
    incident = incident_of_offer(of_contract.contract, state.source_incidents.current())
    status = of_contract.status(at, incident, state.market.change_days)
    at_min = minutes_of(at)
    week = Span(day, day + dt.timedelta(days=_WEEK_DAYS))
    two_days = Span(day, day + dt.timedelta(days=_TIMELINE_DAYS))
    intervals = of_contract.intervals(week.start_min, week.end_min)
    supplier, offer, option, power_kva = of_contract.contract.key
    names = {"supplier": supplier, "offer": offer, "option": option, "power_kva": power_kva}
    home = {name: chosen[name] for name in ("off_peak_hours", "chosen_weekday") if name in chosen}
    tempo = None
    if option == "TEMPO":
        colours = of_contract.home.colours["TEMPO"]
        tempo = TempoView(count_season(colours, day), draw_calendar(colours, season_span(day)))
    price = of_contract.at(at_min)
    return PriceView(
        item=PriceNow.of(of_contract, price, at=at, status=status),
        reason=price.interval.reason.message if price.interval.reason else None,
        changes=[one for one in intervals if one.start_min > at_min][:_MOST_CHANGES],
        timeline=draw_timeline(of_contract.intervals(two_days.start_min, two_days.end_min), at_min),
        week=draw_week(intervals),
        registers=[
            register
            for register in of_contract.calendar.registers
            if any(one.register == register for one in intervals)
        ],
        has_unknown=any(one.reason is not None for one in intervals),
        tempo=tempo,
        query=urlencode(names | home),
        names_query=urlencode(names),
    )
