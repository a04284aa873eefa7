"""Makes four calls and reads each answer with the models that datamodel-code-generator generates."""

import json
import sys
from decimal import Decimal
from typing import Any

import httpx
from generated_models import (  # type: ignore[import-not-found]  # made by the test
    BillsPage,
    PriceNow,
    PricePage,
    Problem,
    TariffPage,
)

client = httpx.Client(base_url=sys.argv[1], headers={"Accept": "application/json"})


def read(model: Any, address: str, **query: object) -> Any:
    """An answer as its model; pydantic refuses what is not as the contract says."""
    return model.model_validate_json(client.get(address, params=query).content)  # type: ignore[arg-type]


hphc = {"option": "HPHC", "power_kva": 6}
listed = read(TariffPage, "/v1/tariffs", supplier="EDF", on="2026-01-05", **hphc)
compared = read(BillsPage, "/v1/bills", kwh=5000, power_kva=6)
span = {"off_peak_hours": "22:30-06:30", "from": "2026-01-05", "to": "2026-01-06"}
over_time = read(PricePage, "/v1/prices", **hphc, **span)
now = read(PriceNow, "/v1/prices/now", option="BASE", power_kva=6)
refused = read(Problem, "/v1/tariffs", cursor="none of ours")
assert isinstance(over_time.prices[0].price_eur_per_kwh_ttc, Decimal)
json.dump(
    {
        "tariffs": [one.option.value for one in listed.tariffs],
        "bills": [compared.span.start.isoformat(), len(compared.ranking), compared.ranking[0].option.value],
        "prices": [one.register_.value for one in over_time.prices],
        "price_now": [now.contract.offer, now.register_.value, now.at.utcoffset() is not None],
        "problem": [refused.status, refused.faults[0].code],
    },
    sys.stdout,
)
