"""The page of tariffs: those of a day, filtered, sorted, counted, a page at a time."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args
from urllib.parse import urlencode

from flask import Response, request

from openwatt.domain.offer_terms import OfferTerms, Pricing
from openwatt.domain.tariff import OPTIONS, is_off_peak
from openwatt.representations.tariffs import TariffItem
from openwatt.store.offers import stored_offers
from openwatt.store.tariffs import PublishedTariff
from openwatt.web.api.tariff_params import ON, OPTION, POWER_KVA, SUPPLIER
from openwatt.web.http.app_state import app_state
from openwatt.web.http.parameter_types import choice
from openwatt.web.http.params import MOST_ROWS, Parameter
from openwatt.web.http.sub_path import address
from openwatt.web.pages.rendering import (
    FormValues,
    language,
    link,
    now,
    option_choices,
    power_choices,
    read_form,
    show,
    today,
)

_ROWS_OF_A_PAGE = 40
#: What most homes have, and so what the list begins with.
_USUAL_POWER_KVA = 6
_SEEN_WITHIN_DAYS = ("7", "30", "90")
_SORTS = ("offer", "option", "subscription", "price", "seen")

_PRICING = Parameter("pricing", "How prices may change.", choice(*get_args(Pricing)))
_GREEN = Parameter("green", "Only offers of green electricity.", choice("yes"))
_SEEN = Parameter("seen", "Only prices seen within so many days.", choice(*_SEEN_WITHIN_DAYS))
_SORT = Parameter(
    "sort", "Column to sort by, the other way with a minus.", choice(*_SORTS, *(f"-{one}" for one in _SORTS))
)
#: Those that the list of the API has too.
_OF_THE_API = (SUPPLIER, OPTION, POWER_KVA, ON)
_FORM = (*_OF_THE_API, _PRICING, _GREEN, _SEEN, _SORT)


@dataclass(frozen=True, slots=True)
class _Heading:
    """A column's heading: the address that sorts by it, and the order in force as `aria-sort` has it."""

    address: str
    order: str | None


@dataclass(frozen=True, slots=True)
class _Row:
    """A tariff, and what else its offer promises where that is known."""

    item: TariffItem
    terms: OfferTerms | None


def tariffs_page() -> Response:
    """All tariffs of a day, filtered, sorted and in pages, with freshness and source."""
    form = read_form(_FORM)
    offers = stored_offers(app_state().database, None)
    on = form.get(ON, today())
    found: list[PublishedTariff] = []
    if not form.faults:
        found = [one for one in app_state().market.tariffs_on(on) if _wanted(one, form)]
        _sort(found, form.get(_SORT))
    last_page = max(1, -(-len(found) // _ROWS_OF_A_PAGE))
    page = min(_page_number(), last_page)
    first = (page - 1) * _ROWS_OF_A_PAGE
    incidents, changes = app_state().source_incidents.current(), app_state().market.change_days
    rows = [
        _Row(
            TariffItem.of(one, on=on, now=now(), changes=changes, incidents=incidents),
            app_state().offer_terms.get((one.supplier, one.offer)),
        )
        for one in found[first : first + _ROWS_OF_A_PAGE]
    ]
    chosen = dict(form.texts)
    of_the_api = {one.name: chosen[one.name] for one in _OF_THE_API if one.name in chosen}
    ours = language()
    return show(
        "tariffs.html",
        status=400 if form.faults else 200,
        named={name: chosen[name] for name in (SUPPLIER.name, OPTION.name) if name in chosen},
        form=form,
        on=on,
        rows=rows,
        count=len(found),
        first=first + 1,
        page=page,
        last_page=last_page,
        page_address=lambda number: link("/tariffs", **chosen, page=number if number > 1 else None),
        headings={name: _heading(name, chosen) for name in _SORTS},
        filtered=any(name in chosen for name in (_PRICING.name, _GREEN.name, _SEEN.name)),
        download=f"{address('/v1/tariffs')}?{urlencode(of_the_api | {'on': on, 'limit': MOST_ROWS})}",
        suppliers=[(name, name) for name in sorted({offer.supplier for offer in offers}, key=str.casefold)],
        options=option_choices(offers),
        powers=power_choices(offers),
        pricings=[(name, ours.text(f"tariffs.pricing_{name}")) for name in get_args(Pricing)],
        seen_within=[(days, ours.text("tariffs.seen_within", days=days)) for days in _SEEN_WITHIN_DAYS],
        sorts=[(_first_order(name), ours.text(f"tariffs.sort_{name}")) for name in _SORTS],
        without_price=[
            offer
            for offer in offers
            if offer.no_price and form.get(SUPPLIER, offer.supplier).casefold() == offer.supplier.casefold()
        ],
    )


def _page_number() -> int:
    """The page in the address; what is no number means the first one."""
    text = request.args.get("page", "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _wanted(tariff: PublishedTariff, form: FormValues) -> bool:
    """Whether the choices of the form select a tariff."""
    terms = app_state().offer_terms.get((tariff.supplier, tariff.offer))
    pricing, green, seen = form.get(_PRICING), form.get(_GREEN), form.get(_SEEN)
    return (
        form.get(SUPPLIER, tariff.supplier).casefold() == tariff.supplier.casefold()
        and form.get(OPTION, tariff.option) == tariff.option
        and form.get(POWER_KVA, tariff.power_kva) == tariff.power_kva
        and (pricing is None or (terms is not None and terms.pricing == pricing))
        and (green is None or bool(terms and terms.green))
        and (seen is None or tariff.last_seen_at >= now() - dt.timedelta(days=int(seen)))
    )


def _usual_price(tariff: PublishedTariff) -> Decimal | None:
    """The price that a sort compares: outside off-peak hours, the lowest, which is that of ordinary days."""
    prices = tariff.prices_eur_per_kwh_ttc
    return min((price for register, price in prices.items() if not is_off_peak(register)), default=None)


#: What is compared for each column; None is not known and comes last, whichever way is sorted.
_KEYS: dict[str, Callable[[PublishedTariff], Any]] = {
    "offer": lambda one: (one.supplier.casefold(), one.offer.casefold()),
    "option": lambda one: list(OPTIONS).index(one.option),
    "subscription": lambda one: one.subscription_eur_per_year_ttc,
    "price": _usual_price,
    "seen": lambda one: one.last_seen_at,
}


def _sort(tariffs: list[PublishedTariff], sort: str | None) -> None:
    """Puts tariffs in the order of a column; without one they stay as they come, the usual power first."""
    tariffs.sort(key=lambda one: one.power_kva != _USUAL_POWER_KVA)
    if sort is None:
        return
    key = _KEYS[sort.removeprefix("-")]
    keyed = [(key(one), one) for one in tariffs]
    known = sorted(
        (pair for pair in keyed if pair[0] is not None),
        key=lambda pair: pair[0],
        reverse=sort.startswith("-"),
    )
    tariffs[:] = [one for _, one in known] + [one for value, one in keyed if value is None]


def _first_order(name: str) -> str:
    """The order of a column that people look for: cheap first, and what was seen last first."""
    return f"-{name}" if name == "seen" else name


def _heading(name: str, chosen: dict[str, str]) -> _Heading:
    """The heading of a column, which turns the order in force round."""
    present, order = chosen.get(_SORT.name), _first_order(name)
    if present == order:
        order = name if order.startswith("-") else f"-{name}"
    shown = {name: "ascending", f"-{name}": "descending"}.get(present or "")
    return _Heading(link("/tariffs", **(chosen | {_SORT.name: order})), shown)
