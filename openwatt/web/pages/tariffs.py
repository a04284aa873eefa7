"""The page of tariffs: those of a day, filtered, a page at a time."""

from urllib.parse import urlencode

from flask import Response

from openwatt.representations.tariffs import TariffItem
from openwatt.store.offers import stored_offers
from openwatt.store.tariffs import TariffFilter, cursor_after, tariffs_on
from openwatt.web.api.tariff_params import CURSOR, ON, OPTION, POWER_KVA, SUPPLIER, cursor_text
from openwatt.web.http.app_state import app_state
from openwatt.web.http.params import MOST_ROWS
from openwatt.web.http.sub_path import address
from openwatt.web.pages.rendering import link, now, option_choices, power_choices, read_form, show, today

_ROWS_OF_A_PAGE = 40


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
        incidents, changes = app_state().source_incidents.current(), app_state().market.change_days
        items = [
            TariffItem.of(one, on=on, now=now(), changes=changes, incidents=incidents)
            for one in found[:_ROWS_OF_A_PAGE]
        ]
        if len(found) > _ROWS_OF_A_PAGE:
            cursor = cursor_text(cursor_after(found[_ROWS_OF_A_PAGE - 1]))
            following = link("/tariffs", **chosen, cursor=cursor)
    return show(
        "tariffs.html",
        status=400 if form.faults else 200,
        named={name: chosen[name] for name in (SUPPLIER.name, OPTION.name) if name in chosen},
        form=form,
        on=on,
        items=items,
        following=following,
        first=link("/tariffs", **chosen),
        download=f"{address('/v1/tariffs')}?{urlencode(chosen | {'on': on, 'limit': MOST_ROWS})}",
        suppliers=[(name, name) for name in sorted({offer.supplier for offer in offers}, key=str.casefold)],
        options=option_choices(offers),
        powers=power_choices(offers),
        without_price=[
            offer
            for offer in offers
            if offer.no_price and form.get(SUPPLIER, offer.supplier).casefold() == offer.supplier.casefold()
        ],
    )
