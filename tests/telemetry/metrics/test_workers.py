"""Everything together under a real gunicorn whose workers are recycled, reloaded, killed and replaced."""

import contextlib
import http.client
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from openwatt.telemetry.metrics.shared_values import DamagedFileError, entries
from tests.background import Threads
from tests.log_receivers import Receiver, free_port, on_disk, wait_until

CONF = """
import os
from pathlib import Path
from openwatt.telemetry.metrics import worker_slots
from openwatt.telemetry.logs.gunicorn import GunicornLogger
from application import telemetry
logger_class = GunicornLogger
workers, threads, worker_class = 2, 4, "gthread"
max_requests = 40
graceful_timeout = 10
control_socket_disable = True
preload_app = bool(os.environ.get("PRELOAD"))
def on_exit(server):
    worker_slots.on_exit()
def pre_fork(server, worker):
    worker_slots.pre_fork(server, worker)
def post_fork(server, worker):
    worker_slots.post_fork(worker)
    telemetry.announce_build()
def child_exit(server, worker):
    worker_slots.child_exit(worker)
def worker_exit(server, worker):
    telemetry.close()
"""
APPLICATION = """
import os
from pathlib import Path
from flask import Flask, request
from openwatt.telemetry.logs import request_record as access
from openwatt.telemetry import context as contexts
from openwatt.telemetry.metrics.exporter import Exporter
from openwatt.telemetry.logs.json_formatter import Identity
from openwatt.telemetry.logs.setup import LogConfig
from openwatt.telemetry.shipping.shipper import ShippingConfig
from openwatt.telemetry.start import TelemetryConfig, start_telemetry

here = Path(__file__).parent
telemetry = start_telemetry(TelemetryConfig(
    logs=LogConfig(identity=Identity()), version="0.1.0", revision="abc1234",
    shipping=ShippingConfig(url=os.environ["LOGSTASH"], spool=here / "spool", adopt_seconds=0.5),
    metrics_directory=here / "metrics"))
metrics = telemetry.metrics
app = Flask(__name__)

@app.before_request
def begin():
    contexts.begin(contexts.RequestContext(
        request_id=contexts.request_id_from(request.headers.get("X-Request-ID")), method=request.method,
        path=request.path, route=request.url_rule.rule if request.url_rule else None,
        client=request.remote_addr))
    metrics.in_progress.inc()

@app.after_request
def after(response):
    context = contexts.current()
    seconds = access.log_request(context, response.status_code, response.calculate_content_length(),
                                 quiet=request.path == "/metrics")
    metrics.observe_request(request.method, context.route, response.status_code, seconds)
    return response

@app.teardown_request
def end(error):
    metrics.in_progress.dec()
    contexts.end(contexts.current())

@app.get("/v1/tariffs")
def tariffs():
    metrics.tariffs_served.labels("BASE").inc(3)
    return {"tariffs": []}

Exporter(app, metrics.exposition())
"""
#: A thread of the master imports, at the time of the first forks, what its workers need.
IMPORTING = """
import time
from openwatt.telemetry.shipping import forks
(here / "slow.py").write_text("import time; time.sleep(0.5); known = 1")

@app.get("/slow")
def slow():
    import slow
    return {"pid": os.getpid(), "known": slow.known}

forks.start_thread(lambda: __import__("slow"), "importing")
while "slow" not in __import__("sys").modules:
    time.sleep(0.001)
"""


class Server:
    def __init__(self, folder: Path, receiver: Receiver, *, preload: bool, more: str = "") -> None:
        (folder / "conf.py").write_text(CONF)
        (folder / "application.py").write_text(APPLICATION + more)
        self.port = free_port()
        self.pid_file = folder / "pid"
        environ = {"PYTHONPATH": f"{folder}:{Path(__file__).parents[3]}", "LOGSTASH": receiver.url}
        command = [
            str(Path(sys.executable).with_name("gunicorn")),
            "-c",
            "conf.py",
            "-b",
            f"127.0.0.1:{self.port}",
        ]
        with (folder / "out").open("w") as out:
            self.process = subprocess.Popen(
                [*command, "-p", str(self.pid_file), "application:app"],
                cwd=folder,
                env=os.environ | environ | ({"PRELOAD": "1"} if preload else {}),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.folder, self.out = folder, folder / "out"
        assert wait_until(self.answers, 30), self.out.read_text()

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=2).read()
            return True
        return False

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def metrics(self) -> dict[str, float]:
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10).read().decode()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.labels.get("route", "/v1/tariffs") == "/v1/tariffs" and "le" not in sample.labels:
                    found[sample.name] = found.get(sample.name, 0) + sample.value
        return found

    def explained(self) -> str:
        """For a failure: the requests in each file, whatever its name, and what the service complains of."""
        lines = []
        for path in sorted((self.folder / "metrics").iterdir()):
            content = path.read_bytes()
            with contextlib.suppress(DamagedFileError):
                requests = {
                    key: struct.unpack_from("d", content, position)[0]
                    for key, position in entries(content)
                    if '"http_requests_total"' in key or '"http_request_duration_seconds_sum"' in key
                }
                lines.append(f"{path.name}: {requests}")
        out = self.out.read_text().splitlines()
        complaints = [line for line in out if '"level":"error"' in line or line[:1] != "{"]
        return "\n".join([*lines, f"{len(complaints)} complaints", *complaints[:5]])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


class Load:
    """Clients on threads; each counts the answers it got, those that Gunicorn gives for an error apart."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answered: list[str] = []
        self.errors: list[int] = []
        self.failed = 0
        self._threads = Threads(3, self._send)

    def _send(self, client: int, stopped: threading.Event) -> None:
        number = 0
        while not stopped.is_set():
            number += 1
            request_id = f"client{client}-{number:05d}"
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            try:
                connection.request("GET", "/v1/tariffs", headers={"X-Request-ID": request_id})
                response = connection.getresponse()
                response.read()
                if response.status == 200:
                    self.answered.append(request_id)
                else:
                    self.errors.append(response.status)
            except (OSError, http.client.HTTPException):
                self.failed += 1
            finally:
                connection.close()
            time.sleep(0.005)

    def stop(self) -> None:
        self._threads.stop()


@pytest.mark.parametrize("preload", [False, True], ids=["without preload", "with preload"])
def test_counters_and_records_stay_exact_while_workers_come_and_go(
    tmp_path: Path, receiver: Receiver, *, preload: bool
) -> None:
    server = Server(tmp_path, receiver, preload=preload)
    load = Load(server.port)
    try:
        assert wait_until(lambda: len(load.answered) > 150, 20)
        server.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: len(load.answered) > 300, 20)
        os.kill(server.workers()[-1], signal.SIGKILL)
        assert wait_until(lambda: len(load.answered) > 450, 20)
        load.stop()
        counted = server.metrics()
        booted = server.out.read_text().count("Booting worker")
    finally:
        load.stop()
        server.process.terminate()
        server.process.wait(20)
    assert load.errors == [], server.explained()
    assert booted > 6
    # What a killed worker had counted and not answered is the only difference there can be.
    requests = counted["http_requests_total"]
    assert len(load.answered) <= requests <= len(load.answered) + load.failed, server.explained()
    assert counted["http_request_duration_seconds_count"] == counted["http_requests_total"]
    assert counted["openwatt_tariffs_served_total"] >= 3 * len(load.answered)
    assert counted["http_requests_in_progress"] == 1  # the scrape itself
    assert load.failed <= 4
    slots = {path.stem.split("_")[-1] for path in (tmp_path / "metrics").glob("*.db")}
    assert 3 <= len(slots) <= 7

    arrived = [json.loads(line) for buffer in receiver.buffers for line in bytes(buffer).splitlines()]
    told = {record["request_id"] for record in arrived if record["event"] == "request"}
    assert set(load.answered) <= told
    printed = {
        json.loads(line)["event_id"] for line in server.out.read_text().splitlines() if line[:1] == "{"
    }
    kept = on_disk(tmp_path / "spool")  # of a worker that was ended while it booted
    assert printed - {record["event_id"] for record in arrived} - kept == set()
    assert len(kept) <= 4


def test_an_upgrade_of_the_master_goes_on_counting_and_loses_no_record(
    tmp_path: Path, receiver: Receiver
) -> None:
    server = Server(tmp_path, receiver, preload=False)
    load = Load(server.port)
    new_master = 0
    try:
        time.sleep(1)
        server.process.send_signal(signal.SIGUSR2)
        assert wait_until(lambda: Path(f"{server.pid_file}.2").exists())
        new_master = int(Path(f"{server.pid_file}.2").read_text())
        assert wait_until(lambda: server.out.read_text().count("Booting worker") >= 4)
        server.process.terminate()
        server.process.wait(20)
        time.sleep(0.5)
        load.stop()
        counted = server.metrics()
    finally:
        load.stop()
        if new_master:
            os.kill(new_master, signal.SIGTERM)
            wait_until(lambda: not Path(f"/proc/{new_master}").exists() or _is_zombie(new_master), 20)
        server.process.terminate()
        server.process.wait(20)
    assert (load.failed, load.errors) == (0, []), server.explained()
    requests = counted["http_requests_total"]
    assert requests == counted["http_request_duration_seconds_count"] == len(load.answered), (
        server.explained()
    )
    assert counted["openwatt_build_info"] == 1
    told = {
        json.loads(line).get("request_id")
        for buffer in receiver.buffers
        for line in bytes(buffer).splitlines()
    }
    assert set(load.answered) <= told


def test_every_worker_works_though_it_was_forked_while_the_master_imported_a_module(
    tmp_path: Path, receiver: Receiver
) -> None:
    server = Server(tmp_path, receiver, preload=False, more=IMPORTING)
    url = f"http://127.0.0.1:{server.port}/slow"
    try:
        assert wait_until(lambda: len(server.workers()) == 2)
        first, second = server.workers()
        for answering, silent in ((first, second), (second, first)):
            os.kill(silent, signal.SIGSTOP)
            with urllib.request.urlopen(url, timeout=5) as response:
                assert json.load(response) == {"pid": answering, "known": 1}, server.explained()
            os.kill(silent, signal.SIGCONT)
    finally:
        for pid in server.workers():
            os.kill(pid, signal.SIGCONT)
        server.process.terminate()
        server.process.wait(20)


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    return True
