"""The tariffs of a day, each with how far it can be trusted now."""

import datetime as dt
from collections.abc import Iterator

from openwatt.comparison.source_incidents import incident_of_offer
from openwatt.domain.freshness import DataStatus, data_status
from openwatt.store.tariffs import PublishedTariff
from openwatt.web.http.app_state import app_state
from openwatt.web.pages.rendering import now


def judged_tariffs(on: dt.date, power_kva: int | None = None) -> Iterator[tuple[PublishedTariff, DataStatus]]:
    """The tariff of every contract on a day, or of those at one power, with its status."""
    incidents, changes, at = app_state().source_incidents.current(), app_state().market.change_days, now()
    for one in app_state().market.tariffs_on(on):
        if power_kva in {None, one.power_kva}:
            seen_at, incident = one.last_seen_at, incident_of_offer(one, incidents)
            yield (
                one,
                data_status(one, on=on, last_seen_at=seen_at, now=at, incident=incident, changes=changes),
            )
