"""Those whom the service speaks to while it is measured: log receivers, a sink for error reports, Redis."""

import contextlib
import http.server
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.service import free_port


class Receiver:
    """Receives JSON lines over TCP and counts those of requests, or accepts and reads nothing."""

    def __init__(self, *, reads: bool = True) -> None:
        self.requests = 0
        self._counting = threading.Lock()
        receiver = self

        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                if not reads:
                    receiver.ended.wait()
                    return
                for line in self.rfile:
                    if b'"event":"request"' in line:
                        with receiver._counting:
                            receiver.requests += 1

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self.ended = threading.Event()
        self._server = Server(("127.0.0.1", 0), Connection)
        self.url = f"tcp://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Ends it, with its connections."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


class ReportSink:
    """Takes error reports as Sentry does, and counts them."""

    def __init__(self) -> None:
        self.reports = 0
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sink.reports += 1
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.dsn = f"http://key@127.0.0.1:{self._server.server_address[1]}/1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def redis_server(folder: Path) -> Iterator[str | None]:
    """The address of a Redis of its own until the block ends; None where there is no redis-server."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)
