"""The tariffs to browse, and their prices over time."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Response

from openwatt.domain.tariff import OPTIONS
from openwatt.representations.tariffs import TariffItem
from openwatt.store.offers import StoredOffer, stored_offers
from openwatt.store.tariffs import TariffFilter, cursor_after, tariff_history, tariffs_on
from openwatt.web.api.tariff_params import CURSOR, ON, OPTION, POWER_KVA, SUPPLIER, cursor_text
from openwatt.web.http.app_state import app_state
from openwatt.web.http.parameter_types import ParameterType
from openwatt.web.http.params import MOST_ROWS, Parameter
from openwatt.web.http.sub_path import address
from openwatt.web.pages.rendering import language, link, now, read_form, show, today

_ROWS_OF_A_PAGE = 40
_USUAL_OPTION, _USUAL_POWER_KVA = "BASE", 6


def tariffs_page() -> Response:
    """All tariffs of a day, filtered and in pages, with freshness and source."""
    form = read_form((SUPPLIER, OPTION, POWER_KVA, ON, CURSOR))
    database = app_state().database
    offers = stored_offers(database, None)
    on = form.get(ON, today())
    items: list[TariffItem] = []
    following = None
    chosen = {name: text for name, text in form.texts.items() if name != CURSOR.name}
    if not form.faults:
        wanted = TariffFilter(
            supplier=form.get(SUPPLIER), option=form.get(OPTION), power_kva=form.get(POWER_KVA)
        )
        found = tariffs_on(database, wanted, on=on, after=form.get(CURSOR), limit=_ROWS_OF_A_PAGE + 1)
        incidents = app_state().source_incidents.current()
        items = [TariffItem.of(one, on=on, now=now(), incidents=incidents) for one in found[:_ROWS_OF_A_PAGE]]
        if len(found) > _ROWS_OF_A_PAGE:
            cursor = cursor_text(cursor_after(found[_ROWS_OF_A_PAGE - 1]))
            following = link("/tariffs", **chosen, cursor=cursor)
    return show(
        "tariffs.html",
        status=400 if form.faults else 200,
        form=form,
        on=on,
        items=items,
        following=following,
        first=link("/tariffs", **chosen),
        download=f"{address('/v1/tariffs')}?{urlencode(chosen | {'on': on, 'limit': MOST_ROWS})}",
        suppliers=[(name, name) for name in sorted({offer.supplier for offer in offers}, key=str.casefold)],
        options=_options(offers),
        powers=_powers(offers),
    )


def _options(offers: list[StoredOffer]) -> list[tuple[str, str]]:
    """The options of some offers, in the field's order, with their names."""
    sold = {option for offer in offers for option in offer.options}
    return [(option, language().say(f"option.{option}")) for option in OPTIONS if option in sold]


def _powers(offers: list[StoredOffer]) -> list[tuple[int, str]]:
    """The subscribed powers of some offers."""
    sold = sorted({power for offer in offers for power in offer.powers_kva})
    return [(power, language().say("tariffs.kva", kva=power)) for power in sold]


def _read_offer(text: str) -> tuple[str, str]:
    """A supplier and an offer as the list sends them; names hold no `~`: the database sees to it."""
    supplier, tilde, offer = text.partition("~")
    if not tilde or "\0" in text:
        raise ValueError("is not a supplier and an offer, a tilde between them")
    return supplier, offer


_OFFER = Parameter(
    "offer", "Supplier and offer, a tilde between them.", ParameterType({"type": "string"}, _read_offer)
)


@dataclass(frozen=True, slots=True)
class _History:
    """The prices of one contract over time, oldest first, and where to have them as a table."""

    supplier: str
    offer: str
    regulated: bool
    items: list[TariffItem]
    download: str


def history_page() -> Response:
    """Prices over time of an offer, beside those of the regulated tariff."""
    form = read_form((_OFFER, OPTION, POWER_KVA))
    offers = stored_offers(app_state().database, None)
    by_name = {(offer.supplier, offer.name): offer for offer in offers}
    regulated = next((name for name, offer in by_name.items() if offer.regulated), None)
    chosen = form.get(_OFFER, regulated)
    option, power_kva = form.get(OPTION, _USUAL_OPTION), form.get(POWER_KVA, _USUAL_POWER_KVA)
    form.texts.setdefault(OPTION.name, option)
    form.texts.setdefault(POWER_KVA.name, str(power_kva))
    histories: list[_History] = []
    if not form.faults:
        told = (_history(by_name.get(name), option, power_kva) for name in dict.fromkeys((chosen, regulated)))
        histories = [history for history in told if history is not None]
    names: dict[str, list[str]] = defaultdict(list)
    for offer in sorted(offers, key=lambda one: (not one.regulated, one.supplier.casefold(), one.name)):
        names[offer.supplier].append(offer.name)
    return show(
        "history.html",
        status=400 if form.faults else 200,
        form=form,
        offers=list(names.items()),
        chosen=chosen,
        option=option,
        power_kva=power_kva,
        registers=OPTIONS[option],
        histories=histories,
        options=_options(offers),
        powers=_powers(offers),
    )


def _history(offer: StoredOffer | None, option: str, power_kva: int) -> _History | None:
    """The history of an offer under an option and power; None when it has none."""
    if offer is None:
        return None
    wanted = TariffFilter(offer.supplier, offer.name, option, power_kva)
    found = tariff_history(app_state().database, wanted, since=dt.date.min, until=today(), limit=MOST_ROWS)
    if not found:
        return None
    query = {"supplier": offer.supplier, "offer": offer.name, "option": option, "power_kva": power_kva}
    incidents = app_state().source_incidents.current()
    return _History(
        offer.supplier,
        offer.name,
        offer.regulated,
        [TariffItem.of(one, on=one.tariff.applies_from, now=now(), incidents=incidents) for one in found],
        f"{address('/v1/tariffs/history')}?{urlencode(query | {'limit': MOST_ROWS})}",
    )
