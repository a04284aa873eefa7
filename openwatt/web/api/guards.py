"""`/v1/guards`: market offers beside the regulated tariff."""

from functools import partial

from openwatt.domain.guards import guard
from openwatt.representations.tariffs import GuardItem, GuardPage
from openwatt.store.tariffs import TariffFilter, cursor_after, tariffs_on
from openwatt.web.api.tariff_params import CURSOR, ON, OPTION, POWER_KVA, cursor_text, horizon_of
from openwatt.web.http.app_state import app_state
from openwatt.web.http.params import LIMIT, MOST_ROWS, USUAL_ROWS
from openwatt.web.http.request_params import RequestParams
from openwatt.web.http.responses import Collection
from openwatt.web.http.views import cached_view


@cached_view(ON, OPTION, POWER_KVA, LIMIT, CURSOR, page=GuardPage, row=GuardItem)
def guards_trve_diff(params: RequestParams) -> Collection:
    """Offers beside the regulated tariff.

    Each market offer in force on a day beside the regulated tariff of the same
    option and subscribed power: the difference of the subscription and of each
    register, in EUR and per cent. A figure more than 50 % away is an `alert`.
    """
    on = params.get(ON) or params.today
    limit = params.get(LIMIT, USUAL_ROWS)
    database = app_state().database
    wanted = TariffFilter(option=params.get(OPTION), power_kva=params.get(POWER_KVA))
    horizon = horizon_of(params)
    in_force = partial(tariffs_on, database, on=on, in_force=True, horizon=horizon)
    references = in_force(wanted._replace(regulated=True), limit=MOST_ROWS)
    regulated = {(one.option, one.power_kva): one.tariff for one in references}
    found = in_force(wanted._replace(regulated=False), after=params.get(CURSOR), limit=limit + 1)
    items = [
        GuardItem.of(
            published, guard(published.tariff, regulated.get((published.option, published.power_kva)))
        )
        for published in found[:limit]
    ]
    following = None
    if len(found) > limit:
        following = params.address(on=on, cursor=cursor_text(cursor_after(found[limit - 1], horizon=horizon)))
    alerts = sum(item.verdict == "alert" for item in items)
    app_state().metrics.guard_alerts.labels("trve-diff").inc(alerts)
    return Collection(
        GuardPage(guards=items, on=on, alerts=alerts, next=following), items, GuardItem, following
    )
