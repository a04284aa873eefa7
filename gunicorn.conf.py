"""How Gunicorn runs OpenWatt: read by `gunicorn wsgi:app` from the folder it is started in."""

import atexit
import sys
from pathlib import Path
from typing import Any

import gunicorn.util

from openwatt.domain.errors import OpenWattError
from openwatt.prepare import hold_database, prepare_database, release_database
from openwatt.settings import SettingsError, read_settings
from openwatt.web.problems import write_problem

try:
    settings = read_settings()
except SettingsError as error:
    sys.exit(f"OpenWatt cannot start: {error}")

bind = settings.bind
workers = settings.workers
threads = settings.threads
worker_class = "openwatt.web.worker.Worker"
preload_app = True  # workers share what the master has imported
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - Gunicorn makes a private file of its own in it
worker_tmp_dir = (
    str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None
)  # a heartbeat must not wait for a disk
control_socket_disable = True  # one path for every service of a user: two would meet there
forwarded_allow_ips = "127.0.0.1"
forwarder_headers = ""  # no client may name another root for the service: that would be a 500
keepalive = 15
graceful_timeout = 30

# Gunicorn has no setting for the form in which it answers requests that never reach the application.
gunicorn.util.write_error = write_problem


def on_starting(server: Any) -> None:
    """Before the first worker: the database is up, migrated and filled."""
    # Not Gunicorn's on_exit: it is not called when the start fails, at a port that is taken for one.
    # In a forked worker it does nothing: only who holds the database releases it.
    atexit.register(release_database, settings)
    try:
        hold_database(settings)
        prepare_database(settings)
    except OpenWattError as error:
        sys.exit(f"OpenWatt cannot start: {error}")
    server.log.info("OpenWatt is ready to serve at http://%s", settings.bind)
