"""The page of prices over time: an offer beside the regulated tariff."""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Response

from openwatt.domain.legal_time import PARIS
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
    language,
    link,
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
class _Period:
    """One tariff of a contract, and the legal day on which its price was last seen."""

    item: TariffItem
    last_seen_on: dt.date
    goes_on: bool
    """Whether it has no end and was seen lately, so that it is the tariff of today."""


@dataclass(frozen=True, slots=True)
class _History:
    """The prices of one contract over time, oldest first, and where to have them as a table."""

    supplier: str
    offer: str
    regulated: bool
    periods: list[_Period]
    download: str


@dataclass(frozen=True, slots=True)
class _Missing:
    """An offer without a price under the chosen option and power: why, and what there is of it."""

    reason: str
    """The text that says why."""
    options: list[tuple[str, str]]
    powers: list[tuple[str, str]]
    """What there is: as it is shown, and its address."""


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
    missing = None
    if not form.faults and not any((one.supplier, one.offer) == chosen for one in histories):
        missing = _missing(by_name.get(chosen), option, power_kva)
    names: dict[str, list[str]] = defaultdict(list)
    for offer in sorted(offers, key=lambda one: (not one.regulated, one.supplier.casefold(), one.name)):
        if offer.options:
            names[offer.supplier].append(offer.name)
    return show(
        "history.html",
        status=400 if form.faults else 200,
        named=form.texts if _OFFER.name in form.texts and not missing else {},
        form=form,
        today=today(),
        missing=missing,
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
    periods = []
    for one in found:
        on = one.applies_from if one.applies_to else today()
        item = TariffItem.of(one, on=on, now=now(), changes=changes, incidents=incidents)
        seen = one.last_seen_at.astimezone(PARIS).date()
        periods.append(_Period(item, seen, one.applies_to is None and item.data_status == "fresh"))
    return _History(
        offer.supplier,
        offer.name,
        offer.regulated,
        periods,
        f"{address('/v1/tariffs/history')}?{urlencode(query | {'limit': MOST_ROWS})}",
    )


def _missing(offer: StoredOffer | None, option: str, power_kva: int) -> _Missing:
    """What an offer has instead of the chosen option and power; None is an offer that is not known."""
    if offer is None:
        return _Missing(language().text("history.no_offer"), [], [])
    if offer.no_price:
        return _Missing(language().text(f"no_price.{offer.no_price}"), [], [])
    name = f"{offer.supplier} · {offer.name}"

    def of(option: str, power_kva: int) -> str:
        return link("/history", offer=f"{offer.supplier}~{offer.name}", option=option, power_kva=power_kva)

    shown = language().text(f"option.{option}")
    if option not in offer.options:
        options = [(text, of(other, power_kva)) for other, text in option_choices([offer])]
        return _Missing(language().text("history.no_option", offer=name, option=shown), options, [])
    powers = [(text, of(option, kva)) for kva, text in power_choices([offer]) if kva != power_kva]
    reason = language().text("history.no_power", offer=name, option=shown, kva=power_kva)
    return _Missing(reason, [], powers)
