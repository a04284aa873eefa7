"""A restart under a socket that somebody else holds open, as systemd does: requests wait, none is refused."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.chaos.running import PROGRAMS, REPOSITORY, Home, Service, wait_until

CLIENTS = 4
#: A start may take long on a busy machine: who waits for it is patient.
LONG_S = 100.0
#: What systemd does before it starts a program: the open socket is descriptor 3, and its pid is told.
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


#: A worker that is stopped before it has signal handlers of its own, as by a stop right after a start.
EARLY_STOP = """
import os, signal
from openwatt.server import gunicorn_settings
globals().update(gunicorn_settings())
_ours = post_fork
def post_fork(server, worker):
    _ours(server, worker)
    if worker.age == 1:
        os.kill(os.getpid(), signal.SIGTERM)
"""


class Handed(Service):
    """A service that is handed its open port."""

    def __init__(self, home: Home, listening: socket.socket, *options: str) -> None:
        self.home = home
        self.port = listening.getsockname()[1]
        self.log = home.folder / f"service-{self.port}.log"
        descriptor = listening.fileno()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    HAND_OVER,
                    str(descriptor),
                    str(PROGRAMS / "gunicorn"),
                    *options,
                    "wsgi:app",
                ],
                cwd=REPOSITORY,
                env=home.environment(OPENWATT_BIND=f"127.0.0.1:{self.port}"),
                pass_fds=(descriptor,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        home.services.append(self)


@contextmanager
def open_port() -> Iterator[socket.socket]:
    """A port that stays open however often the service is started anew."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        yield listening


def test_no_request_is_refused_while_the_service_is_started_anew(home: Home) -> None:
    statuses: list[int] = []
    told = threading.Event()
    with open_port() as listening, ThreadPoolExecutor(CLIENTS) as clients:
        first = Handed(home, listening).ready()

        def ask() -> None:
            while not told.is_set():
                statuses.append(first.get(timeout=LONG_S).status)

        asking = [clients.submit(ask) for _ in range(CLIENTS)]
        try:
            wait_until(lambda: len(statuses) >= CLIENTS)
            assert first.end(signal.SIGTERM) == 0, first.said()
            before = len(statuses)
            second = Handed(home, listening).ready()
            wait_until(lambda: len(statuses) >= before + CLIENTS, LONG_S)  # those who waited meanwhile
        finally:
            told.set()
        for each in asking:
            each.result(LONG_S)
        assert set(statuses) == {200}, second.said()
        assert second.end() == 0


def test_a_worker_that_is_stopped_while_it_starts_ends(home: Home) -> None:
    config = home.folder / "early_stop.py"
    config.write_text(EARLY_STOP)
    with open_port() as listening:
        service = Handed(home, listening, "--config", str(config)).ready()
        wait_until(lambda: "Worker exiting" in service.said())
        wait_until(lambda: service.said().count("Booting worker") == 3, LONG_S)
        assert service.answers()
        assert service.end() == 0
