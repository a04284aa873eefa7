"""Gunicorn's threaded worker, with an end to the patience for clients that do not finish their request."""

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from openwatt.telemetry.start import running_telemetry

#: A client may take this long for the head of a request, and for its body and its answer.
HEAD_SECONDS, BODY_SECONDS = 10.0, 60.0
#: The same while other clients wait for a thread.
CROWDED_HEAD_SECONDS, CROWDED_BODY_SECONDS = 1.0, 10.0
#: How often a worker tells its state.
_REPORT_EVERY_S = 1.0


class Worker(ThreadWorker):  # type: ignore[misc]  # Gunicorn ships no types
    """A thread reads a request to its end however slowly it comes: a few slow clients would take them all.

    So whoever is too slow is not read any further. What was read is answered, the
    rest looks like a client that left, and the thread is free for the next one.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._heads: dict[Any, float] = {}
        """Since when a thread waits for the head of a connection's request."""
        self._bodies: dict[Any, float] = {}
        """The same for the rest of it."""
        self._reported_at = 0.0

    def run(self) -> None:
        """Serves until the worker ends."""
        telemetry = running_telemetry()
        if telemetry is not None:
            telemetry.metrics.worker.started(expected=self.cfg.workers)
        super().run()

    def handle(self, conn: Any) -> Any:
        """Reads and answers one request; runs in a thread."""
        self._heads[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            self._heads.pop(conn, None)
            self._bodies.pop(conn, None)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answers a request whose head was read; runs in a thread."""
        self._heads.pop(conn, None)
        self._bodies[conn] = time.monotonic()
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """Ends what lasts too long and tells what goes on; the main loop calls it at least once a second."""
        super().murder_pending()
        in_threads = self.nr_conns - len(self.keepalived_conns) - len(self.pending_conns)
        crowded = in_threads > self.cfg.threads
        self._end_before(self._heads, CROWDED_HEAD_SECONDS if crowded else HEAD_SECONDS)
        self._end_before(self._bodies, CROWDED_BODY_SECONDS if crowded else BODY_SECONDS)
        self._report(in_threads)

    def _report(self, requests: int) -> None:
        now, telemetry = time.monotonic(), running_telemetry()
        if telemetry is not None and now > self._reported_at + _REPORT_EVERY_S:
            self._reported_at = now
            telemetry.metrics.worker.report(threads=self.cfg.threads, requests=requests)

    def _end_before(self, reading: dict[Any, float], seconds: float) -> None:
        latest = time.monotonic() - seconds
        for conn, since in list(reading.items()):
            if since < latest:
                with suppress(OSError):  # it has just left by itself
                    conn.sock.shutdown(socket.SHUT_RD)
