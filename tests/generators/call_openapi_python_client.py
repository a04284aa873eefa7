"""Makes four calls with the client that openapi-python-client generates; prints what came as JSON."""

import datetime as dt
import json
import sys

from generated_client import Client  # type: ignore[import-not-found]  # made by the test
from generated_client.api.bills import compare_kwh  # type: ignore[import-not-found]
from generated_client.api.prices import price_now, prices  # type: ignore[import-not-found]
from generated_client.api.tariffs import tariffs  # type: ignore[import-not-found]
from generated_client.models import Option, PriceBasis  # type: ignore[import-not-found]

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
day, next_day = dt.date(2026, 1, 5), dt.date(2026, 1, 6)
hphc = {"client": client, "option": Option.HPHC, "power_kva": 6}
listed = tariffs.sync(supplier="EDF", on=day, include_stale=True, **hphc)
compared = compare_kwh.sync(
    client=client, kwh=5000, power_kva=6, prices=PriceBasis.NOW, include_outdated=False, details=False
)
over_time = prices.sync(off_peak_hours=["22:30-06:30"], from_=day, to=next_day, **hphc)
now = price_now.sync(client=client, option=Option.BASE, power_kva=6)
refused = tariffs.sync(client=client, cursor="none of ours")
json.dump(
    {
        "tariffs": [one.option.value for one in listed.tariffs],
        "bills": [compared.span.start.isoformat(), len(compared.ranking), compared.ranking[0].option.value],
        "prices": [one.register.value for one in over_time.prices],
        "price_now": [now.contract.offer, now.register.value, now.at.utcoffset() is not None],
        "problem": [refused.status, refused.faults[0].code],
    },
    sys.stdout,
)
