"""Several machines as ports and folders of one: replicas behind nginx, a primary and its standby."""

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from tests.background import Threads
from tests.chaos.running import REPOSITORY, Answer, Home, Service, free_port, new_home
from tests.chaos.test_proxies import NGINX, Behind, running
from tests.store.other_postgres import Programs

NGINX_FILE = REPOSITORY / "ops/nginx/openwatt.conf"
#: What Debian's nginx.conf has around the file, with the folders of a test.
_AROUND = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  include {folder}/openwatt.conf;
}}
"""


class Machines:
    """Replicas of the service, each with a folder and a port of its own, behind one nginx."""

    def __init__(self, homes: list[Home], settings: dict[str, str]) -> None:
        self._homes = homes
        self._settings = {
            "OPENWATT_TRUSTED_PROXIES": "1",
            "OPENWATT_LIMIT_BILLS": "9000000/minute",
            **settings,
        }
        self.replicas = [home.service(**self._settings) for home in homes]
        for each in self.replicas:
            each.ready()
        self.proxy = Behind(free_port())

    def start_again(self, number: int) -> Service:
        """Starts a replica that has ended, on its port, and waits until it is ready as an operator does."""
        port = self.replicas[number].port
        started = self._homes[number].service(OPENWATT_BIND=f"127.0.0.1:{port}", **self._settings)
        started.port = port
        self.replicas[number] = started.ready()
        return started

    def explanation(self) -> str:
        """For a failure: what nginx has written, and each replica besides its requests."""
        nginx = (self._homes[0].folder / f"proxy-{self.proxy.port}.log").read_text().splitlines()
        lines = nginx[-60:]
        for each in self.replicas:
            own = [line for line in each.said().splitlines() if '"event":"request"' not in line]
            lines += [f"replica on port {each.port}:", *own[-40:]]
        return "\n".join(lines)

    @contextmanager
    def behind_nginx(self) -> Iterator[None]:
        """The documented file in a real nginx, with the addresses of this test in place of the page's."""
        assert NGINX is not None
        folder = self._homes[0].folder
        text = NGINX_FILE.read_text()
        for number, each in enumerate(self.replicas):
            assert f"192.0.2.{11 + number}:8000 " in text
            text = text.replace(f"192.0.2.{11 + number}:8000", f"127.0.0.1:{each.port}")
        text, found = re.subn(r"listen 80;", f"listen 127.0.0.1:{self.proxy.port};", text)
        assert found == 1
        (folder / "openwatt.conf").write_text(text)
        config = folder / "nginx.conf"
        config.write_text(_AROUND.format(folder=folder))
        command = [NGINX, "-c", str(config), "-p", str(folder), "-e", "stderr"]
        with running(command, self.proxy.port, folder):
            yield


@contextmanager
def machines(**settings: str) -> Iterator[Machines]:
    """Two replicas and the nginx before them; those that still run end with the block, with status 0."""
    with ExitStack() as stack:
        homes = [stack.enter_context(new_home()) for _ in range(2)]
        made = Machines(homes, settings)
        with made.behind_nginx():
            yield made
        for each in made.replicas:
            if each.process.poll() is None:
                assert each.end() == 0, each.said()


_TARIFFS = "/v1/tariffs?on=2025-{month:02}-{day:02}&limit=5"


class Clients:
    """Clients of the proxy that read, and send what is to be computed, until they are stopped."""

    def __init__(self, proxy: Behind, clients: int, read: str) -> None:
        self.answers: list[tuple[float, Answer]] = []
        """When each request was begun, and its answer."""
        self._proxy, self._read = proxy, read
        self._threads = Threads(clients, self._send)

    def _send(self, number: int, stopped: threading.Event) -> None:
        turn = 0
        while not stopped.is_set():
            turn += 1
            began = time.monotonic()
            if number % 2:
                body = b'{"power_kva": 6, "kwh": %d}' % (1000 + turn)
                json = {"Content-Type": "application/json"}
                answer = self._proxy.get("/v1/bills", method="POST", headers=json, body=body)
            else:
                answer = self._proxy.get(self._read.format(month=1 + turn // 28 % 9, day=1 + turn % 28))
            self.answers.append((began, answer))
            stopped.wait(0.01)

    def stop(self) -> None:
        """Ends them."""
        self._threads.stop()

    def has_answers(self, number: int) -> bool:
        """Whether there are so many answers."""
        return len(self.answers) >= number

    def statuses(self) -> Counter[int]:
        """How often each status was answered; 0 is a connection without an answer."""
        return Counter(answer.status for _, answer in self.answers)

    def failures(self) -> list[str]:
        """Answers that were not 200, in short."""
        return [f"{a.status} {a.body[:200]!r}" for _, a in self.answers if a.status != 200]


@contextmanager
def clients(proxy: Behind, number: int, *, read: str = _TARIFFS) -> Iterator[Clients]:
    """So many clients for the length of a block."""
    made = Clients(proxy, number, read)
    try:
        yield made
    finally:
        made.stop()


class Database:
    """One PostgreSQL of a pair, in a folder and on a port of its own."""

    def __init__(self, programs: Programs, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.inside = programs.within(folder)
        self.port = free_port()

    def run(self, program: str, *arguments: str | Path) -> None:
        """Runs one of its programs, which must succeed."""
        done = self.programs.run(program, *arguments)
        assert done.returncode == 0, done.stdout

    def start(self) -> None:
        """Starts it."""
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c fsync=off -k {self.inside}"
        where = ("--pgdata", self.inside / "data", "--log", self.inside / "log")
        self.run("pg_ctl", "start", "--wait", *where, "-o", options)

    def promote(self) -> None:
        """Makes a standby the primary."""
        self.run("pg_ctl", "promote", "--wait", "--pgdata", self.inside / "data")

    def signal(self, number: int) -> None:
        """Sends a signal to every process of it."""
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            first = psutil.Process(int((self.folder / "data/postmaster.pid").read_text().split()[0]))
            for each in [first, *first.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess, ProcessLookupError):
                    os.kill(each.pid, number)

    def connect(self, database: str = "openwatt") -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the administrator."""
        return psycopg.connect(
            f"host=127.0.0.1 port={self.port} user=openwatt dbname={database}", autocommit=True
        )


@contextmanager
def primary_and_standby(programs: Programs) -> Iterator[tuple[Database, Database, str]]:
    """A primary that is streamed to a standby, and the address that names both."""
    with programs.new_folder() as one, programs.new_folder() as other:
        primary, standby = Database(programs, one), Database(programs, other)
        where = ("--pgdata", primary.inside / "data", "--username=openwatt", "--auth=trust", "--no-sync")
        primary.run("initdb", *where, "--encoding=UTF8", "--locale=C")
        try:
            primary.start()
            with primary.connect("postgres") as connection:
                connection.execute("create role app login createrole")
                connection.execute("create database openwatt owner app")
            standby.run(
                "pg_basebackup",
                *(
                    "--pgdata",
                    standby.inside / "data",
                    "--write-recovery-conf",
                    "--checkpoint=fast",
                    "--no-sync",
                ),
                *("--host=127.0.0.1", f"--port={primary.port}", "--username=openwatt"),
            )
            standby.start()
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
            yield primary, standby, f"postgresql://app@{hosts}/openwatt?target_session_attrs=read-write"
        finally:
            for each in (primary, standby):
                each.signal(signal.SIGCONT)
                each.signal(signal.SIGKILL)
