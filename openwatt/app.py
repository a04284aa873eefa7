"""create_app: the one place where the parts of the web service meet."""

import datetime as dt
from collections.abc import Callable

from flask import Flask, Response, got_request_exception

from openwatt.prepare import locate_database
from openwatt.settings import Settings, read_settings
from openwatt.store.database import Database
from openwatt.telemetry.context import record_query
from openwatt.telemetry.exporter import Exporter
from openwatt.watch import PROBE_ENDPOINTS, Watch, ingest_collector, watch
from openwatt.web.access import register_access
from openwatt.web.answers import Answers
from openwatt.web.api import api
from openwatt.web.limits import Limits
from openwatt.web.pages import pages
from openwatt.web.probes import probes
from openwatt.web.problems import register_problems

#: A question is asked by its address; no body is needed for one.
LONGEST_BODY_BYTES = 64 * 1024


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def create_app(
    settings: Settings | None = None,
    *,
    clock: Callable[[], dt.datetime] = _now,
    watched: Watch | None = None,
) -> Flask:
    """The WSGI application. It opens nothing: the database is reached at the first request that needs it.

    `watched` is what it is watched with; made from the settings when left out.

    Raises:
        SettingsError: when the environment's settings cannot be used.
    """
    settings = settings or read_settings()
    watched = watched or watch(settings)
    app = Flask("openwatt.web", static_url_path="/static")
    app.config.update(MAX_CONTENT_LENGTH=LONGEST_BODY_BYTES, REVISION=settings.revision)
    database = Database(locate_database(settings), most_connections=settings.threads, on_query=record_query)
    app.extensions["openwatt.answers"] = Answers(database, clock, watched.metrics)
    # The hooks of access come first, so that every answer, a refusal too, has its id, record and metrics.
    register_access(
        app,
        watched.metrics,
        Limits(
            {"api": settings.limit_api, "pages": settings.limit_pages},
            watched.metrics,
            redis_url=settings.redis_url,
            workers=settings.workers,
        ),
        watched.reports,
        trusted_proxies=settings.trusted_proxies,
        quiet_endpoints=PROBE_ENDPOINTS,
        pool_statistics=database.statistics,
    )
    register_problems(app)
    for part in (api, probes, pages):
        app.register_blueprint(part)
    Exporter(app, watched.metrics.exposition([ingest_collector(database)]))
    if watched.reports is not None:
        got_request_exception.connect(watched.reports.report_exception, app)
        app.wsgi_app = watched.reports.traced(app.wsgi_app)  # type: ignore[method-assign]  # Flask's own advice

    @app.after_request
    def _guard_browser(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        return response

    return app
