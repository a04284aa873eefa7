"""The fault of slow clients: connections that hold half a request for as long as a drill lasts."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from openwatt.doctor.results import CheckFailedError

#: A tenth of the connections that one address may have at a worker, and a few a second that are ended.
CLIENTS = 40
_CONNECT_S = 5.0
_LOOK_EVERY_S = 0.5
_HALF_HEAD = b"GET /health HTTP/1.1\r\nHost: drill\r\nX-Drill: "


def _connect(url: str) -> socket.socket:
    """Opens a connection and sends half a request's head on it. Raises OSError when that fails."""
    parts = urlsplit(url)
    if parts.scheme == "http+unix":
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(_CONNECT_S)
        client.connect(unquote(parts.netloc))
    else:
        client = socket.create_connection((parts.hostname, parts.port or 80), timeout=_CONNECT_S)
    client.sendall(_HALF_HEAD)
    client.setblocking(False)
    return client


def _is_ended(client: socket.socket) -> bool:
    """Whether the service has ended a connection; it answers nothing on it."""
    try:
        return not client.recv(4096)
    except BlockingIOError:
        return False
    except OSError:
        return True


@contextmanager
def slow_clients(url: str, until: float) -> Iterator[None]:
    """Keeps clients with half a request each while the block runs; those that are closed connect again.

    Raises:
        CheckFailedError: the service cannot be reached without a proxy that would wait for whole requests.
    """
    if urlsplit(url).scheme not in {"http", "http+unix"}:
        raise CheckFailedError(
            f"a proxy stands before {urlsplit(url).scheme}: it would never pass half a request on",
            "give the service's own address with --url http://127.0.0.1:8000",
        )
    clients: list[socket.socket] = []
    try:
        clients += [_connect(url) for _ in range(CLIENTS)]
    except OSError as error:
        for client in clients:
            client.close()
        raise CheckFailedError(
            f"the service takes no connections: {error}", "see `openwatt doctor`"
        ) from None
    over = threading.Event()

    def hold() -> None:
        while not over.wait(_LOOK_EVERY_S) and time.time() < until:
            for number, client in enumerate(clients):
                if _is_ended(client):
                    client.close()
                    with contextlib.suppress(OSError):  # the next look tries again
                        clients[number] = _connect(url)

    holding = threading.Thread(target=hold, daemon=True)
    holding.start()
    try:
        yield
    finally:
        over.set()
        holding.join()
        for client in clients:
            client.close()
