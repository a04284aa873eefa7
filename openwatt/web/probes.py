"""Is it alive, is it ready, which code is it: what load balancers and operators ask."""

from flask import Blueprint, current_app

from openwatt import __version__
from openwatt.store.migrate import check_schema, newest_schema
from openwatt.web.answers import answers, asked_anew
from openwatt.web.items import Health, Readiness, Version

probes = Blueprint("probes", __name__)


@probes.get("/health")
@asked_anew(page=Health)
def health() -> Health:
    """Alive.

    The process answers. The database is not asked: restarting a service does not mend its database.
    """
    return Health(status="alive")


@probes.get("/health/ready")
@asked_anew(page=Readiness, problems=(503,))
def ready() -> Readiness:
    """Ready.

    The database answers and has the schema of this code; 503 until then.
    """
    database = answers().database
    schema = database.read_number("schema_number")
    check_schema(schema)
    data_version = database.read_number("data_version")
    return Readiness(status="ready", schema=schema, data_version=data_version)


@probes.get("/version")
@asked_anew(page=Version)
def version() -> Version:
    """Version.

    Which code answers.
    """
    return Version(version=__version__, revision=current_app.config["REVISION"], schema=newest_schema())
