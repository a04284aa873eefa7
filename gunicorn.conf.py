"""How Gunicorn runs OpenWatt: read by `gunicorn wsgi:app` from the folder it is started in."""

import atexit
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import gunicorn.util
import gunicorn.workers.base

from openwatt.bootstrap import hold_database, prepare_database, release_database
from openwatt.domain.errors import OpenWattError
from openwatt.reload import service
from openwatt.settings import SettingsError
from openwatt.telemetry.logs.gunicorn import GunicornLogger
from openwatt.telemetry.logs.handlers import log_stacks
from openwatt.telemetry.metrics import worker_slots
from openwatt.web.http.heartbeat import Heartbeat
from openwatt.web.http.problems import write_problem
from openwatt.web.http.worker import Worker

# Gunicorn's own way to say the sub-path answers 500 to whatever does not begin with it, probes too.
if script_name := os.environ.pop("SCRIPT_NAME", "").rstrip("/"):
    os.environ.setdefault("OPENWATT_SUB_PATH", script_name)

# This file is executed at the start and again at each HUP; what is in force is kept by `openwatt.reload`.
try:
    serving = service()
except SettingsError as error:
    sys.exit(f"OpenWatt cannot start: {error}")
except OSError as error:  # a data folder or a log file that cannot be written
    sys.exit(f"OpenWatt cannot start: it cannot use {error.filename}: {error.strerror}")

settings = serving.settings
bind = settings.bind
workers = settings.workers
threads = settings.threads
worker_class = "openwatt.web.http.worker.Worker"
Worker.trusted_proxies = settings.trusted_proxies
preload_app = True  # workers share what the master has imported
logger_class = GunicornLogger
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - Gunicorn makes a private file of its own in it
# The heartbeat of a worker must not wait for a disk.
_may_write = _SHARED_MEMORY.is_dir() and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK)
worker_tmp_dir = str(_SHARED_MEMORY) if _may_write else None
if worker_tmp_dir is None:
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        sys.exit(
            f"OpenWatt cannot start: neither {_SHARED_MEMORY} nor /tmp can be written to, where each worker "
            "needs a file: mount a tmpfs there, or let TMPDIR name a folder that the service may write to"
        )
control_socket_disable = True  # one path for every service of a user: two would meet there
# No client may name another SCRIPT_NAME or PATH_INFO, which could be a 500: see `web.sub_path` instead.
forwarder_headers = ""
keepalive = 15
graceful_timeout = 30

# Gunicorn has no setting for the form in which it answers requests that never reach the application.
gunicorn.util.write_error = write_problem
# Nor one for a heartbeat that needs no disk.
gunicorn.workers.base.WorkerTmp = Heartbeat

_logger = logging.getLogger("openwatt.gunicorn")


def on_starting(_server: Any) -> None:
    """Before the first worker: the database is up, migrated and filled, the metrics' files are in order."""
    # Not Gunicorn's on_exit: it is not called when the start fails, at a port that is taken for one.
    # In a forked worker it does nothing: only who holds the database releases it.
    atexit.register(release_database, settings)
    try:
        hold_database(settings)
        prepare_database(settings)
    except OpenWattError as error:
        sys.exit(f"OpenWatt cannot start: {error}")
    is_tcp = not settings.bind.startswith(("unix:", "fd:"))
    _logger.info("ready to serve", extra={"peer": f"http://{settings.bind}" if is_tcp else settings.bind})


def on_reload(server: Any) -> None:
    """Before the workers of a reload are started: they inherit the application of the new settings."""
    serving.install(server)


def pre_fork(server: Any, worker: Any) -> None:
    """A new worker takes the place of a dead one, and goes on with its counters."""
    worker_slots.pre_fork(server, worker)


def post_fork(_server: Any, worker: Any) -> None:
    """In the new worker."""
    worker_slots.post_fork(worker)
    serving.telemetry.announce_build()


def worker_exit(_server: Any, _worker: Any) -> None:
    """In a worker that ends: what waits to be sent is sent, or spooled."""
    serving.telemetry.close()


def child_exit(_server: Any, worker: Any) -> None:
    """A dead worker is doing nothing any more; what it did stays counted."""
    worker_slots.child_exit(worker)


def worker_abort(_worker: Any) -> None:
    """Gunicorn kills a worker that hangs: what each of its threads was doing is worth knowing."""
    log_stacks("a worker hangs and is ended")


def on_exit(_server: Any) -> None:
    """After the last worker: its live gauges are forgotten."""
    worker_slots.on_exit()
