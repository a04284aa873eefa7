"""Version 1 of the API: the route of each resource that everybody may read."""

from flask import Blueprint

from openwatt.web.api.calendars import ejp_calendar, tariff_changes_calendar, tempo_calendar
from openwatt.web.api.guards import guards_trve_diff
from openwatt.web.api.ingest_health import health_ingest
from openwatt.web.api.offers import offers, suppliers
from openwatt.web.api.open_data import (
    package_archive,
    package_descriptor,
    package_tariffs_csv,
    package_tariffs_jsonl,
    package_tempo_days_csv,
    package_tempo_days_jsonl,
)
from openwatt.web.api.prices import price_now, prices
from openwatt.web.api.tariffs import history, tariffs
from openwatt.web.api.tempo import tempo, tempo_season, tempo_today, tempo_tomorrow

api = Blueprint("api", __name__, url_prefix="/v1")

for _path, _view in (
    ("/tariffs", tariffs),
    ("/tariffs/history", history),
    ("/suppliers", suppliers),
    ("/offers", offers),
    ("/prices", prices),
    ("/prices/now", price_now),
    ("/tempo", tempo),
    ("/tempo/today", tempo_today),
    ("/tempo/tomorrow", tempo_tomorrow),
    ("/tempo/season", tempo_season),
    ("/tempo.ics", tempo_calendar),
    ("/ejp.ics", ejp_calendar),
    ("/tariff-changes.ics", tariff_changes_calendar),
    ("/guards/trve-diff", guards_trve_diff),
    ("/health/ingest", health_ingest),
    ("/package.zip", package_archive),
    ("/package/datapackage.json", package_descriptor),
    ("/package/tariffs.csv", package_tariffs_csv),
    ("/package/tariffs.jsonl", package_tariffs_jsonl),
    ("/package/tempo_days.csv", package_tempo_days_csv),
    ("/package/tempo_days.jsonl", package_tempo_days_jsonl),
):
    api.add_url_rule(_path, view_func=_view)
