"""The status page: whether the service works, how fresh its data are, and where they come from."""

from collections import Counter
from typing import Any

from flask import Response, current_app

from openwatt import __version__
from openwatt.domain.freshness import DataStatus
from openwatt.store.database import Database
from openwatt.store.documents import documents_seen
from openwatt.store.errors import DatabaseUnavailableError, SchemaError
from openwatt.store.migrate import check_schema
from openwatt.store.tempo import tempo_known_to
from openwatt.web.api.ingest_health import ingest_health
from openwatt.web.http.app_state import app_state
from openwatt.web.pages.judged_tariffs import judged_tariffs
from openwatt.web.pages.rendering import now, show, today

_STATUSES: tuple[DataStatus, ...] = ("fresh", "verifying", "stale", "broken")


def status_page() -> Response:
    """What everybody may know about the service. It answers without a database too, and says so."""
    service = {"version": __version__, "revision": current_app.config["REVISION"], "at": now()}
    database = app_state().database
    try:
        schema = database.read_number("schema/number")
        check_schema(schema)
        data_version = database.read_number("database/data_version")
        data = _data(database)
    except (DatabaseUnavailableError, SchemaError):
        response = show(
            "status.html", status=503, keep=False, away=True, schema=None, data_version=None, **service
        )
        response.headers["Retry-After"] = "2"
        return response
    return show(
        "status.html", keep=False, away=False, schema=schema, data_version=data_version, **data, **service
    )


def _data(database: Database) -> dict[str, Any]:
    """What the page shows of the data."""
    on = today()
    counted = Counter(status for _, status in judged_tariffs(on))
    return {
        "on": on,
        "contracts": counted.total(),
        "counts": {status: counted[status] for status in _STATUSES},
        "documents": documents_seen(database),
        "tempo_known_to": tempo_known_to(database),
        "ingest": ingest_health(database, current_app.config["SOURCES"], now()),
    }
