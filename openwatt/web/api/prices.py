"""`/v1/prices`: what a contract's kilowatt hour costs over time, and now."""

from collections.abc import Sequence

from openwatt.comparison.source_incidents import incident_of_offer
from openwatt.domain.freshness import ExplainedStatus
from openwatt.domain.legal_time import day_start, instant_of, minutes_of
from openwatt.prices.contract_prices import ContractPrices
from openwatt.prices.intervals import cut_to_slices
from openwatt.prices.question import read_instant_question, read_span_question
from openwatt.representations.prices import EvccRate, PriceItem, PriceNow, PricePage
from openwatt.web.api.price_params import (
    AT,
    CONTRACT,
    FROM,
    PRICE_FORMAT,
    SLICE_MINUTES,
    TO,
    price_question,
)
from openwatt.web.http.app_state import app_state
from openwatt.web.http.problems import reader_language
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.responses import Collection
from openwatt.web.http.views import cached_view

#: How evcc's rates are cut where nothing else is wanted.
_EVCC_SLICE_MINUTES = 60


@cached_view(
    *CONTRACT,
    FROM,
    TO,
    SLICE_MINUTES,
    PRICE_FORMAT,
    page=PricePage,
    row=PriceItem,
    array=EvccRate,
    problems=(422,),
    takes_faults=True,
    translated=True,
)
def prices(params: RequestParams) -> Collection | Sequence[EvccRate]:
    """Prices of a kilowatt hour over a span.

    Intervals without gap or overlap, each as long as register and tariff stay the same, or
    cut into slices. Where a colour or a price is not known, the interval says why: nothing is
    guessed. In the future, the tariff in force is taken to go on. Times are French legal time.
    """
    with price_question(params):
        of_contract, span = read_span_question(params.values, app_state().market, params.now)
    intervals = of_contract.intervals(span.start_min, span.end_min)
    slice_minutes = span.slice_minutes
    if params.get(PRICE_FORMAT) == "evcc":
        status_of(of_contract, params)
        return EvccRate.list_of([*cut_to_slices(intervals, slice_minutes or _EVCC_SLICE_MINUTES)])
    if slice_minutes is not None:
        intervals = [*cut_to_slices(intervals, slice_minutes)]
    page = PricePage.of(
        of_contract.contract,
        intervals,
        known_until_min=of_contract.known_until(intervals, params.today),
        status=status_of(of_contract, params),
        language=reader_language(),
    )
    return Collection(page, page.prices, PriceItem)


@cached_view(*CONTRACT, AT, page=PriceNow, problems=(422,), takes_faults=True, translated=True)
def price_now(params: RequestParams) -> PriceNow:
    """Price of a kilowatt hour now.

    Which register runs, what it costs, since when and until when, and what comes next; for
    Tempo, the colours of today and tomorrow too. The answer may be cached until it changes.
    """
    with price_question(params):
        of_contract, at = read_instant_question(params.values, app_state().market, params.now)
    price = of_contract.at(minutes_of(at))
    midnight = day_start(params.today)
    if params.get(AT) is None:
        at = midnight if price.since_min is None else max(midnight, instant_of(price.since_min))
        if price.until_min is not None:
            params.expire_at(instant_of(price.until_min))
    return PriceNow.of(
        of_contract, price, at=at, status=status_of(of_contract, params), language=reader_language()
    )


def status_of(of_contract: ContractPrices, params: RequestParams) -> ExplainedStatus:
    """How far a contract's prices can be trusted now; the answer is true until that changes."""
    state, now = app_state(), params.now
    incident = incident_of_offer(of_contract.contract, state.source_incidents.current())
    params.expire_at(of_contract.next_status_change(now, incident, state.market.change_days))
    return of_contract.status(now, incident, state.market.change_days)
