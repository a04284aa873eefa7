"""The real service, started as a user starts it, and what can be asked of it and of its processes."""

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import psutil

from tests.background import Threads

T = TypeVar("T")

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
#: Long enough for any machine; a test that passes never waits for it.
PATIENCE_S = 40.0
ONE_TARIFF = "/v1/tariffs?supplier=EDF&option=BASE&power_kva=6&on=2025-09-01"


def wait_until(asked: Callable[[], T], seconds: float = PATIENCE_S) -> T:
    """What `asked` answers as soon as it is true; an assertion fails when it never is."""
    deadline = time.monotonic() + seconds
    while not (found := asked()):
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.02)
    return found


class Answer(NamedTuple):
    """What a request got; status 0 stands for a connection that was refused, reset or timed out."""

    status: int
    seconds: float
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def processes() -> list[tuple[int, int, int, str]]:
    """Pid, parent, group and command line of every process but zombies."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError), process.oneshot():
            if process.status() != psutil.STATUS_ZOMBIE:
                command = " ".join(process.cmdline())
                found.append((process.pid, process.ppid(), os.getpgid(process.pid), command))
    return found


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Home:
    """A folder with a data folder in it: what one installation of OpenWatt owns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.services: list[Service] = []
        self.within: list[str] = []
        """What a command line begins with: a program that runs the rest somewhere else."""

    def environment(self, **settings: str) -> dict[str, str]:
        """The environment of a process of this installation."""
        return {
            **os.environ,
            "PYTHONWARNINGS": "default",
            "PYTHONPATH": str(REPOSITORY),  # the code that is tested, whatever is installed
            "OPENWATT_DATA_DIR": str(self.data),
            "OPENWATT_WORKERS": "2",
            "OPENWATT_LIMIT_API": "9000000/minute",  # a load is not refused where limits are not the matter
            "OPENWATT_LIMIT_PAGES": "9000000/minute",
            **settings,
        }

    def service(self, **settings: str) -> "Service":
        """A service that has been started; it may not answer yet."""
        started = Service(self, settings)
        self.services.append(started)
        return started

    def command(
        self, *arguments: str, seconds: float = PATIENCE_S, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """What `openwatt …` did."""
        return subprocess.run(
            [*self.within, PROGRAMS / "openwatt", *arguments],
            env=self.environment(**settings),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def postmaster(self) -> int:
        """The pid of the embedded server's first process; 0 when its file is not there."""
        with suppress(FileNotFoundError, IndexError, ValueError):
            return int((self.data / "postgresql" / "postmaster.pid").read_text().splitlines()[0])
        return 0

    def server_processes(self) -> list[int]:
        """The pids of the embedded server: the postmaster first."""
        first = self.postmaster()
        return [first, *(pid for pid, parent, _, _ in processes() if parent == first)] if first else []

    def database_runs(self) -> bool:
        """Whether any process of the embedded server lives, orphans included: each holds its lock."""
        try:
            with (self.data / "server.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def end(self) -> None:
        """Ends by force whatever a failed test has left."""
        for service in self.services:
            service.kill()
        for pid in self.server_processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        if self.database_runs() and (first := self.postmaster()):
            with suppress(ProcessLookupError):
                os.kill(first, signal.SIGQUIT)
            wait_until(lambda: not self.database_runs())


class Service:
    """One `gunicorn wsgi:app`, in a process group of its own."""

    application = "wsgi:app"

    def __init__(self, home: Home, settings: dict[str, str]) -> None:
        self.home = home
        self.port = free_port()
        self.log = home.folder / f"service-{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*home.within, PROGRAMS / "gunicorn", self.application],
                cwd=REPOSITORY,
                env=home.environment(**{"OPENWATT_BIND": f"127.0.0.1:{self.port}", **settings}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def get(
        self,
        path: str = ONE_TARIFF,
        *,
        method: str = "GET",
        timeout: float = PATIENCE_S,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: bytes | None = None,
    ) -> Answer:
        """The answer to a request on a connection of its own."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers=dict(headers))
            with connection.getresponse() as response:
                body = response.read()
                received = {name.lower(): value for name, value in response.getheaders()}
                return Answer(response.status, time.monotonic() - began, received, body)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, time.monotonic() - began, {}, repr(error).encode())
        finally:
            connection.close()

    def answers(self, path: str = ONE_TARIFF) -> bool:
        """Whether a request gets its 200."""
        return self.get(path).status == 200

    def ready(self) -> "Service":
        """This service, as soon as it answers."""

        def asked() -> bool:
            assert self.process.poll() is None, self.said()
            return self.answers("/health/ready")

        wait_until(asked)
        return self

    def said(self) -> str:
        """The log."""
        return self.log.read_text(errors="replace")

    def group(self) -> list[int]:
        """The pids of every process of the service: masters and workers."""
        return [pid for pid, _, group, _ in processes() if group == self.process.pid]

    def workers(self, master: int = 0) -> list[int]:
        """The pids of a master's workers."""
        master = master or self.process.pid
        ours = self.process.pid
        return [pid for pid, parent, group, _ in processes() if (parent, group) == (master, ours)]

    def both_workers(self) -> list[int]:
        """The pids of the two workers, as soon as there are two."""
        return wait_until(lambda: found if len(found := self.workers()) == 2 else [])

    def end(self, how: int = signal.SIGTERM) -> int:
        """Asks the master to end and returns its exit status."""
        self.process.send_signal(how)
        status = self.process.wait(PATIENCE_S)
        wait_until(lambda: not self.group())
        return status

    def kill(self) -> None:
        """Ends every process by force."""
        for pid in self.group():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Load:
    """Clients that ask all the time, until told to stop or a bound is reached."""

    def __init__(self, service: Service, paths: list[str], clients: int) -> None:
        self.answers: list[tuple[float, str, Answer]] = []
        """When each answer came, its path and the answer."""
        self.request_ids: list[str] = []
        """The id that each of them was asked for with: an answer that caches may keep says none."""
        self._service = service
        self._paths = paths
        self._threads = Threads(clients, self._send)

    def _send(self, number: int, stopped: threading.Event) -> None:
        path = self._paths[number % len(self._paths)]
        deadline = time.monotonic() + 10 * PATIENCE_S
        # An answer kept by the service does not touch the database: each request asks something new.
        turn = 0
        while not stopped.is_set() and time.monotonic() < deadline:
            turn += 1
            day = 1 + (turn + number) % 28
            request_id = f"load-{number:02}-{turn:06}"
            answer = self._service.get(path.format(day=day), headers={"X-Request-ID": request_id})
            self.request_ids.append(request_id)
            self.answers.append((time.monotonic(), path, answer))
            stopped.wait(0.02)

    def has_answers(self, number: int) -> bool:
        """Whether there are so many answers."""
        return len(self.answers) >= number

    def begun_since(self, instant: float) -> list[Answer]:
        """The answers to requests that were made since an instant of the monotonic clock."""
        return [answer for at, _, answer in self.answers if at - answer.seconds > instant]

    def stop(self) -> list[tuple[float, str, Answer]]:
        """Everything that was answered."""
        self._threads.stop()
        return self.answers


@contextmanager
def load(service: Service, *paths: str, clients: int = 4) -> Iterator[Load]:
    """A light load for the length of a block."""
    running = Load(service, list(paths) or ["/v1/tariffs?option=BASE&on=2025-09-{day:02}&limit=5"], clients)
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def new_home() -> Iterator[Home]:
    """An installation in a folder of its own, that the embedded server's account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="ow-")).resolve()
    folder.chmod(0o755)
    made = Home(folder)
    try:
        yield made
        left = [pid for service in made.services for pid in service.group()]
        assert not left, f"processes of the service are left: {left}"
        assert not made.database_runs(), "the embedded PostgreSQL is left running"
    finally:
        made.end()
        shutil.rmtree(made.folder)


@contextmanager
def service_alone() -> Iterator[Service]:
    """A service in a home of its own, for tests that share it."""
    with new_home() as home:
        started = home.service().ready()
        yield started
        assert started.end() == 0, started.said()


class ConfiguredService(Service):
    """A service that has all its settings from the file `.env` of its own folder, as a unit starts it."""

    command: tuple[str, ...] = ("gunicorn", "wsgi:app")
    files: tuple[str, ...] = ("gunicorn.conf.py", "wsgi.py")
    """Of a checkout, which the command needs in its folder."""

    def __init__(self, home: Home, settings: dict[str, str]) -> None:
        self.home = home
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="service-", dir=home.folder))
        for name in self.files:
            shutil.copy(REPOSITORY / name, self.folder)
        self.write(settings)
        self.log = self.folder / "log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENWATT_")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [PROGRAMS / self.command[0], *self.command[1:]],
                cwd=self.folder,
                env={**environment, "PYTHONWARNINGS": "default", "PYTHONPATH": str(self.code())},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        home.services.append(self)

    def code(self) -> Path:
        """The folder of the package that serves."""
        return REPOSITORY

    def write(self, settings: Mapping[str, str]) -> None:
        """Replaces the file; where the service listens and keeps its data is always in it."""
        fixed = {"OPENWATT_DATA_DIR": str(self.home.data), "OPENWATT_BIND": f"127.0.0.1:{self.port}"}
        lines = [f"{name}={value}\n" for name, value in {**fixed, **settings}.items()]
        (self.folder / ".env").write_text("".join(lines))

    def reload(self, settings: Mapping[str, str]) -> None:
        """Writes settings and sends HUP; the workers that were there are gone when this ends."""
        old = self.workers()
        assert old
        self.write(settings)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.workers() and not set(old) & set(self.workers()))

    def records(self) -> list[dict[str, Any]]:
        """The records of the log."""
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
