"""Log shipping against receivers that do everything a receiver can do wrong."""

import contextlib
import http.server
import json
import logging
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openwatt.telemetry.shipping.handler import LogstashHandler
from openwatt.telemetry.shipping.ring import Ring
from openwatt.telemetry.shipping.shipper import Shipper, ShippingConfig, Snapshot
from openwatt.telemetry.shipping.transports import STALL_SECONDS, Peer
from tests.log_receivers import (
    BlackHole,
    Receiver,
    SyslogDaemon,
    free_port,
    on_disk,
    read_nothing,
    reset_mid_record,
    wait_until,
)
from tests.programs import require_program

LINE = '{{"event_id":"{id}","event":"{text}"}}\n'


def line(event_id: str, size: int = 300) -> bytes:
    return LINE.format(id=event_id, text="x" * (size - 40)).encode()


def config(url: str, spool: Path | None, **changes: float) -> ShippingConfig:
    given = {
        "ring_bytes": 1024 * 1024,
        "confirm_seconds": 0.2,
        "longest_pause_seconds": 0.3,
        "flush_seconds": 1.0,
        "adopt_seconds": 0.1,
    } | changes
    return ShippingConfig(url=url, spool=spool, **given)  # type: ignore[arg-type]


def shipper_of(shipping: ShippingConfig, on_progress: Callable[[Snapshot], None] | None = None) -> Shipper:
    """The shipper behind the handler of a configuration, with the handler's sockets."""
    return LogstashHandler(shipping, on_progress=on_progress).shipper


def put(shipper: Shipper, count: int, name: str = "r", rate: float | None = None) -> set[str]:
    given = set()
    for number in range(count):
        event_id = f"{name}-{number}"
        shipper.put(line(event_id))
        given.add(event_id)
        if rate is not None:
            time.sleep(1 / rate)
    return given


def lost(snapshot: Snapshot) -> int:
    return sum(snapshot.dropped.values())


@pytest.fixture(params=["rsyslog or syslog-ng"])
def daemon(tmp_path: Path) -> Iterator[SyslogDaemon]:
    folder = tmp_path / "syslog"
    folder.mkdir()
    syslog = SyslogDaemon(folder)
    syslog.start()
    yield syslog
    syslog.stop()


@pytest.fixture
def started() -> Iterator[Callable[..., Receiver]]:
    receivers = []

    def start(*args: object) -> Receiver:
        receivers.append(Receiver(*args))  # type: ignore[arg-type]
        return receivers[-1]

    yield start
    for receiver in receivers:
        receiver.close()


def test_records_logged_reach_a_third_partys_receiver_as_json(daemon: SyslogDaemon, tmp_path: Path) -> None:
    handler = LogstashHandler(config(daemon.url, tmp_path / "spool"))
    shipper = handler.shipper
    handler.setFormatter(logging.Formatter('{"event_id":"%(message)s"}'))
    for number in range(500):
        handler.handle(logging.LogRecord("test", logging.INFO, "", 0, f"id-{number}", None, None))
    assert shipper.flush(10)
    shipper.close()
    assert set(daemon.received()) == {f"id-{number}" for number in range(500)}
    snapshot = shipper.snapshot()
    assert snapshot == Snapshot(emitted=500, sent=500, last_success_at=snapshot.last_success_at)
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_record_waits_for_no_lock_of_the_library_and_passes_its_filters(tmp_path: Path) -> None:
    handler = LogstashHandler(config(f"tcp://127.0.0.1:{free_port()}", tmp_path))
    shipper = handler.shipper
    handler.addFilter(lambda record: record.getMessage() != "quiet")
    assert handler.lock is not None  # since Python 3.13 the library refuses a handler that has none

    def log(message: str) -> bool:
        return handler.handle(logging.LogRecord("test", logging.INFO, "", 0, message, None, None))

    with ThreadPoolExecutor(1) as another, handler.lock:
        assert [another.submit(log, message).result(5) for message in ("said", "quiet")] == [True, False]
    assert shipper.snapshot().emitted == 1
    handler.close()


def test_nothing_is_lost_when_the_receiver_is_killed_and_restarted_under_load(
    daemon: SyslogDaemon, tmp_path: Path
) -> None:
    shipper = shipper_of(config(daemon.url, tmp_path / "spool"))
    given: set[str] = set()
    for life in range(3):
        given |= put(shipper, 700, f"life{life}", rate=2000)
        daemon.stop(signal.SIGKILL)
        given |= put(shipper, 500, f"dead{life}", rate=2000)
        assert shipper.snapshot().balanced
        daemon.start()
    assert shipper.flush(20)
    shipper.close()
    snapshot = shipper.snapshot()
    assert len(given) == snapshot.emitted == 3600
    assert wait_until(lambda: given <= set(daemon.received()))
    assert (snapshot.sent, snapshot.spooled, lost(snapshot)) == (3600, 0, 0)


def test_a_receiver_that_refuses_leaves_everything_in_the_spool_for_the_next_run(
    tmp_path: Path, started: Callable[..., Receiver]
) -> None:
    port = free_port()
    shipper = shipper_of(config(f"tcp://127.0.0.1:{port}", tmp_path))
    given = put(shipper, 2000)
    shipper.close()
    snapshot = shipper.snapshot()
    assert snapshot.balanced
    assert (snapshot.emitted, snapshot.spooled, snapshot.sent) == (2000, 2000, 0)

    receiver = started(None, port)
    successor = shipper_of(config(receiver.url, tmp_path))
    successor.put(line("successor"))
    assert successor.flush(10)
    successor.close()
    assert set(receiver.received()) == given | {"successor"}
    assert (successor.snapshot().adopted, successor.snapshot().sent) == (2000, 2001)
    assert receiver.received()[:2000] == sorted(given, key=lambda event_id: int(event_id.split("-")[1]))
    assert list(tmp_path.iterdir()) == []


def test_a_black_hole_costs_the_logging_thread_nothing(tmp_path: Path) -> None:
    hole = BlackHole()
    shipper = shipper_of(config(hole.url, tmp_path))
    waits = []
    for number in range(3000):
        before = time.perf_counter()
        shipper.put(line(f"r-{number}"))
        waits.append(time.perf_counter() - before)
    shipper.close()
    hole.close()
    assert sorted(waits)[int(len(waits) * 0.99)] < 0.005
    snapshot = shipper.snapshot()
    assert snapshot.balanced
    assert len(on_disk(tmp_path)) == snapshot.spooled == 3000 - lost(snapshot)


def test_what_a_receiver_that_reads_nothing_was_given_is_not_taken_for_delivered(
    tmp_path: Path, started: Callable[..., Receiver]
) -> None:
    mute = started(read_nothing)
    shipper = shipper_of(config(mute.url, tmp_path, ring_bytes=4 << 20))
    given = put(shipper, 200)  # all of it fits in the kernel's buffers
    assert wait_until(lambda: shipper.snapshot().connected)
    time.sleep(0.5)
    assert shipper.snapshot().sent == 0
    shipper.close()
    assert STALL_SECONDS > 5  # the close above did not wait for it
    assert on_disk(tmp_path) == given
    assert shipper.snapshot().spooled == 200


def test_a_receiver_that_reads_nothing_fills_the_spool_and_not_the_memory(
    tmp_path: Path, started: Callable[..., Receiver]
) -> None:
    mute = started(read_nothing)
    shipper = shipper_of(config(mute.url, tmp_path, ring_bytes=512 * 1024))
    given = set()
    for burst in range(20):
        given |= put(shipper, 400, f"b{burst}")
        assert wait_until(lambda: shipper.snapshot().queued_bytes < 300_000)
    shipper.close()
    snapshot = shipper.snapshot()
    assert snapshot.balanced
    assert len(on_disk(tmp_path)) + lost(snapshot) == snapshot.emitted == len(given)
    assert lost(snapshot) == 0


def test_a_connection_reset_in_the_middle_of_a_record_loses_none(
    tmp_path: Path, started: Callable[..., Receiver]
) -> None:
    receiver = started(reset_mid_record)
    shipper = shipper_of(config(receiver.url, tmp_path))
    given = put(shipper, 500)
    assert shipper.flush(15)
    shipper.close()
    snapshot = shipper.snapshot()
    assert set(receiver.received()) == given
    assert (snapshot.sent, lost(snapshot), snapshot.balanced) == (500, 0, True)
    assert snapshot.resent > 0


def test_without_a_spool_what_does_not_fit_is_dropped_and_counted() -> None:
    shipper = shipper_of(
        config(f"tcp://127.0.0.1:{free_port()}", None, flush_seconds=0.1, ring_bytes=100_000)
    )
    put(shipper, 2000)
    before = shipper.snapshot()
    assert before.balanced
    assert before.dropped["ring_full"] == 2000 - before.queued > 0
    shipper.close()
    after = shipper.snapshot()
    assert after.balanced
    assert after.dropped["ring_full"] + after.dropped["exit"] == 2000


def test_a_spool_at_its_limit_gives_up_its_oldest_records(tmp_path: Path) -> None:
    shipper = shipper_of(
        config(f"tcp://127.0.0.1:{free_port()}", tmp_path, spool_bytes=600_000, ring_bytes=256 * 1024)
    )
    for burst in range(12):
        put(shipper, 400, f"b{burst}")
        assert wait_until(lambda: shipper.snapshot().queued_bytes < 130_000)
    shipper.close()
    snapshot = shipper.snapshot()
    left = on_disk(tmp_path)
    assert snapshot.balanced
    assert len(left) == snapshot.spooled
    assert snapshot.dropped["spool_full"] > 0
    assert len(left) + lost(snapshot) == snapshot.emitted == 4800
    assert "b11-399" in left
    assert "b0-0" not in left


CHILD = """
import resource, sys
from pathlib import Path
from openwatt.telemetry.shipping.handler import LogstashHandler
from openwatt.telemetry.shipping.shipper import ShippingConfig
url, spool, count, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
shipper = LogstashHandler(ShippingConfig(url=url, spool=spool, ring_bytes=256 * 1024, flush_seconds=0.5,
                                 longest_pause_seconds=0.3, confirm_seconds=0.2, adopt_seconds=0.1)).shipper
for number in range(count):
    shipper.put(b'{"event_id":"%s-%d","event":"%s"}\\n' % (sys.argv[5].encode(), number, b"x" * 250))
print("done", flush=True)
if sys.argv[6] == "wait":
    sys.stdin.read()
shipper.close()
print(shipper.snapshot().balanced, shipper.snapshot().spooled, sum(shipper.snapshot().dropped.values()))
"""


def child(
    url: str, spool: Path, count: int, *, limit: int = 0, name: str = "c", then: str = "wait"
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, url, str(spool), str(count), str(limit), name, then],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_kill_9_of_a_worker_loses_nothing_that_it_logged(daemon: SyslogDaemon, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    daemon.stop()
    worker = child(daemon.url, spool, 700)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "done\n"
    worker.kill()
    worker.communicate()
    given = {f"c-{number}" for number in range(700)}

    daemon.start()
    survivor = shipper_of(config(daemon.url, spool))
    survivor.put(line("survivor"))
    assert survivor.flush(10)
    survivor.close()
    assert wait_until(lambda: set(daemon.received()) == given | {"survivor"})
    assert survivor.snapshot().adopted == 700
    assert list(spool.iterdir()) == []


def test_two_processes_never_take_over_the_same_records(
    tmp_path: Path, started: Callable[..., Receiver]
) -> None:
    receiver = started()
    dead = shipper_of(config(f"tcp://127.0.0.1:{free_port()}", tmp_path))
    given = put(dead, 3000)
    dead.close()
    heirs = [child(receiver.url, tmp_path, 1, name=f"heir{number}") for number in range(3)]
    assert wait_until(lambda: given <= set(receiver.received()), 20)
    for heir in heirs:
        assert heir.communicate("")[0].splitlines()[-1] == "True 0 0"
    received = receiver.received()
    assert len(received) == len(set(received)) == 3003
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_counted_and_what_fitted_is_kept(tmp_path: Path) -> None:
    # RLIMIT_FSIZE is a limit of the kernel's: neither the ring's file nor a whole segment fits under it.
    worker = child(f"tcp://127.0.0.1:{free_port()}", tmp_path, 3000, limit=100_000, then="end")
    output = worker.communicate(timeout=30)[0].splitlines()
    balanced, spooled, dropped = output[-1].split()
    assert balanced == "True"
    assert int(spooled) + int(dropped) == 3000
    assert len(on_disk(tmp_path)) == int(spooled)
    assert int(dropped) > 0


@pytest.mark.slow  # and for root alone
def test_a_full_file_system_is_counted_and_the_ring_keeps_its_own(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(tmp_path)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a small tmpfs is not allowed here: {mounted.stderr.decode().strip()}")
    try:
        worker = child(f"tcp://127.0.0.1:{free_port()}", tmp_path, 6000, then="end")
        output = worker.communicate(timeout=30)[0].splitlines()
        balanced, spooled, dropped = output[-1].split()
        assert balanced == "True"
        assert len(on_disk(tmp_path)) == int(spooled) > 0
        assert int(spooled) + int(dropped) == 6000
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_forked_child_ships_on_its_own_and_its_parent_goes_on(
    tmp_path: Path, started: Callable[..., Receiver]
) -> None:
    receiver = started()
    script = """
import os, sys
from pathlib import Path
from openwatt.telemetry.shipping.handler import LogstashHandler
from openwatt.telemetry.shipping.shipper import ShippingConfig
shipper = LogstashHandler(ShippingConfig(url=sys.argv[1], spool=Path(sys.argv[2]), flush_seconds=5)).shipper
for number in range(200):
    shipper.put(b'{"event_id":"parent-%d"}\\n' % number)
pids = []
for child in range(2):
    pid = os.fork()
    if pid == 0:
        assert shipper.snapshot().emitted == 0
        for number in range(200):
            shipper.put(b'{"event_id":"child%d-%d"}\\n' % (child, number))
        sys.exit(0)  # atexit closes the shipper, as in a gunicorn worker
    pids.append(pid)
for pid in pids:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
shipper.put(b'{"event_id":"parent-last"}\\n')
"""
    subprocess.run([sys.executable, "-c", script, receiver.url, str(tmp_path)], check=True, timeout=30)
    expected = {f"{who}-{number}" for who in ("parent", "child0", "child1") for number in range(200)}
    assert set(receiver.received()) == expected | {"parent-last"}
    assert list(tmp_path.iterdir()) == []


class _Logstash(http.server.BaseHTTPRequestHandler):
    """Answers like a Logstash `http` input: 429 under pressure, 400 for what it cannot read."""

    protocol_version = "HTTP/1.1"
    received: list[str]
    busy: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        events = json.loads(body)
        kind = type(self)
        if kind.busy:
            kind.busy -= 1
            self._answer(429)
        elif any(event["event"] == "poison" for event in events):
            self._answer(400)
        else:
            kind.received += [event["event_id"] for event in events]
            self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def logstash() -> Iterator[tuple[type[_Logstash], str]]:
    handler = type("Logstash", (_Logstash,), {"received": [], "busy": 2})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_http_sends_each_record_until_it_is_acknowledged(
    logstash: tuple[type[_Logstash], str], tmp_path: Path
) -> None:
    handler, url = logstash
    shipper = shipper_of(config(url, tmp_path))
    given = put(shipper, 1000)
    shipper.put(b'{"event_id":"bad","event":"poison"}\n')
    given |= put(shipper, 500, "after")
    assert shipper.flush(15)
    shipper.close()
    snapshot = shipper.snapshot()
    assert set(handler.received) == given
    assert (snapshot.sent, snapshot.dropped["refused"], snapshot.balanced) == (1500, 1, True)


def test_the_balance_holds_at_every_instant(tmp_path: Path, started: Callable[..., Receiver]) -> None:
    receiver = started(reset_mid_record)
    shipper = shipper_of(config(receiver.url, tmp_path, spool_bytes=200_000, ring_bytes=100_000))
    threads = [threading.Thread(target=put, args=(shipper, 2000, f"t{number}", 5000)) for number in range(3)]
    for thread in threads:
        thread.start()
    snapshots = []
    while any(thread.is_alive() for thread in threads):
        snapshots.append(shipper.snapshot())
        time.sleep(0.005)
    shipper.flush(5)
    shipper.close()
    snapshots.append(shipper.snapshot())
    assert len(snapshots) > 2
    assert [snapshot for snapshot in snapshots if not snapshot.balanced] == []
    final = snapshots[-1]
    assert len(set(receiver.received())) + len(on_disk(tmp_path)) + lost(final) >= final.emitted == 6000


def test_progress_is_reported_once_more_at_the_end(started: Callable[..., Receiver]) -> None:
    reports: list[Snapshot] = []
    shipper = shipper_of(config(started().url, None), on_progress=reports.append)
    put(shipper, 10)
    shipper.close()
    assert reports[-1].sent == reports[-1].emitted == 10


def test_records_whose_file_was_deleted_are_counted_as_lost(
    tmp_path: Path, started: Callable[..., Receiver]
) -> None:
    port = free_port()
    shipper = shipper_of(config(f"tcp://127.0.0.1:{port}", tmp_path, ring_bytes=100_000))
    put(shipper, 300, rate=3000)
    assert wait_until(lambda: shipper.snapshot().spooled > 0)
    put(shipper, 10, "last")
    for segment in tmp_path.glob("*.lines"):
        segment.unlink()
    receiver = started(None, port)
    assert shipper.flush(10)
    shipper.close()
    snapshot = shipper.snapshot()
    assert snapshot.dropped["spool_lost"] > 0
    assert len(receiver.received()) + lost(snapshot) == snapshot.emitted == 310


def test_an_idle_connection_that_the_receiver_closed_is_opened_anew_without_a_word(
    tmp_path: Path, started: Callable[..., Receiver], caplog: pytest.LogCaptureFixture
) -> None:
    receiver = started()
    shipper = shipper_of(config(receiver.url, tmp_path))
    put(shipper, 5, "before")
    assert shipper.flush(5)
    receiver.hang_up()
    put(shipper, 5, "after")
    assert shipper.flush(5)
    shipper.close()
    assert len(receiver.received()) == 10
    assert shipper.snapshot().resent == 0
    assert caplog.records == []


def test_a_record_that_comes_after_the_end_is_shipped_all_the_same(
    tmp_path: Path, started: Callable[..., Receiver]
) -> None:
    receiver = started()
    shipper = shipper_of(config(receiver.url, tmp_path))
    given = put(shipper, 5)
    shipper.close()
    shipper.close()
    given |= put(shipper, 5, "late")
    shipper.close()
    assert set(receiver.received()) == given
    assert (shipper.snapshot().sent, shipper.snapshot().balanced) == (10, True)
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_an_interpreter_that_is_ending_is_kept_and_does_not_hold_it_up(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from openwatt.telemetry.shipping.handler import LogstashHandler
from openwatt.telemetry.shipping.shipper import ShippingConfig
handler = LogstashHandler(ShippingConfig(url="tcp://127.0.0.1:9", spool=Path(sys.argv[1])))
class Late:
    def __del__(self, shipper=handler.shipper):
        shipper.put(b'{"event_id":"late"}\\n')
late = Late()
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=30)
    assert on_disk(tmp_path) == {"late"}


def test_a_ring_keeps_lines_whole_across_its_end(tmp_path: Path) -> None:
    ring = Ring(1000, tmp_path / "a.ring")
    expected: list[bytes] = []
    for number in range(200):
        text = f"{number:0{number % 90 + 3}d}\n".encode()
        while not ring.append(text):
            got = ring.read(ring.head, 100)
            assert got.splitlines(keepends=True) == expected[: got.count(b"\n")]
            del expected[: got.count(b"\n")]
            ring.release(ring.head + len(got))
        expected.append(text)
    assert ring.between(ring.head, ring.tail) == b"".join(expected)
    ring.close()


def test_the_socket_handler_sends_json_lines_where_the_librarys_sends_a_pickle() -> None:
    handler = LogstashHandler(config("tcp://127.0.0.1:1", None))
    handler.setFormatter(logging.Formatter('{"event":"%(message)s"}'))
    record = logging.LogRecord("test", logging.INFO, "", 0, "hello", None, None)
    assert handler.makePickle(record) == b'{"event":"hello"}\n'


ROOT = """
import logging, logging.handlers, sys, threading
connected_by = set()

def seen(event, arguments):
    if event == "socket.connect":
        connected_by.add(threading.current_thread().name)

sys.addaudithook(seen)
from openwatt.telemetry.logs.json_formatter import Identity
from openwatt.telemetry.logs.setup import LogConfig
from openwatt.telemetry.shipping.shipper import ShippingConfig
from openwatt.telemetry.start import TelemetryConfig, start_telemetry
telemetry = start_telemetry(TelemetryConfig(
    logs=LogConfig(identity=Identity()), version="0", revision="0",
    shipping=ShippingConfig(url=sys.argv[1], confirm_seconds=0.2)))
handlers = [one for one in logging.getLogger().handlers if isinstance(one, logging.handlers.SocketHandler)]
for number in range(100):
    logging.getLogger("openwatt.test").warning("number %d", number)
print()
print([one.shipper.flush(10) for one in handlers], handlers[0].sock, sorted(connected_by))
"""


def test_the_root_loggers_handler_is_the_librarys_and_connects_in_the_shipping_thread() -> None:
    receiver = Receiver()
    command = [sys.executable, "-W", "error", "-c", ROOT, receiver.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[True] None ['log-shipping']"
    assert done.stderr == ""
    lines = [json.loads(one) for one in b"".join(map(bytes, receiver.buffers)).splitlines()]
    assert {one["event"] for one in lines} == {f"number {number}" for number in range(100)}
    receiver.close()


def test_https_posts_over_the_handlers_socket_and_trusts_no_unknown_certificate(
    logstash: tuple[type[_Logstash], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_program("openssl")
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *curve, *subject, *files], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    handler, _ = logstash
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    url = f"https://127.0.0.1:{server.server_address[1]}"
    try:
        wary = shipper_of(config(url, tmp_path / "spool"))
        given = put(wary, 10, "unknown")
        assert not wary.flush(1)
        wary.close()
        assert handler.received == []

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        shipper = shipper_of(config(url, tmp_path / "spool"))
        given |= put(shipper, 100, "known")
        assert shipper.flush(15)
        shipper.close()
    finally:
        server.shutdown()
        server.server_close()
    assert set(handler.received) == given


@pytest.mark.parametrize("url", ["udp://h:1", "tcp://h", "h:5000", "tcp://:5000", "http://"])
def test_an_address_that_is_no_logstash_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="Logstash address"):
        Peer.of(url)


@pytest.mark.slow
def test_a_minute_of_chaos_loses_nothing(daemon: SyslogDaemon, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    shipper = shipper_of(config(daemon.url, spool, ring_bytes=1 << 20))
    given: set[str] = set()
    end = time.monotonic() + 60
    life = 0
    while time.monotonic() < end:
        life += 1
        worker = child(daemon.url, spool, 500, name=f"w{life}")
        given |= put(shipper, 1500, f"l{life}", rate=1000)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "done\n"
        given |= {f"w{life}-{number}" for number in range(500)}
        worker.kill()
        worker.communicate()
        daemon.stop(signal.SIGKILL if life % 2 else signal.SIGTERM)
        given |= put(shipper, 800, f"d{life}", rate=1000)
        assert shipper.snapshot().balanced
        daemon.start()
    time.sleep(1)
    assert shipper.flush(30)
    shipper.close()
    with contextlib.suppress(FileNotFoundError):
        assert list(spool.glob("*.lines")) == []
    assert wait_until(lambda: given <= set(daemon.received()))
    assert lost(shipper.snapshot()) == 0


def test_records_are_shipped_as_soon_as_a_thread_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    receiver = Receiver()
    shipper = shipper_of(config(receiver.url, tmp_path))
    with monkeypatch.context() as patched:  # as under pids_limit, TasksMax or RLIMIT_NPROC
        patched.setattr(threading.Thread, "start", refused)
        put(shipper, 3, "early")
        shipper.close()
    put(shipper, 1, "late")
    assert shipper.flush(10)
    shipper.close()
    lines = b"".join(map(bytes, receiver.buffers)).splitlines()
    assert [json.loads(one)["event_id"] for one in lines] == ["early-0", "early-1", "early-2", "late-0"]
    receiver.close()


def test_a_failure_to_tell_the_state_does_not_end_shipping(tmp_path: Path) -> None:
    failures = [OSError(28, "No space left on device"), ValueError("counters only grow")]

    def told(_snapshot: Snapshot) -> None:
        if failures:
            raise failures.pop(0)

    receiver = Receiver()
    shipper = shipper_of(config(receiver.url, tmp_path), on_progress=told)
    put(shipper, 1, "first")
    assert wait_until(lambda: not failures)
    put(shipper, 1, "second")
    assert shipper.flush(10)
    shipper.close()
    receiver.close()
