"""A supplier's web site on this machine: documents at paths, with what every request asked."""

import gzip
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """What a path answers: bytes with their ETag, or a status; `hold` keeps a request waiting."""

    content: bytes = b""
    status: int = 200
    etag: bool = True
    hold: threading.Event | None = None


@dataclass
class Asked:
    """One request: its path, its headers, when it came."""

    path: str
    headers: dict[str, str]
    at: float = field(default_factory=time.time)


class Site:
    """The pages of the site, and who asked for them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []
        self.reported: list[str] = []

    def put(self, name: str, content: bytes, **page: Any) -> str:
        """Puts a document at a path and gives its address."""
        self.pages[f"/{name}"] = Page(content, **page)
        return f"http://127.0.0.1:{self.port}/{name}"


@contextmanager
def site() -> Iterator[Site]:
    """A running site; it ends with the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ours.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}))
            page = ours.pages.get(self.path, Page(status=404))
            if page.hold is not None:
                page.hold.wait(60)
            etag = f'"{hashlib.sha256(page.content).hexdigest()[:16]}"'
            same = page.etag and self.headers.get("If-None-Match") == etag
            self.send_response(304 if same else page.status)
            if page.etag and page.status == 200:
                self.send_header("ETag", etag)
            body = b"" if same or page.status != 200 else page.content
            if not same:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            """Takes what is reported to it, as Sentry does."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            ours.reported.append((gzip.decompress(body) if packed else body).decode())
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    ours = Site(server.server_address[1])
    try:
        yield ours
    finally:
        for page in ours.pages.values():
            if page.hold is not None:
                page.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
