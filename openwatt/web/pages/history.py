"""The page of prices over time: an offer beside the regulated tariff."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Response

from openwatt.domain.messages import Message
from openwatt.domain.tariff import OPTIONS
from openwatt.representations.tariffs import TariffItem
from openwatt.store.offers import StoredOffer, stored_offers
from openwatt.store.tariffs import TariffFilter, tariff_history
from openwatt.web.api.tariff_params import OPTION, POWER_KVA
from openwatt.web.http.app_state import app_state
from openwatt.web.http.parameter_types import ParameterError, ParameterType
from openwatt.web.http.params import MOST_ROWS, Parameter
from openwatt.web.http.sub_path import address
from openwatt.web.pages.rendering import (
    now,
    option_choices,
    power_choices,
    read_form,
    show,
    today,
)

_USUAL_OPTION, _USUAL_POWER_KVA = "BASE", 6


def _read_offer(text: str) -> tuple[str, str]:
    """A supplier and an offer as the list sends them; names hold no `~`: the database sees to it."""
    supplier, tilde, offer = text.partition("~")
    if not tilde or "\0" in text:
        raise ParameterError(Message("parameter.not_in_list"))
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
        found = (
            _history(by_name.get(name), option, power_kva) for name in dict.fromkeys((chosen, regulated))
        )
        histories = [history for history in found if history is not None]
    names: dict[str, list[str]] = defaultdict(list)
    for offer in sorted(offers, key=lambda one: (not one.regulated, one.supplier.casefold(), one.name)):
        if offer.options:
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
        options=option_choices(offers),
        powers=power_choices(offers),
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
    incidents, changes = app_state().source_incidents.current(), app_state().market.change_days
    return _History(
        offer.supplier,
        offer.name,
        offer.regulated,
        [
            TariffItem.of(one, on=one.applies_from, now=now(), changes=changes, incidents=incidents)
            for one in found
        ],
        f"{address('/v1/tariffs/history')}?{urlencode(query | {'limit': MOST_ROWS})}",
    )
