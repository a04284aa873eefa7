"""How Gunicorn runs OpenWatt: for `openwatt serve`, and for gunicorn.conf.py of a checkout."""

import atexit
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import gunicorn.util
import gunicorn.workers.base
from gunicorn.app.base import BaseApplication

from openwatt.app import create_app, read_ahead
from openwatt.bootstrap import hold_database, prepare_database, release_database
from openwatt.domain.errors import OpenWattError
from openwatt.reload import Service, service
from openwatt.settings import SettingsError
from openwatt.telemetry.logs.gunicorn import GunicornLogger
from openwatt.telemetry.logs.threads import log_stacks
from openwatt.telemetry.metrics import worker_slots
from openwatt.web.http.heartbeat import Heartbeat
from openwatt.web.http.problems import write_problem
from openwatt.web.http.worker import Worker

#: Seconds that a worker may take to end its requests when it is stopped or replaced.
GRACEFUL_TIMEOUT_S = 30
KEEPALIVE_S = 15
_STOPS = frozenset({signal.SIGTERM, signal.SIGQUIT, signal.SIGINT})
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - Gunicorn makes a private file of its own in it

_logger = logging.getLogger("openwatt.gunicorn")


def gunicorn_settings() -> dict[str, Any]:
    """Gunicorn's settings and hooks by their names.

    Called at the start and again at each HUP, where `openwatt.reload` decides what is in force.
    Ends the process with a sentence where the service cannot start.
    """
    # Gunicorn's own way to say the sub-path answers 500 to whatever does not begin with it, probes too.
    if script_name := os.environ.pop("SCRIPT_NAME", "").rstrip("/"):
        os.environ.setdefault("OPENWATT_SUB_PATH", script_name)
    try:
        serving = service()
    except SettingsError as error:
        sys.exit(f"OpenWatt cannot start: {error}")
    except OSError as error:  # a data folder or a log file that cannot be written
        sys.exit(f"OpenWatt cannot start: it cannot use {error.filename}: {error.strerror}")
    settings = serving.settings
    Worker.trusted_proxies = settings.trusted_proxies
    # Gunicorn has no setting for the form in which it answers requests that never reach the application.
    gunicorn.util.write_error = write_problem
    # Nor one for a heartbeat that needs no disk.
    gunicorn.workers.base.WorkerTmp = Heartbeat
    hooks = _Hooks(serving)
    return {
        "bind": settings.bind,
        "workers": settings.workers,
        "threads": settings.threads,
        "worker_class": f"{Worker.__module__}.{Worker.__qualname__}",
        "worker_tmp_dir": _worker_folder(),
        "preload_app": True,  # workers share what the master has imported
        "logger_class": GunicornLogger,
        "control_socket_disable": True,  # one path for every service of a user: two would meet there
        # No client may name another SCRIPT_NAME or PATH_INFO, which could be a 500: see `web.http.sub_path`.
        "forwarder_headers": "",
        "keepalive": KEEPALIVE_S,
        "graceful_timeout": GRACEFUL_TIMEOUT_S,
    } | {name: getattr(hooks, name) for name in vars(_Hooks) if not name.startswith("_")}


def _worker_folder() -> str | None:
    """The folder for the heartbeats of workers, which must not wait for a disk; None for the default."""
    if _SHARED_MEMORY.is_dir() and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK):
        return str(_SHARED_MEMORY)
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        sys.exit(
            f"OpenWatt cannot start: neither {_SHARED_MEMORY} nor /tmp can be written to, where each worker "
            "needs a file: mount a tmpfs there, or let TMPDIR name a folder that the service may write to"
        )
    return None


class _Hooks:
    """What Gunicorn calls in the life of the service: each method is the hook of its name."""

    def __init__(self, serving: Service) -> None:
        self._serving = serving
        self._early_signals: SimpleQueue[int] = SimpleQueue()

    def on_starting(self, _server: Any) -> None:
        """Before the first worker: the database is up, migrated and filled."""
        settings = self._serving.settings
        # Not Gunicorn's on_exit: it is not called when the start fails, at a port that is taken for one.
        # In a forked worker it does nothing: only who holds the database releases it.
        atexit.register(release_database, settings)
        try:
            hold_database(settings)
            prepare_database(settings)
        except OpenWattError as error:
            sys.exit(f"OpenWatt cannot start: {error}")
        is_tcp = not settings.bind.startswith(("unix:", "fd:"))
        peer = f"http://{settings.bind}" if is_tcp else settings.bind
        _logger.info("ready to serve", extra={"peer": peer})

    def when_ready(self, server: Any) -> None:
        """Before the first worker: all of them inherit what the application needs of its files."""
        read_ahead(server.app.wsgi())

    def on_reload(self, server: Any) -> None:
        """Before the workers of a reload are started: they inherit the application of the new settings."""
        self._serving.install(server)
        read_ahead(server.app.wsgi())

    def pre_fork(self, server: Any, worker: Any) -> None:
        """A new worker takes the place of a dead one, and goes on with its counters."""
        worker_slots.pre_fork(server, worker)

    def post_fork(self, server: Any, worker: Any) -> None:
        """In the new worker."""
        self._early_signals = server.SIG_QUEUE
        worker_slots.post_fork(worker)
        self._serving.telemetry.announce_build()

    def post_worker_init(self, worker: Any) -> None:
        """In the new worker, which has signal handlers of its own now.

        Until then it had those of the master, which put a signal into its copy of the master's queue: a
        stop of this moment would be lost, and the worker killed with its requests 30 s later.
        """
        while not self._early_signals.empty():
            if self._early_signals.get() in _STOPS:
                worker.alive = False

    def worker_exit(self, _server: Any, _worker: Any) -> None:
        """In a worker that ends: what waits to be sent is sent, or spooled."""
        self._serving.telemetry.close()

    def child_exit(self, _server: Any, worker: Any) -> None:
        """A dead worker is doing nothing any more; what it did stays counted."""
        worker_slots.child_exit(worker)

    def worker_abort(self, _worker: Any) -> None:
        """Gunicorn kills a worker that hangs: what each of its threads was doing is worth knowing."""
        log_stacks("a worker hangs and is ended")

    def on_exit(self, _server: Any) -> None:
        """After the last worker: its live gauges are forgotten."""
        worker_slots.on_exit()


class Server(BaseApplication):  # type: ignore[misc]  # Gunicorn ships no types
    """The service as an application of Gunicorn's: it needs no file of a checkout. `run` serves."""

    def load_config(self) -> None:
        """Sets Gunicorn's settings, at the start and at each HUP."""
        for name, value in gunicorn_settings().items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The WSGI application."""
        return create_app()
