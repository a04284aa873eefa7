"""How Gunicorn runs OpenWatt: read by `gunicorn wsgi:app` from the folder it is started in."""

from pathlib import Path
from typing import Any

import gunicorn.util

from openwatt.prepare import hold_database, prepare_database, release_database
from openwatt.settings import read_settings
from openwatt.web.problems import write_problem

settings = read_settings()

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
    hold_database(settings)
    prepare_database(settings)
    server.log.info("OpenWatt is ready to serve at http://%s", settings.bind)


def on_exit(server: Any) -> None:  # noqa: ARG001  # Gunicorn's signature
    """After the last worker: the embedded database stops, unless others use it."""
    release_database(settings)
