"""Files of the metrics that are damaged, that cannot grow, or that a dead master has left."""

import errno
import logging
import os
import shutil
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from openwatt.telemetry.metrics.registry import exposition_of
from openwatt.telemetry.metrics.scrape import read_scrape
from openwatt.telemetry.metrics.server import MetricsServer
from openwatt.telemetry.metrics.worker_metrics import WorkerMetrics
from openwatt.telemetry.metrics.worker_slots import master_lives
from tests.log_receivers import wait_until
from tests.telemetry.metrics.master_script import MASTER


def run(script: str, *arguments: str | Path, **named: object) -> str:
    """What a script says that begins as MASTER."""
    command = [sys.executable, "-c", MASTER + script, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=60, **named)  # type: ignore[call-overload]
    return str(done.stdout)


def told(exposition: str | bytes) -> dict[tuple[str, str], float]:
    """Sample and its labels' values → value."""
    text = exposition.decode() if isinstance(exposition, bytes) else exposition
    return {
        (sample.name, " ".join(sample.labels.values())): sample.value
        for samples in read_scrape(text).values()
        for sample in samples
    }


REQUESTS = ("http_requests_total", "GET /v1/tariffs 200")
TWO_WORKERS = (
    "for _ in range(2):\n    fork(count)\nfor pid in list(server.WORKERS):\n    os.waitpid(pid, 0)\n"
)


def _garbled(content: bytes) -> bytes:
    return content[:8] + bytes(byte ^ 0xA5 for byte in content[8:])


def _first_key(content: bytes, key: bytes) -> bytes:
    (length,) = struct.unpack_from("i", content, 8)
    return content[:12] + key.ljust(length)[:length] + content[12 + length :]


#: What a crash, a bad disk, a wrong copy or a hand can leave.
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut in its header": lambda content: content[:3],
    "cut in its used part": lambda content: content[:100],
    "cut after its used part": lambda content: content[: struct.unpack_from("i", content)[0]],
    "all zero": lambda content: bytes(len(content)),
    "garbled": _garbled,
    "random": lambda content: bytes((7 * n * n + 13 * n + 5) % 251 for n in range(len(content))),
    "text": lambda _content: b"a note that somebody has put here\n" * 9,
    "used more than there is": lambda content: struct.pack("i", 1 << 30) + content[4:],
    "used less than a header": lambda content: struct.pack("i", 5) + content[4:],
    "used less than nothing": lambda content: struct.pack("i", -9) + content[4:],
    "a key of no length": lambda content: content[:8] + struct.pack("i", 0) + content[12:],
    "a key of negative length": lambda content: content[:8] + struct.pack("i", -28) + content[12:],
    "a key without an end": lambda content: content[:8] + struct.pack("i", 1 << 30) + content[12:],
    "a key that is no JSON": lambda content: _first_key(content, b"{["),
    "a key of another shape": lambda content: _first_key(content, b'["a", "b"]'),
    "a key without labels": lambda content: _first_key(content, b'["a", "b", 7, "c"]'),
    "a key that is no UTF-8": lambda content: _first_key(content, b"\xff\xfe"),
}
#: What says the same as before, or nothing yet: neither is damage.
SOUND = {"cut after its used part": "read", "all zero": "empty"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a master with two workers, of which each has counted ten requests."""
    directory = tmp_path_factory.mktemp("written") / "m"
    run(TWO_WORKERS, directory)
    assert told(generate_latest(exposition_of(directory)))[REQUESTS] == 20
    return directory


@pytest.fixture
def shared(written: Path, tmp_path: Path) -> Path:
    """The same, to be spoiled."""
    return Path(shutil.copytree(written, tmp_path / "127.0.0.1-8000"))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["counter", "histogram"])
def test_one_damaged_file_is_set_aside_named_and_counted_and_the_rest_is_served(
    shared: Path, caplog: pytest.LogCaptureFixture, damage: str, kind: str
) -> None:
    (file,) = shared.glob(f"{kind}_*-1.db")
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    with caplog.at_level(logging.ERROR):
        first = told(generate_latest(exposition_of(shared)))
        second = told(generate_latest(exposition_of(shared)))
    assert second == first
    state = SOUND.get(damage, "damaged")
    whole = state == "read"
    counted = {"counter": REQUESTS, "histogram": ("http_request_duration_seconds_count", REQUESTS[1])}
    assert first[counted.pop(kind)] == (20 if whole else 10)
    assert first[counted.popitem()[1]] == 20
    assert first["openwatt_metrics_files", state] >= 1
    assert first["openwatt_metrics_files", "damaged"] == (state == "damaged")
    said = [record.__dict__["file"] for record in caplog.records]
    assert said == ([f"{file}.damaged"] if state == "damaged" else [])
    assert file.exists() == (state != "damaged")


@pytest.mark.parametrize("name", ["notes.db", "gauge_7.db", "other_1-1.db", "counter_.db"])
def test_a_file_that_is_none_of_ours_does_not_cost_the_scrape(shared: Path, name: str) -> None:
    shutil.copy(next(shared.glob("counter_*-1.db")), shared / name)
    found = told(generate_latest(exposition_of(shared)))
    assert found[REQUESTS] in {20, 30}  # a copy of a counter under a counter's name is one
    (shared / name).unlink(missing_ok=True)
    assert told(generate_latest(exposition_of(shared)))[REQUESTS] == 20


def test_a_file_that_cannot_be_read_is_named_once_and_stays(
    shared: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (shared / "counter_1.5-1.db").mkdir()  # no user can read it as a file, root neither
    collector = exposition_of(shared)
    for _ in range(3):
        found = told(generate_latest(collector))
    assert found[REQUESTS] == 20
    assert found["openwatt_metrics_files", "unreadable"] == 1
    assert [record.__dict__["error"] for record in caplog.records] == [os.strerror(errno.EISDIR)]
    assert (shared / "counter_1.5-1.db").is_dir()


def test_a_file_of_a_mode_that_forbids_reading_stays_for_its_owner(shared: Path, tmp_path: Path) -> None:
    script = """
import tempfile, shutil
from openwatt.telemetry.metrics.registry import exposition_of
from prometheus_client import generate_latest
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, 0o755)
    there = Path(shutil.copytree(sys.argv[2], Path(folder, "m")))
    (file,) = there.glob("counter_*-1.db")
    file.chmod(0)
    there.chmod(0o777)
    if os.geteuid() == 0:
        os.setgroups([])
        os.seteuid(65534)  # root may read everything
    print(generate_latest(exposition_of(there)).decode())
    assert file.exists()
    os.seteuid(os.getuid())
"""
    found = told(run(script, tmp_path / "spare", shared))
    assert found[REQUESTS] == 10
    assert found["openwatt_metrics_files", "unreadable"] == 1


def test_a_separate_server_serves_the_rest_as_well(shared: Path) -> None:
    (file,) = shared.glob("counter_*-2.db")
    file.write_bytes(b"no metrics")
    server = MetricsServer(0, shared)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as response:
            found = told(response.read())
    finally:
        server.close()
    assert found[REQUESTS] == 10
    assert found["openwatt_metrics_files", "damaged"] == 1


def test_a_worker_writes_its_damaged_moved_or_removed_files_again_with_every_number(tmp_path: Path) -> None:
    script = """
def work():
    count()
    mine = lambda: sorted(directory.glob("*-1.db"))
    for spoil in (
        lambda file: file.unlink(),
        lambda file: file.rename(file.with_suffix(".damaged")),
        lambda file: file.write_bytes(b"x" * file.stat().st_size),
        lambda file: os.replace(next(directory.glob("counter_*-0.db")), file) if file.name[0] == "c" else 0,
    ):
        for file in mine():
            spoil(file)
        metrics.worker.report_losses()
        assert len(mine()) >= 3, mine()
    count(1)
pid = fork(work)
assert os.waitpid(pid, 0)[1] == 0
sys.stdout.write(scraped())
"""
    found = told(run(script, tmp_path / "m"))
    assert found[REQUESTS] == 11
    assert found["http_request_duration_seconds_count", REQUESTS[1]] == 11
    assert found["openwatt_workers_expected", ""] == 2


def test_a_worker_that_takes_over_a_damaged_file_starts_and_counts(tmp_path: Path) -> None:
    script = """
pid = fork(count)
os.waitpid(pid, 0)
server.WORKERS.clear()
for file in directory.glob("*-1.db"):
    file.write_bytes(file.read_bytes()[:8] + os.urandom(1000))
pid = fork(count)
assert os.waitpid(pid, 0)[1] == 0
sys.stdout.write(scraped())
"""
    found = told(run(script, tmp_path / "m"))
    assert found[REQUESTS] == 10
    assert found["openwatt_metrics_files", "damaged"] >= 3


def test_what_has_no_room_is_counted_as_lost_and_written_as_soon_as_there_is_room(tmp_path: Path) -> None:
    script = """
import resource, time
def work():
    metrics.observe_request("GET", "/before", 200, 0.01)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, resource.RLIM_INFINITY))  # no file may grow
    for number in range(400):
        metrics.observe_request("GET", f"/{number}", 200, 0.01)
        metrics.observe_request("GET", "/before", 200, 0.01)
    metrics.worker.report_losses()
    print(scraped(), end="----")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    time.sleep(1.1)
    metrics.worker.report_losses()
    print(scraped(), end="")
pid = fork(work)
assert os.waitpid(pid, 0)[1] == 0
"""
    full, after = map(told, run(script, tmp_path / "m").split("----"))
    assert full["http_requests_total", "GET /before 200"] == 401
    served = sum(("http_requests_total", f"GET /{number} 200") in full for number in range(400))
    assert 10 < served < 390
    assert full["openwatt_writes_lost_total", "metrics"] >= 2 * (400 - served)
    assert all(after["http_requests_total", f"GET /{number} 200"] == 1 for number in range(400))
    buckets = [after["http_request_duration_seconds_count", f"GET /{number} 200"] for number in range(400)]
    assert buckets == [1.0] * 400


@pytest.mark.parametrize("folder", ["[--1]-8000", "[--]-8000", "*-8000", "?[!a]-8000"])
def test_the_gauges_of_dead_workers_are_forgotten_whatever_the_folder_is_called(
    tmp_path: Path, folder: str
) -> None:
    script = """
def work():
    metrics.in_progress.inc()
    os.kill(os.getpid(), 9)
for _ in range(3):
    pid = fork(work)
    os.waitpid(pid, 0)
    worker_slots.child_exit(server.WORKERS.pop(pid))
sys.stdout.write(scraped())
worker_slots.on_exit()
"""
    directory = tmp_path / "a[b]" / folder
    assert told(run(script, directory))["http_requests_in_progress", ""] == 0
    assert not list(directory.glob("gauge_live*"))


LIMITER = ("openwatt_rate_limiter_degraded", "")
KILLED = """
def work():
    metrics.limiter_degraded.set(1)
    count()
    os.kill(os.getppid(), 9)
fork(work)
os.wait()
"""


def killed_master(directory: Path) -> str:
    """The identity of a master that was killed while its worker's limiter was degraded."""
    command = [sys.executable, "-c", MASTER + KILLED, str(directory)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -9
    (lock,) = directory.glob("master_*.lock")
    # The worker that killed it holds the lock too, until it has ended itself.
    assert wait_until(lambda: master_lives(directory, lock.name) is False, seconds=30)
    return lock.stem.removeprefix("master_")


def test_a_dead_masters_gauges_are_not_told_though_its_pid_is_taken(tmp_path: Path) -> None:
    master = killed_master(tmp_path / "m")
    # Its number belongs to this process now, as if the machine had given it again.
    for file in list((tmp_path / "m").iterdir()):
        file.rename(str(file).replace(master, f"{os.getpid()}.{master.partition('.')[2]}"))
    found = told(generate_latest(exposition_of(tmp_path / "m")))
    assert found[REQUESTS] == 10, "what it has done stays"
    assert LIMITER not in found
    upgraded = told(
        run("sys.stdout.write(scraped())", tmp_path / "m", env=os.environ | {"GUNICORN_PID": "1"})
    )
    assert (upgraded[LIMITER], upgraded[REQUESTS]) == (0, 10)
    cold = told(run("sys.stdout.write(scraped())", tmp_path / "m"))
    assert cold[LIMITER] == 0
    assert REQUESTS not in cold
    assert not [path for path in (tmp_path / "m").iterdir() if f"{os.getpid()}." in path.name]


def test_a_cold_start_leaves_the_files_of_a_master_that_lives(tmp_path: Path) -> None:
    script = """
def work():
    metrics.limiter_degraded.set(1)
    count()
    sys.stdin.read()
pid = fork(work)
print("ready", flush=True)
os.waitpid(pid, 0)
"""
    command = [sys.executable, "-c", MASTER + script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as living:
        assert living.stdout is not None
        assert living.stdout.readline() == "ready\n"
        found: dict[tuple[str, str], float] = {}
        while found.get(LIMITER) != 1:
            found = told(run("sys.stdout.write(scraped())", tmp_path))
        assert found[REQUESTS] == 10
        living.communicate()
    assert REQUESTS not in told(run("sys.stdout.write(scraped())", tmp_path))


def test_the_losses_are_told_before_the_first_one() -> None:
    from prometheus_client import CollectorRegistry  # noqa: PLC0415

    registry = CollectorRegistry()
    WorkerMetrics(registry)
    found = told(generate_latest(registry))
    targets = {labels for name, labels in found if name == "openwatt_writes_lost_total"}
    assert targets == {"log_file", "metrics", "stdout"}
