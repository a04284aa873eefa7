"""Starts and ends the service as a user does, and tells its processes' time and memory."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).resolve().parents[1]
PATH = "/v1/tariffs"
START_SECONDS = 60.0
#: Load comes from one address, which the default limit would soon refuse; counting costs the same.
NO_REFUSAL = {"OPENWATT_LIMIT_API": "999999999/minute"}


class Service(NamedTuple):
    """A running Gunicorn: its master, its port, and how long its first answer took."""

    master: psutil.Process
    port: int
    first_answer_s: float

    def get(
        self, path: str = PATH, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def workers(self) -> list[psutil.Process]:
        """The worker processes: the master's children that run Gunicorn too."""
        found = []
        for child in self.master.children():
            with suppress(psutil.NoSuchProcess):  # it has just ended
                if "gunicorn" in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def worker_seconds(self) -> float:
        """Processor time of all workers since they began."""
        return sum(sum(worker.cpu_times()[:2]) for worker in self.workers())


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(
    target: str, environment: Mapping[str, str], *options: str, workers: int = 2
) -> Iterator[Service]:
    """Gunicorn serving `target` until the block ends; entered when /v1/tariffs has answered 200.

    Its bind, workers and threads are given on the command line, so that every
    service that is compared has the same.
    """
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", target, *options]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", str(workers), "--threads", "4", "--preload"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENWATT_")}
    with tempfile.TemporaryFile() as log:
        began = time.monotonic()
        master = subprocess.Popen(
            command,
            cwd=ROOT,
            # Each service has its own address, and its metrics' own folder by it.
            env=kept | NO_REFUSAL | {"OPENWATT_BIND": f"127.0.0.1:{port}"} | dict(environment),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while not _answers(port):
                ended = master.poll() is not None or time.monotonic() - began > START_SECONDS
                if ended:
                    log.seek(0)
                    raise SystemExit(f"{target} did not start:\n{log.read().decode(errors='replace')}")
                time.sleep(0.005)
            service = Service(psutil.Process(master.pid), port, time.monotonic() - began)
            until = time.monotonic() + 10
            while len(service.workers()) < workers and time.monotonic() < until:
                time.sleep(0.01)
            assert len(service.workers()) == workers
            yield service
        except AssertionError:
            log.seek(0)  # what was measured was wrong: the service's last words may say why
            progress(log.read().decode(errors="replace")[-4000:])
            raise
        finally:
            master.send_signal(signal.SIGTERM)
            master.wait(60)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", PATH)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that an unprivileged account may enter: under root the embedded server runs as one."""
    with tempfile.TemporaryDirectory(prefix="ow-bench-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def progress(text: str) -> None:
    """Says on stderr how far it is."""
    print(text, file=sys.stderr, flush=True)
