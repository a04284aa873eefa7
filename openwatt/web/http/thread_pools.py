"""Threads by kind of request: what one kind does, no other kind has to wait for."""

import time
from concurrent.futures import ThreadPoolExecutor

from openwatt.web.http.connections import ClientConnection


class ThreadPool:
    """The threads for one kind of request, which no other kind can take."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.executor = ThreadPoolExecutor(threads)
        self.requests: dict[ClientConnection, float] = {}
        """Those that a thread answers or should, and since when."""
        self.freed_at = time.monotonic()
        """When one of them was last free."""

    def stuck_seconds(self) -> float:
        """For how long all threads have been busy without one becoming free; 0 when one is free."""
        if len(self.requests) < self.threads:
            return 0.0
        return time.monotonic() - max([self.freed_at, *list(self.requests.values())[: self.threads]])

    def busy_since(self, latest: float) -> list[ClientConnection]:
        """Whose requests a thread has been answering since then, or longer."""
        running = list(self.requests.items())[: self.threads]
        return [conn for conn, since in running if since < latest]

    def count(self, peer: str) -> int:
        """How many requests of one peer there are."""
        return sum(conn.peer == peer for conn in self.requests)

    @property
    def busy(self) -> int:
        """Threads that answer."""
        return min(len(self.requests), self.threads)

    @property
    def waiting(self) -> int:
        """Requests that wait for a thread."""
        return len(self.requests) - self.busy
