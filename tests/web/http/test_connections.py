"""What arrives of a request, byte by byte or at once, and what is kept of an answer that nobody reads."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from gunicorn.config import Config

from openwatt.web.http.connections import (
    MOST_HEAD_BYTES,
    READ_WINDOW_S,
    SMALL_BODY_BYTES,
    Arrival,
    ClientConnection,
    counted_address,
)

GET = b"GET /v1/tariffs HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/bills HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
#: What is sent → what has arrived when all of it is there.
WHOLE = {
    GET: Arrival.REQUEST,
    b"\r\n" + GET: Arrival.REQUEST,
    GET + GET: Arrival.REQUEST,
    b"GET /health HTTP/1.1\r\n\r\n": Arrival.PROBE,
    b"HEAD /health/ready?now HTTP/1.1\r\nHost: x\r\n\r\n": Arrival.PROBE,
    b"GET /openwatt/health HTTP/1.1\r\n\r\n": Arrival.PROBE,
    b"POST /health HTTP/1.1\r\n\r\n": Arrival.REQUEST,
    b"GET /v1/health/ingest HTTP/1.1\r\n\r\n": Arrival.REQUEST,
    POST % 5 + b"12345": Arrival.REQUEST,
    POST % 0: Arrival.REQUEST,
    POST % SMALL_BODY_BYTES + b"a" * SMALL_BODY_BYTES: Arrival.REQUEST,
    POST % (SMALL_BODY_BYTES + 1): Arrival.UPLOAD,
    b"POST / HTTP/1.1\r\nContent-Length: " + b"0" * 30 + b"5\r\n\r\n": Arrival.UPLOAD,
    b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n": Arrival.UPLOAD,
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n": Arrival.UPLOAD,
    b"POST / HTTP/1.1\r\ntransfer-encoding : chunked\r\n\r\n": Arrival.UPLOAD,
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n": Arrival.UPLOAD,
    # What the parser refuses is not waited for.
    b"GET / HTTP/1.1\n": Arrival.REQUEST,
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n": Arrival.REQUEST,
    b"POST / HTTP/1.1\r\nContent-Length: 1e9\r\n\r\n": Arrival.REQUEST,
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n": Arrival.REQUEST,
}


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, ClientConnection]]:
    """A client's end of a connection and the worker's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        accepted, address = listening.accept()
    connection = ClientConnection(Config(), accepted, address, ("127.0.0.1", 80), counted_address(address))
    with client:
        yield client, connection
    connection.close()


def receive(connection: ClientConnection, most: int = 100) -> Arrival:
    """What has arrived once something has."""
    for _ in range(most):
        connection.wait_for_data(5)
        if (arrival := connection.receive()) is not Arrival.PART or connection.closed_by_client:
            return arrival
    return Arrival.PART


@pytest.mark.parametrize("sent", WHOLE, ids=lambda sent: sent[:60].decode())
def test_a_request_that_comes_at_once_is_seen_at_once(
    ends: tuple[socket.socket, ClientConnection], sent: bytes
) -> None:
    client, connection = ends
    client.sendall(sent)
    assert receive(connection) is WHOLE[sent]
    assert bytes(connection.received) == sent[: len(connection.received)]


@pytest.mark.parametrize(
    "sent", [one for one in WHOLE if len(one) < 200], ids=lambda sent: sent[:60].decode()
)
def test_a_request_that_comes_byte_by_byte_is_seen_with_its_last(
    ends: tuple[socket.socket, ClientConnection], sent: bytes
) -> None:
    client, connection = ends
    if sent == GET + GET:
        sent = GET
    for at in range(len(sent) - 1):
        client.sendall(sent[at : at + 1])
        assert connection.wait_for_data(5)
        connection.data_ready = False
        assert connection.receive() is Arrival.PART, sent[: at + 1]
    client.sendall(sent[-1:])
    assert receive(connection) is WHOLE[sent]


def test_a_body_that_ends_too_soon_is_the_applications_matter(
    ends: tuple[socket.socket, ClientConnection],
) -> None:
    client, connection = ends
    client.sendall(POST % 500 + b"{}")
    assert connection.wait_for_data(5)
    assert connection.receive() is Arrival.PART
    assert connection.awaits_body
    client.shutdown(socket.SHUT_WR)
    assert receive(connection) is Arrival.REQUEST


def test_a_head_without_an_end_is_not_received_for_ever(ends: tuple[socket.socket, ClientConnection]) -> None:
    client, connection = ends
    client.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"a" * MOST_HEAD_BYTES)
    assert receive(connection) is Arrival.LONG_HEAD
    assert len(connection.received) < 3 * MOST_HEAD_BYTES


def test_sending_never_waits_and_loses_nothing(ends: tuple[socket.socket, ClientConnection]) -> None:
    client, connection = ends
    answer = bytes(range(256)) * 64 * 1024  # 16 MB: more than any kernel takes
    connection.sock.setblocking(True)
    connection.sock.sendall(b"head")
    connection.sock.sendall(answer)
    connection.sock.sendall(b"")
    connection.sock.sendall(b"tail")
    assert 0 < connection.sock.unsent_bytes < len(answer)
    read = bytearray()
    while not connection.sock.send_unsent():
        read += client.recv(1 << 20)
    connection.close()
    while data := client.recv(1 << 20):
        read += data
    assert read == b"head" + answer + b"tail"
    assert connection.sock.unsent_bytes == 0


def test_a_file_is_read_as_its_client_reads_and_takes_no_memory(
    ends: tuple[socket.socket, ClientConnection], tmp_path: Path
) -> None:
    client, connection = ends
    content = os.urandom(20 << 20)
    (tmp_path / "file").write_bytes(b"before" + content + b"after")
    connection.sock.sendall(b"head")
    with (tmp_path / "file").open("rb") as file:
        connection.sock.sendfile(file, 6, len(content))
    connection.sock.sendall(b"tail")
    assert 0 < connection.sock.unsent_bytes <= len(content) + 4
    assert connection.sock.held_bytes == 4
    read = bytearray()
    while not connection.sock.send_unsent():
        read += client.recv(1 << 20)
    connection.close()
    while data := client.recv(1 << 20):
        read += data
    assert read == b"head" + content + b"tail"
    assert connection.sock.unsent_bytes == 0


def test_a_file_that_became_shorter_and_a_client_that_left_end_the_connection(
    ends: tuple[socket.socket, ClientConnection], tmp_path: Path
) -> None:
    client, connection = ends
    with (tmp_path / "file").open("w+b") as file:
        file.truncate(64 << 20)
        before = len(list(Path("/dev/fd").iterdir()))
        connection.sock.sendfile(file)
        file.truncate(1 << 20)

    def send_to_the_end() -> None:
        while not connection.sock.send_unsent():
            client.recv(1 << 20)

    with pytest.raises(OSError, match="shorter"):
        send_to_the_end()
    connection.close()
    assert len(list(Path("/dev/fd").iterdir())) == before - 2, "neither the socket's nor the file's is left"


def test_who_reads_nothing_reads_too_slowly_and_a_slow_telephone_does_not(
    ends: tuple[socket.socket, ClientConnection],
) -> None:
    client, connection = ends
    connection.sock.sendall(bytes(16 << 20))
    connection.expect_reading()
    began = connection.since
    assert not connection.reads_too_slowly(began + READ_WINDOW_S - 1)
    got = 0
    while got < 2 << 20:  # a few windows of the kernel's
        got += len(client.recv(1 << 16))
        connection.sock.send_unsent()
    assert not connection.reads_too_slowly(began + READ_WINDOW_S + 1)
    assert not connection.reads_too_slowly(began + 2 * READ_WINDOW_S)
    assert connection.reads_too_slowly(began + 2 * READ_WINDOW_S + 2)


def test_one_customer_is_one_address() -> None:
    assert counted_address(("192.0.2.1", 5)) == counted_address(("::ffff:192.0.2.1", 6, 0, 0)) == "192.0.2.1"
    assert counted_address(("2001:db8::1", 5, 0, 0)) == counted_address(("2001:db8::2", 5, 0, 0))
    assert counted_address("") == "", "a client of a socket file"
