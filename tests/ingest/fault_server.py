"""A real server on the loopback: it answers as it is told, wrongly too, and remembers what it was asked."""

import contextlib
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]  # a proxy of the developer's must not stand between a test and this server

PDF = b"%PDF-1.7\na sheet\n%%EOF\n"

#: Trusts nobody, and is made at once; for tests without encryption.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

#: Given the request and which one it is for its path, from 1.
Answer = Callable[["Request", int], None]


class Request(BaseHTTPRequestHandler):
    """One request to answer, by `reply` or by hand on `wfile`."""

    server: "FaultServer"

    def do_GET(self) -> None:
        seen = self.server.asked
        seen.append(self)
        number = sum(request.path == self.path for request in seen)
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # who asked may have had enough
            self.server.answers[self.path](self, number)

    def do_CONNECT(self) -> None:
        self.do_GET()

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; underscores in the names of headers stand for dashes."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class FaultServer(ThreadingHTTPServer):
    """Answers by path; `stopping` is set when the test is over, for answers that take their time."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answers: dict[str, Answer] = {}
        self.asked: list[Request] = []
        self.stopping = threading.Event()
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def address(self, path: str, host: str = "127.0.0.1") -> str:
        """Where a path of this server is asked."""
        return f"{self.scheme}://{host}:{self.server_port}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what this is about."""


@contextlib.contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    """A server that answers until the block ends."""
    server = FaultServer(tls)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Turns:
    """Whose turns were waited for; a turn comes at once."""

    hosts: list[str] = field(default_factory=list)

    def __call__(self, host: str) -> None:
        self.hosts.append(host)
