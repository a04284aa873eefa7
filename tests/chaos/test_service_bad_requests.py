"""Requests that no library would send: each gets a problem that names the fault, or a clean close."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.chaos.running import Service, service_alone

#: A whole request, what its status must be, and words that its problem document must hold.
HOSTILE = {
    "a query string of 100 kB": (b"GET /v1/tariffs?option=%s HTTP/1.1" % (b"A" * 100_000), {414}, "Line"),
    "a query string that only we refuse": (
        b"GET /v1/tariffs?offer=%s HTTP/1.1" % (b"A" * 4_001),
        {400},
        "4,000",
    ),
    "a NUL byte in the query": (b"GET /v1/tariffs?offer=a\0b HTTP/1.1", {400}, "offer"),
    "an escaped NUL byte in the query": (b"GET /v1/tariffs?offer=a%00b HTTP/1.1", {400}, "offer"),
    "a NUL byte in the path": (b"GET /v1/tar\0iffs HTTP/1.1", {400}, "Request Line"),
    "an escaped NUL byte in the path": (b"GET /v1/tar%00iffs HTTP/1.1", {404}, "address"),
    "invalid UTF-8 in the query": (b"GET /v1/tariffs?offer=%ff%fe HTTP/1.1", {400}, "UTF-8"),
    "raw invalid UTF-8 in the query": (b"GET /v1/tariffs?offer=\xff\xfe HTTP/1.1", {400}, "Request Line"),
    "invalid UTF-8 in the path": (b"GET /v1/%ff%fe HTTP/1.1", {404}, "address"),
    "raw invalid UTF-8 in the path": (b"GET /v1/\xff\xfe HTTP/1.1", {400}, "Request Line"),
    "an unknown parameter": (b"GET /v1/tariffs?colour=red HTTP/1.1", {400}, "colour"),
    "an impossible date": (b"GET /v1/tariffs?on=2025-02-30 HTTP/1.1", {400}, "on"),
    "power 0": (b"GET /v1/tariffs?power_kva=0 HTTP/1.1", {400}, "power_kva"),
    "power six": (b"GET /v1/tariffs?power_kva=six HTTP/1.1", {400}, "power_kva"),
    "a power of 5000 digits": (b"GET /v1/tariffs?power_kva=%s HTTP/1.1" % (b"9" * 3900), {400}, "power_kva"),
    "an unknown option": (b"GET /v1/tariffs?option=NIGHT HTTP/1.1", {400}, "option"),
    "a method that is no word": (b"G@T /v1/tariffs HTTP/1.1", {400}, "Method"),
    "a method nobody knows": (b"FROBNICATE /v1/tariffs HTTP/1.1", {405}, "method"),
    "a method in small letters": (b"get /v1/tariffs HTTP/1.1", {400, 405}, "ethod"),
    "a request line of garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {400}, "Request Line"),
    "a version from the future": (b"GET /v1/tariffs HTTP/9.9", {400, 505}, "Version"),
    "no path": (b"GET HTTP/1.1", {400}, "Request Line"),
    "an address with a bad port": (b"GET http://[::1/v1/tariffs HTTP/1.1", {400}, ""),
    "a header of 100 kB": (b"GET /v1/tariffs HTTP/1.1\r\nX-Long: %s" % (b"a" * 100_000), {431}, "header"),
    "a thousand headers": (b"GET /v1/tariffs HTTP/1.1" + b"\r\nX-Many: 1" * 1_000, {431}, "header"),
    "a header without a name": (b"GET /v1/tariffs HTTP/1.1\r\n: nobody", {400}, "eader"),
    "a header with a NUL byte": (b"GET /v1/tariffs HTTP/1.1\r\nAccept: a\0b", {400}, "eader"),
    "a length that is no number": (
        b"GET /v1/tariffs HTTP/1.1\r\nContent-Length: abc",
        {400},
        "CONTENT-LENGTH",
    ),
    "a negative length": (b"GET /v1/tariffs HTTP/1.1\r\nContent-Length: -1", {400}, "CONTENT-LENGTH"),
    "two lengths": (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", {400}, "CONTENT-LENGTH"),
    "a length and chunks": (
        b"POST /v1/tariffs HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        {400},
        "CONTENT-LENGTH",
    ),
    "a coding nobody knows": (b"POST /v1/tariffs HTTP/1.1\r\nTransfer-Encoding: knots", {400, 501}, "coding"),
    "an expectation nobody meets": (b"GET /v1/tariffs HTTP/1.1\r\nExpect: a miracle", {417}, "miracle"),
    "a script's name": (b"GET /v1/tariffs HTTP/1.1\r\nSCRIPT_NAME: /elsewhere", {200}, ""),
    "a form nobody answers in": (b"GET /v1/tariffs HTTP/1.1\r\nAccept: image/png", {406}, "text/csv"),
    "an unreadable Accept": (b"GET /v1/tariffs HTTP/1.1\r\nAccept: ;;;q=,/*/", {200, 406}, ""),
    "an unreadable range": (b"GET /v1/tariffs HTTP/1.1\r\nRange: bytes=9-1\r\nIf-Range: x", {200}, ""),
    "an unreadable host": (b"GET /v1/tariffs HTTP/1.1\r\nHost: [[[", {200, 400}, ""),
    "a forged cursor": (b"GET /v1/tariffs?cursor=1~%F0%9F%92%A9~x~BASE~6 HTTP/1.1", {200, 400}, ""),
}
#: Statuses a good answer may have; its form is another test's matter.
GOOD = {200, 304}


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    """One service for all the requests of this module, which it must survive."""
    with service_alone() as started:
        yield started


def say(service: Service, said: bytes, *, patience: float = 20) -> bytes:
    """What the service answers to bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=patience) as client:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may refuse before it has heard everything
            client.sendall(said)
        answer = b""
        with suppress(ConnectionResetError):
            while chunk := client.recv(65536):
                answer += chunk
        return answer


def problem_in(answer: bytes) -> tuple[int, dict[str, object]]:
    """The status of an answer and its problem document."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    headers = head.decode("latin-1").lower()
    assert "content-type: application/problem+json" in headers, answer[:400]
    document = json.loads(body)
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return status, document


@pytest.mark.parametrize("name", HOSTILE)
def test_each_hostile_request_is_told_its_fault(running: Service, name: str) -> None:
    request, statuses, words = HOSTILE[name]
    answer = say(running, request + b"\r\nConnection: close\r\n\r\n")
    assert answer, "closed without a word"
    status = int(answer.split()[1])
    assert status in statuses, answer[:400]
    if status not in GOOD:
        _, document = problem_in(answer)
        assert words in json.dumps(document), document
    assert running.answers()


@pytest.mark.parametrize("path", ["/v1/tariffs", "/v1/tempo", "/health", "/openapi.json", "/nowhere"])
@pytest.mark.parametrize("length", ["told", "chunked"])
def test_a_body_of_ten_megabytes_is_refused_in_a_problem(running: Service, path: str, length: str) -> None:
    body = b"a" * 10_000_000
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n"
    if length == "told":
        said = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    else:
        chunks = (b"%x\r\n%s\r\n" % (100_000, body[:100_000]) for _ in range(100))
        said = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"".join(chunks) + b"0\r\n\r\n"
    status, _ = problem_in(say(running, said))
    assert status == (404 if path == "/nowhere" else 405)
    assert running.answers()


def test_every_route_refuses_every_wrong_method(running: Service) -> None:
    contract = running.get("/openapi.json").json()["paths"]
    assert len(contract) > 10
    pages: dict[str, dict[str, object]] = {
        "/": {"post": {}},
        "/docs": {},
        "/openapi.json": {},
        "/tariffs": {},
    }
    for route, right in (contract | pages).items():
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW"):
            if method.lower() in right:
                continue
            status, document = problem_in(
                say(running, f"{method} {route} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            )
            assert status == 405, (method, route, document)


def test_slow_and_silent_clients_keep_nobody_from_an_answer(running: Service) -> None:
    slow = [socket.create_connection(("127.0.0.1", running.port), timeout=30) for _ in range(30)]
    try:
        for number, client in enumerate(slow):
            if number % 2:
                client.sendall(b"GET /v1/tariffs HTTP/1.1\r\nHost: ")
        for _ in range(3):
            assert running.get("/health", timeout=30).status == 200
        assert slow[1].recv(1) == b"", "closed without an answer, for there was no request"
    finally:
        for client in slow:
            client.close()
    assert running.answers()


def test_a_client_may_take_a_while(running: Service) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as slow:
        for piece in (b"GET /health HT", b"TP/1.1\r\nHost: x\r\n", b"Connection: close\r\n\r\n"):
            slow.sendall(piece)
            time.sleep(0.7)
        assert slow.recv(12) == b"HTTP/1.1 200"


def test_many_requests_in_one_breath_are_all_answered(running: Service) -> None:
    one = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert say(running, one * 20 + last).count(b"HTTP/1.1 200") == 20


def test_nothing_of_this_was_a_fault_of_the_service(running: Service) -> None:
    """Stands last in this module: it reads the log of all the tests above."""
    assert "Traceback" not in running.said(), running.said()[-8000:]


def test_a_request_that_never_reached_the_application_is_logged_and_counted_too(running: Service) -> None:
    head, _, _ = say(running, b"NOT A REQUEST AT ALL\r\n\r\n").decode().partition("\r\n\r\n")
    (request_id,) = [line.split(": ")[1] for line in head.splitlines() if line.startswith("X-Request-ID")]
    records = [json.loads(line) for line in running.said().splitlines() if request_id in line]
    assert [(record["event"], record["status"]) for record in records] == [("request", 400)]
    counted = running.get("/metrics").body.decode()
    assert 'http_requests_total{method="OTHER",route="<unmatched>",status="400"}' in counted
