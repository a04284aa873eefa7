"""create_app: the one place where the parts of the web service meet."""

import datetime as dt

# Werkzeug asks for this codec at each request. Two threads that are the first to ask at once may find
# it half imported, and Python then remembers that there is none: each answer of the process is a 500.
import encodings.idna  # noqa: F401 - imported for its effect
from collections.abc import Callable
from pathlib import Path

from flask import Flask, got_request_exception

from openwatt.bootstrap import database_environment, locate_database
from openwatt.catalogue.calendars import shipped_calendars
from openwatt.catalogue.market import shipped_words
from openwatt.catalogue.shipped_facts import (
    shipped_change_days,
    shipped_documents,
    shipped_duties,
    shipped_offer_terms,
)
from openwatt.catalogue.source_names import declared_sources
from openwatt.comparison.market import StoredMarket
from openwatt.comparison.source_incidents import SourceIncidents
from openwatt.observability import PRIVATE_ENDPOINTS, PROBE_ENDPOINTS, collectors, telemetry_config
from openwatt.open_data.stored_package import StoredPackage
from openwatt.sentences.catalogue import CODES, texts
from openwatt.sentences.recorded import recorded_patterns
from openwatt.settings import Settings, read_settings, read_sub_path
from openwatt.store.database import Database
from openwatt.store.migrate import newest_schema
from openwatt.store.sql import read_statements
from openwatt.telemetry.context import record_query
from openwatt.telemetry.metrics.exporter import Exporter
from openwatt.telemetry.start import Telemetry, running_telemetry
from openwatt.web.api.admin import ADMIN_LIMIT, Admin, admin
from openwatt.web.api.bills import bills
from openwatt.web.api.command_runs import Commands
from openwatt.web.api.drills import drills
from openwatt.web.api.explanations import explanations
from openwatt.web.api.probes import probes
from openwatt.web.api.v1 import api
from openwatt.web.http.app_state import AppState
from openwatt.web.http.bearer import Bearer
from openwatt.web.http.bodies import Request
from openwatt.web.http.cache_middleware import ResponseCacheMiddleware
from openwatt.web.http.data_version import DataHorizon, DataVersion
from openwatt.web.http.lifecycle import RequestLifecycle
from openwatt.web.http.no_sessions import NoSessions
from openwatt.web.http.openapi import examples
from openwatt.web.http.problems import register_problems
from openwatt.web.http.rate_limits import RateLimits
from openwatt.web.http.response_cache import ResponseCache
from openwatt.web.http.static_files import StaticFiles
from openwatt.web.http.sub_path import SubPath
from openwatt.web.http.uploads import return_large_blocks, upload_slots
from openwatt.web.pages.home import home
from openwatt.web.pages.rendering import problem_page
from openwatt.web.pages.routes import pages

#: A question is in its address; only a customer's file needs more (`web.bodies`).
LONGEST_BODY_BYTES = 64 * 1024


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def read_ahead(app: Flask) -> None:
    """Reads what requests need of this package's files, before the first one.

    Code that is replaced in its folder is then served as a whole: the old until the last request of
    the old workers, and none with a statement or a template of the new.
    """
    read_statements()
    newest_schema()
    shipped_duties()
    shipped_change_days()
    shipped_words()
    shipped_offer_terms()
    shipped_documents()
    shipped_calendars()
    for code in CODES:
        texts(code)
    StaticFiles.of(app).compress()
    recorded_patterns()
    examples()
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)


def create_app(
    settings: Settings | None = None,
    *,
    clock: Callable[[], dt.datetime] = _now,
    telemetry: Telemetry | None = None,
) -> Flask:
    """The WSGI application. It opens nothing: the database is reached at the first request that needs it.

    `telemetry` is what tells about it: by default what gunicorn.conf.py has started
    in this process, else one of its own.

    Raises:
        SettingsError: when the environment's settings cannot be used.
    """
    settings = settings or read_settings()
    telemetry = telemetry or running_telemetry() or Telemetry(telemetry_config(settings, multiprocess=False))
    app = Flask("openwatt.web.pages", static_folder=None)
    StaticFiles(Path(app.root_path) / "static").init_app(app)
    app.request_class = Request
    app.session_interface = NoSessions()
    upload_slots.allow(threads=settings.threads)
    return_large_blocks()
    app.config.update(
        MAX_CONTENT_LENGTH=LONGEST_BODY_BYTES,
        REVISION=settings.revision,
        SECURITY_CONTACT=settings.security_contact,
        SECURITY_EXPIRES=settings.security_expires,
        SOURCES=declared_sources(),
        TRUSTED_PROXIES=settings.trusted_proxies,
    )
    database = Database(locate_database(settings), most_connections=settings.threads, on_query=record_query)
    data_version = DataVersion(database)
    state = AppState(
        database=database,
        clock=clock,
        metrics=telemetry.metrics,
        data_version=data_version,
        horizon=DataHorizon(database, data_version.current),
        response_cache=ResponseCache(),
        market=StoredMarket(database, data_version.current),
        source_incidents=SourceIncidents(database, data_version.current, declared_sources()),
        package=StoredPackage(database, data_version.current, shipped_change_days),
        offer_terms=shipped_offer_terms(),
        documents=shipped_documents(),
    )
    state.init_app(app)
    limits = RateLimits(
        telemetry.metrics,
        default=settings.limit_pages,
        redis_url=settings.redis_url,
        workers=settings.workers,
    )
    for blueprint, limit in (
        (api, settings.limit_api),
        (bills, settings.limit_bills),
        (explanations, settings.limit_bills),
        (home, settings.limit_bills),
        (admin, ADMIN_LIMIT),
    ):
        limits.shared_limit(limit, scope=blueprint.name)(blueprint)
    limits.exempt(probes)  # what watches the service is never refused
    lifecycle = RequestLifecycle(
        telemetry.metrics,
        limits,
        telemetry.reports,
        trusted_proxies=settings.trusted_proxies,
        quiet_endpoints=PROBE_ENDPOINTS,
        private_endpoints=PRIVATE_ENDPOINTS,
        report_state=state.report,
    )
    lifecycle.init_app(app)  # its hooks come first, so that every response, a 429 too, has its id and record
    register_problems(app, problem_page)
    for part in (api, bills, explanations, home, probes, pages):
        app.register_blueprint(part)
    if settings.admin_token is not None:
        commands = Commands(lambda: database_environment(settings))
        app.extensions["openwatt.admin"] = Admin(
            Bearer.of(settings.admin_token), commands, declared_sources()
        )
        app.register_blueprint(admin)
    if settings.drill_token is not None:
        app.register_blueprint(drills(Bearer.of(settings.drill_token)))
    Exporter(app, telemetry.metrics.exposition(collectors(settings, database)))
    limits.exempt(app.view_functions["prometheus_metrics"])
    app.wsgi_app = ResponseCacheMiddleware(app, state, lifecycle)  # type: ignore[method-assign]  # Flask's own advice
    if telemetry.reports is not None:
        got_request_exception.connect(telemetry.reports.report_exception, app)
        app.wsgi_app = telemetry.reports.traced(app.wsgi_app)  # type: ignore[method-assign]  # Flask's own advice
    if settings.sub_path or settings.trusted_proxies:
        app.wsgi_app = SubPath(  # type: ignore[method-assign]  # Flask's own advice
            app.wsgi_app, fixed=settings.sub_path, read=read_sub_path
        )
    return app
