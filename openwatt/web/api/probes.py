"""Is it alive, is it ready, which code is it: what load balancers and operators ask.

A worker answers by itself, in a thread that no other request can take (`web.worker`): it knows whether its
other threads serve, and no client can keep it from saying so.
"""

from flask import Blueprint, current_app
from werkzeug.exceptions import ServiceUnavailable

from openwatt import __version__
from openwatt.domain.messages import Message
from openwatt.representations.tariffs import Health, Readiness, Version
from openwatt.store.migrate import check_schema, newest_schema
from openwatt.web.http.app_state import app_state
from openwatt.web.http.http_errors import detailed
from openwatt.web.http.views import uncached_view
from openwatt.web.http.worker import Worker

probes = Blueprint("probes", __name__)


def _check_threads() -> None:
    """Raises while none of this worker's threads becomes free: it lives, and serves no request."""
    if Worker.running is not None and Worker.running.is_stuck():
        raise detailed(ServiceUnavailable(), Message("problem.no_thread"))


@probes.get("/health")
@uncached_view(page=Health, problems=(503,))
def health() -> Health:
    """Alive.

    The process answers and its threads serve; 503 when all of them hang. The database is not queried:
    restarting a service does not fix its database.
    """
    _check_threads()
    return Health(status="alive")


@probes.get("/health/ready")
@uncached_view(page=Readiness, problems=(503,))
def ready() -> Readiness:
    """Ready.

    The threads serve, the database answers and has the schema of this code; 503 until then.
    """
    _check_threads()
    database = app_state().database
    schema = database.read_number("schema/number")
    check_schema(schema)
    data_version = database.read_number("database/data_version")
    return Readiness(status="ready", schema=schema, data_version=data_version)


@probes.get("/version")
@uncached_view(page=Version)
def version() -> Version:
    """Version.

    Which code answers.
    """
    return Version(version=__version__, revision=current_app.config["REVISION"], schema=newest_schema())
