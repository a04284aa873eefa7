"""`/v1/suppliers` and `/v1/offers`: what is sold, and by whom."""

from openwatt.representations.tariffs import (
    OfferItem,
    OfferPage,
    OfferTermsItem,
    SupplierItem,
    SupplierPage,
)
from openwatt.store.offers import StoredOffer, stored_offers, stored_suppliers
from openwatt.web.api.tariff_params import SUPPLIER
from openwatt.web.http.app_state import app_state
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.responses import Collection
from openwatt.web.http.views import cached_view


@cached_view(page=SupplierPage, row=SupplierItem)
def suppliers(_params: RequestParams) -> Collection:
    """Suppliers.

    Every supplier whose tariffs are known.
    """
    items = [
        SupplierItem(name=found.name, offers=found.offers, contracts=found.contracts)
        for found in stored_suppliers(app_state().database)
    ]
    return Collection(SupplierPage(suppliers=items), items, SupplierItem)


@cached_view(SUPPLIER, page=OfferPage, row=OfferItem)
def offers(params: RequestParams) -> Collection:
    """Offers.

    Every offer, with the options and subscribed powers under which it is sold, and what it
    promises beside its prices; of an offer without a known price, why.
    """
    items = [
        OfferItem(
            supplier=found.supplier,
            name=found.name,
            regulated=found.regulated,
            url=found.url,
            options=found.options,
            powers_kva=found.powers_kva,
            no_price=found.no_price,
            terms=_terms(found),
        )
        for found in stored_offers(app_state().database, params.get(SUPPLIER))
    ]
    return Collection(OfferPage(offers=items), items, OfferItem)


def _terms(offer: StoredOffer) -> OfferTermsItem | None:
    terms = app_state().offer_terms.get((offer.supplier, offer.name))
    if terms is None:
        return None
    return OfferTermsItem.of(terms, [app_state().documents[one] for one in terms.sources])
