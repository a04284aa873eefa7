"""create_app: the one place where the parts of the web service meet."""

import datetime as dt
from collections.abc import Callable

from flask import Flask, Response

from openwatt.prepare import locate_database
from openwatt.settings import Settings, read_settings
from openwatt.store.database import Database
from openwatt.web.answers import Answers
from openwatt.web.api import api
from openwatt.web.pages import pages
from openwatt.web.probes import probes
from openwatt.web.problems import register_problems

#: A question is asked by its address; no body is needed for one.
LONGEST_BODY_BYTES = 64 * 1024


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def create_app(settings: Settings | None = None, *, clock: Callable[[], dt.datetime] = _now) -> Flask:
    """The WSGI application. It opens nothing: the database is reached at the first request that needs it.

    Raises:
        SettingsError: when the environment's settings cannot be used.
    """
    settings = settings or read_settings()
    app = Flask("openwatt.web", static_url_path="/static")
    app.config.update(MAX_CONTENT_LENGTH=LONGEST_BODY_BYTES, REVISION=settings.revision)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    database = Database(locate_database(settings), most_connections=settings.threads)
    app.extensions["openwatt.answers"] = Answers(database, clock)
    register_problems(app)
    for part in (api, probes, pages):
        app.register_blueprint(part)

    @app.after_request
    def _guard_browser(response: Response) -> Response:
        # No view sets the first two; looking for them first would cost more than adding them.
        response.headers.add("X-Content-Type-Options", "nosniff")
        response.headers.add("Referrer-Policy", "no-referrer")
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        return response

    return app
