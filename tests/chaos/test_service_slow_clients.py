"""Clients that say nothing, say it slowly, or read nothing: everybody else is answered nevertheless."""

import http.client
import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.running import PATIENCE_S, REPOSITORY, Home, Service, free_port, service_alone, wait_until

HISTORY = b"GET /v1/tariffs/history?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /health HTTP/1.1\r\nHost: x\r\nX-A"
POST = b"POST /v1/bills HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
#: Clients that hold on to a connection: how many, and what they send.
CLIENTS = {
    "30 readers of nothing": (30, HISTORY * 12),
    "200 silent ones": (200, b""),
    "200 with half a head": (200, HALF),
    "60 with a small body that does not come": (60, POST + b"Content-Length: 50000\r\n\r\n{"),
    "60 with a large body that does not come": (60, POST + b"Content-Length: 5000000\r\n\r\n{"),
    "60 with a chunk that does not come": (60, POST + b"Transfer-Encoding: chunked\r\n\r\n10\r\n{"),
    "30 that do not close": (30, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"),
    "3,300 silent ones": (3_300, b""),
}
ASKED = ("/health", "/health/ready", "/v1/suppliers", "/v1/tariffs?supplier=EDF&option=BASE&power_kva=6")
#: A probe's answer has come by then.
AT_ONCE_S = 1.0


@pytest.fixture(scope="module", autouse=True)
def _descriptors() -> Iterator[None]:
    """Thousands of connections need as many descriptors, here and in the service."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def running(_descriptors: None) -> Iterator[Service]:
    """One service of two workers for all these clients."""
    with service_alone() as started:
        yield started


@contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ends a process with the block, however that ends."""
    try:
        yield
    finally:
        process.kill()


def unread_bytes(service: Service, client: socket.socket) -> int:
    """What a client has sent and no worker has read yet, as the kernel counts it."""
    ports = [f"{port:04X}" for port in (service.port, client.getsockname()[1])]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, *addresses, _, queues = line.split()[:5]
        if [address.partition(":")[2] for address in addresses] == ports:
            return int(queues.partition(":")[2], 16)
    raise AssertionError("the connection is gone")


@contextmanager
def clients(port: int, number: int, said: bytes) -> Iterator[list[socket.socket]]:
    """Clients that say something each, and then nothing, and read nothing."""
    if number > resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100:
        pytest.skip("so many clients need as many open files: ulimit -Hn 8192")
    held: list[socket.socket] = []
    try:
        for _ in range(number):
            client = socket.socket()
            held.append(client)
            client.settimeout(PATIENCE_S)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", port))
            client.sendall(said)
        yield held
    finally:
        for client in held:
            client.close()


def worst_seconds(ask: Callable[[], float]) -> float:
    """The longest of some answers, in the best of three tries: a machine may stall."""
    return min(max(ask() for _ in range(5)) for _ in range(3))


def metric(service: Service, name: str) -> dict[str, float]:
    """The samples of a family, by the value of its one label."""
    text = service.get("/metrics").body.decode()
    return {
        "".join(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


@pytest.mark.parametrize("who", CLIENTS)
def test_everybody_else_is_answered_at_once(running: Service, who: str) -> None:
    number, said = CLIENTS[who]
    with clients(running.port, number, said):

        def asked(path: str) -> float:
            answer = running.get(path)
            assert answer.status == 200, answer
            return answer.seconds

        for path in ASKED:
            assert worst_seconds(partial(asked, path)) < AT_ONCE_S, path


#: 200 clients that send one probe after the other, whatever comes back, until they are ended.
FLOOD = """
import asyncio, sys

async def client():
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
            while True:
                writer.write(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                if not await reader.read(4096):
                    break
        except OSError:
            await asyncio.sleep(0.05)

async def flood():
    await asyncio.gather(*(client() for _ in range(200)))

asyncio.run(flood())
"""


def test_a_flood_of_probes_delays_none_of_another_peer(home: Home) -> None:
    service = home.service(OPENWATT_WORKERS="1", OPENWATT_TRUSTED_PROXIES="1").ready()
    with subprocess.Popen([sys.executable, "-c", FLOOD, str(service.port)]) as flood, ended(flood):
        wait_until(lambda: metric(service, "openwatt_worker_connections").get("all", 0) > 100)

        def probe() -> float:
            begun = time.monotonic()
            with socket.create_connection(
                ("127.0.0.1", service.port), timeout=PATIENCE_S, source_address=("127.0.0.2", 0)
            ) as asking:
                asking.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert asking.recv(4096).startswith(b"HTTP/1.1 200 ")
            return time.monotonic() - begun

        assert worst_seconds(probe) < AT_ONCE_S
        assert flood.poll() is None, "the flood lasts"
    assert service.end() == 0


def test_an_address_has_a_share_of_the_connections_and_its_idle_ones_give_way(running: Service) -> None:
    before = metric(running, "openwatt_connections_ended_total")
    with clients(running.port, 1_000, b""):
        wait_until(lambda: metric(running, "openwatt_connections_ended_total")["address"] > before["address"])
        held = metric(running, "openwatt_worker_connections")
        assert held["receiving"] <= held["most"] / 4 + 2
    assert metric(running, "openwatt_connections_ended_total")["full"] == before["full"]
    wait_until(lambda: metric(running, "openwatt_worker_connections")["all"] <= 2)  # the one that asks


def test_a_proxys_connections_are_many_and_few_file_descriptors_are_no_crash(home: Home) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (600, hard))
    try:
        service = home.service(OPENWATT_WORKERS="1", OPENWATT_TRUSTED_PROXIES="1").ready()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with clients(service.port, 400, b""):
        wait_until(lambda: metric(service, "openwatt_worker_connections").get("receiving", 0) >= 400)
        assert sum(metric(service, "openwatt_connections_ended_total").values()) == 0
        with clients(service.port, 400, b""):
            assert service.answers("/health")
            assert service.answers()
            assert metric(service, "openwatt_connections_ended_total")["full"] > 0
    assert metric(service, "openwatt_worker_starts_total") == {"1": 1}, service.said()[-4000:]
    assert service.end() == 0


def test_an_answer_waits_for_a_client_that_pauses(running: Service) -> None:
    with clients(running.port, 1, HISTORY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as (
        client,
    ):
        time.sleep(2)
        whole = b""
        while data := client.recv(65536):
            whole += data
    head, _, body = whole.partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert json.loads(body)["tariffs"]


@pytest.mark.slow
def test_who_reads_nothing_is_ended_and_who_reads_slowly_is_not(running: Service) -> None:
    said = HISTORY * 3 + HISTORY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    before = metric(running, "openwatt_connections_ended_total")["answer"]
    with clients(running.port, 30, HISTORY * 12), clients(running.port, 1, said) as (slow,):
        whole, began = b"", time.monotonic()
        while data := slow.recv(4096):
            whole += data
            if time.monotonic() < began + 45:
                time.sleep(0.5)
        assert whole.count(b"HTTP/1.1 200") == 4
        assert metric(running, "openwatt_connections_ended_total")["answer"] == before + 30
        wait_until(lambda: metric(running, "openwatt_worker_connections")["all"] <= 2)


#: Bodies that no parser takes, and what is said of each.
MALFORMED = {
    "a size that is no number": (b"ZZ\r\nhello\r\n0\r\n\r\n", "chunk size"),
    "a size with 0x": (b"0x5\r\nhello\r\n0\r\n\r\n", "chunk size"),
    "a negative size": (b"-5\r\nhello\r\n0\r\n\r\n", "chunk size"),
    "no size": (b"\r\nhello\r\n0\r\n\r\n", "chunk size"),
    "a size with a space": (b"5 \r\nhello\r\n0\r\n\r\n", "chunk size"),
    "a line without an end": (b"5" * 100_000, "chunk size"),
    "an extension of 100 kB": (b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n", "chunk size"),
    "an extension that is none": (b'2;a="\r\n{}\r\n0\r\n\r\n', "extension"),
    "no line end after a chunk": (b"2\r\n{}0\r\n\r\n", "terminator"),
    "a bare line feed": (b"2\n{}\n0\n\n", "ended"),
    "twenty thousand trailers": (b"2\r\n{}\r\n0\r\n" + b"X-A: 1\r\n" * 20_000 + b"\r\n", "limit"),
    "a trailer without a name": (b"2\r\n{}\r\n0\r\n: x\r\n\r\n", "eader"),
    "a chunk that is cut": (b"100\r\n--a\r\n", "ended"),
    "a last chunk that is cut": (b"2\r\n{}\r\n0\r\n", "terminator"),
    "a chunk that nobody can hold": (b"FFFFFFFFFFFFFFFFFF\r\nhello", "ended"),
}


def say(service: Service, said: bytes) -> bytes:
    """What is answered until the connection is closed; the client says that it has no more."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_S) as client:
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while data := client.recv(65536):
            answer += data
        return answer


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/bills", "application/json"),
        ("/v1/bills", "multipart/form-data; boundary=a"),
        ("/v1/registers", "multipart/form-data; boundary=a"),
        ("/", "multipart/form-data; boundary=a"),
    ],
)
@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_body_is_the_clients_fault(running: Service, fault: str, path: str, kind: str) -> None:
    body, words = MALFORMED[fault]
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = say(running, head.encode() + body)
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    status = int(answer.split()[1])
    assert status == 400, answer
    if path == "/":
        return  # a page says it in its own way
    assert b"application/problem+json" in answer
    assert words in json.loads(answer.partition(b"\r\n\r\n")[2])["detail"], answer


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_body_that_nobody_reads_has_one_answer(running: Service, fault: str) -> None:
    head = b"POST /v1/tariffs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = say(running, head + MALFORMED[fault][0])
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert answer.startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    "framing", [b"Transfer-Encoding: chunked\r\n\r\n1000\r\n", b"Content-Length: 99999\r\n\r\n"]
)
def test_an_upload_whose_client_is_gone_is_no_fault_of_ours(running: Service, framing: bytes) -> None:
    kind = b"POST /v1/bills HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=a\r\n"
    before = running.said().count('"status":400')
    with clients(running.port, 1, kind + framing + b"--a\r\n") as (client,):
        wait_until(lambda: not unread_bytes(running, client))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing resets
    wait_until(lambda: running.said().count('"status":400') > before)


def test_nothing_of_this_was_a_fault_of_the_service(running: Service) -> None:
    """Stands behind the tests above: it reads the log of all of them."""
    said = running.said()
    assert "Traceback" not in said, said[-8000:]
    assert '"level":"error"' not in said
    assert '"status":5' not in said


def test_a_worker_whose_threads_all_hang_says_so_and_is_replaced() -> None:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.web.http.hanging:app", "--bind", f"127.0.0.1:{port}"]
    command += [
        "--worker-class",
        "openwatt.web.http.worker.Worker",
        "--threads",
        "2",
        "--timeout",
        "4",
        "-c",
        "/dev/null",
    ]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def health() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            connection.request("GET", "/health")
            with connection.getresponse() as response:
                return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    try:
        wait_until(lambda: health()[0] == 200)
        with clients(port, 2, b"GET /hang HTTP/1.1\r\n\r\n"):
            assert health()[0] == 200, "a probe has a thread of its own"
            assert b"No thread" in wait_until(lambda: found[1] if (found := health())[0] == 503 else b"")
            wait_until(lambda: health()[0] == 200)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
