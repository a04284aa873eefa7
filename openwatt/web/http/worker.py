"""Gunicorn's threaded worker, whose threads wait for no client: they are only given whole requests.

The main loop receives requests and sends what a client has not read yet, so that clients that say
nothing, say it slowly or read nothing hold a place in memory, and those places are bounded. Threads read
none but large bodies, and those have threads of their own; probes of health have one of their own too.
"""

import contextlib
import errno
import logging
import resource
import selectors
import socket
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Any, ClassVar, Final

from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from openwatt.telemetry.start import running_telemetry
from openwatt.web.http.connections import Arrival, ClientConnection, counted_address
from openwatt.web.http.thread_pools import ThreadPool

#: A client may take this long for the head of a request, and for its body.
HEAD_SECONDS, BODY_SECONDS = 10.0, 60.0
#: The same for a large body while others wait for its thread.
CROWDED_BODY_SECONDS = 10.0
#: A closed connection is read for a while: a reset would take the answer from a client that still sends.
LINGER_SECONDS, MOST_LINGER_BYTES = 2.0, 16 * 1024 * 1024
#: What clients of one worker have not read of their answers; above it the slowest are ended.
MOST_UNSENT_BYTES = 64 * 1024 * 1024
#: Probes of one peer for which there is the thread of probes; more of them are requests like others.
MOST_PROBES = 4
#: Once every thread has been busy for so long and none has become free, the worker serves no one.
STUCK_SECONDS = 60.0
#: File descriptors that are not for connections: database, Redis, logs, metrics, documents.
_OTHER_DESCRIPTORS = 160
#: Connections above the most, so that a probe among them is answered.
_SPARE_CONNECTIONS = 32
#: How often a worker looks for who is too slow, reports its state, and logs an address with too many.
_LOOK_EVERY_S, _REPORT_EVERY_S, _LOG_EVERY_S = 0.25, 1.0, 60.0
_NO_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_logger = logging.getLogger(__name__)


class Worker(ThreadWorker):  # type: ignore[misc]  # Gunicorn ships no types
    """A process that serves. All but `handle` and what it calls runs in the main loop, which never waits."""

    #: Proxies of ours before the service: connections are theirs then, and not counted by address.
    trusted_proxies: ClassVar[int] = 0
    running: ClassVar["Worker | None"] = None
    """The worker of this process; None where no worker runs."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OTHER_DESCRIPTORS
        self._most_connections = max(4 * self.cfg.threads, min(self.cfg.worker_connections, descriptors))
        self._most_of_address = self._most_connections // 4
        self.worker_connections = self._most_connections + _SPARE_CONNECTIONS  # those that Gunicorn accepts
        self.max_keepalived = self._most_connections - self.cfg.threads
        self._of_address: Counter[str] = Counter()
        self._receiving: dict[ClientConnection, None] = {}
        self._sending: dict[ClientConnection, None] = {}
        self._lingering: dict[ClientConnection, int] = {}
        """Bytes that were read of each connection that is being closed."""
        self._unsent_bytes = 0
        self._looked_at = self._reported_at = self._logged_at = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuses what this worker cannot serve."""
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise RuntimeError("OpenWatt speaks HTTP: let the proxy before it hold the certificate")

    def init_process(self) -> None:
        """Begins in the new process."""
        self._pools = {
            Arrival.REQUEST: ThreadPool(self.cfg.threads),
            Arrival.UPLOAD: ThreadPool(max(1, self.cfg.threads // 2)),
            Arrival.PROBE: ThreadPool(1),
        }
        self._pools[Arrival.LONG_HEAD] = self._pools[Arrival.REQUEST]
        super().init_process()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """The pool that Gunicorn shuts down."""
        return self._pools[Arrival.REQUEST].executor

    def run(self) -> None:
        """Serves until the worker ends."""
        if (telemetry := running_telemetry()) is not None:
            telemetry.metrics.worker.started(expected=self.cfg.workers)
        Worker.running = self
        super().run()
        for pool in self._pools.values():
            pool.executor.shutdown(wait=False)

    def is_stuck(self) -> bool:
        """Whether no thread for requests has become free for a long time."""
        return self._pools[Arrival.REQUEST].stuck_seconds() > STUCK_SECONDS

    def notify(self) -> None:
        """Tells the master that this worker serves: one whose threads all hang is replaced."""
        if not self.is_stuck():
            super().notify()

    def accept(self, listener: Any) -> None:
        """Takes a new connection, and ends an idle one for it where there are too many."""
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in _NO_ROOM:
                time.sleep(0 if self._end_idle("full") else 0.05)  # where all are in threads, waiting helps
            elif error.errno not in {errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK}:
                raise
            return
        address = "" if self.trusted_proxies else counted_address(client)
        conn = ClientConnection(self.cfg, accepted, client, listener.getsockname(), address)
        self.nr_conns += 1
        self._of_address[address] += 1
        if (reason := self._too_many(conn)) is not None:
            self._log_too_many(conn)
            self._end_idle(reason, address if reason == "address" else None)
        self._receive_next(conn)

    def _too_many(self, conn: ClientConnection) -> str | None:
        """Whether a client address or the whole worker has more connections than it may have."""
        if conn.address and self._of_address[conn.address] > self._most_of_address:
            return "address"
        return "full" if self.nr_conns > self._most_connections else None

    def _receive_next(self, conn: ClientConnection, received: bytes = b"") -> None:
        """Waits for the next request of a connection; most have it there already."""
        conn.expect_request(received)
        self._receiving[conn] = None
        if received and conn.arrived() is not Arrival.PART:
            self._hand_over(conn)
        elif self._receive(conn):
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_receivable, conn))

    # What these are called for may have been ended since `select`, for another connection's sake.

    def _on_receivable(self, conn: ClientConnection, client: Any) -> None:
        if conn in self._receiving and not self._receive(conn):
            self._unregister(client)

    def _receive(self, conn: ClientConnection) -> bool:
        """Takes what has arrived; whether to wait for more."""
        try:
            arrival = conn.receive()
        except OSError:
            self._close(conn)
            return False
        if arrival is Arrival.PART and not conn.closed_by_client:
            return True
        if arrival is Arrival.PART:
            self._close(conn)  # no request was sent
        else:
            self._hand_over(conn)
        return False

    def _hand_over(self, conn: ClientConnection) -> None:
        """Gives a request to a thread, if its client has not too many of them there already."""
        if conn.arrival is Arrival.PROBE and self._pools[Arrival.PROBE].count(conn.peer) >= MOST_PROBES:
            conn.arrival = Arrival.REQUEST
        if conn.arrival is not Arrival.PROBE and (reason := self._too_many(conn)) is not None:
            self._log_too_many(conn)
            self._end(conn, reason)
            return
        self._receiving.pop(conn, None)
        conn.hand_over()
        self.enqueue_req(conn)

    def enqueue_req(self, conn: ClientConnection) -> None:
        """Submits a request to the threads of its kind."""
        pool = self._pools[conn.arrival]
        pool.requests[conn] = time.monotonic()
        conn.result = pool.executor.submit(self.handle, conn)
        conn.result.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def on_client_socket_readable(self, conn: ClientConnection, client: Any) -> None:
        """A connection that was idle has its next request."""
        try:
            self.keepalived_conns.remove(conn)
        except ValueError:
            return
        self._unregister(client)
        self._receive_next(conn)

    def handle(self, conn: ClientConnection) -> Any:
        """Answers one request; runs in a thread."""
        if conn.arrival is Arrival.LONG_HEAD:
            self.handle_error(None, conn.sock, conn.client, conn.long_head_error())
            return False
        self._pools[conn.arrival].requests[conn] = time.monotonic()
        return super().handle(conn)

    def _keepalive_after(self, conn: ClientConnection, keepalive: Any) -> bool:
        """Whether the connection can be used again: not when what is left of a body is malformed."""
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except (ParseException, OSError):
            return False

    def finish_request(self, conn: ClientConnection, _result: "Future[Any]") -> None:
        """Sends on what the client has not read of an answer that a thread has made."""
        pool = self._pools[conn.arrival]
        pool.requests.pop(conn, None)
        pool.freed_at = time.monotonic()
        if not conn.sock.unsent_bytes:
            self._finish_answer(conn)
            return
        try:
            self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._on_sendable, conn))
        except (OSError, ValueError):  # Gunicorn has closed it, after an answer that failed half-way
            self._close(conn)
            return
        conn.expect_reading()
        self._unsent_bytes += conn.sock.held_bytes
        self._sending[conn] = None
        while self._unsent_bytes > MOST_UNSENT_BYTES:
            self._end(next(iter(self._sending)), "answer")

    def _on_sendable(self, conn: ClientConnection, client: Any) -> None:
        if conn not in self._sending:
            return
        before = conn.sock.held_bytes
        try:
            all_sent = conn.sock.send_unsent()
        except OSError:
            self._unregister(client)
            self._close(conn)
            return
        self._unsent_bytes -= before - conn.sock.held_bytes
        if all_sent:
            self._unregister(client)
            self._sending.pop(conn)
            self._finish_answer(conn)

    def _finish_answer(self, conn: ClientConnection) -> None:
        """Waits for the next request after an answer, or ends the connection."""
        done = conn.result
        if done.cancelled() or done.exception() is not None or not done.result():
            self._linger(conn)
            return
        read_ahead = conn.parser.unreader.take_buffered()
        if read_ahead:
            self._receive_next(conn, read_ahead)
            return
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _linger(self, conn: ClientConnection) -> None:
        """Closes a connection for writing, and for good once the client has closed it (RFC 9112, 9.6)."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        conn.since = time.monotonic()
        self._lingering[conn] = 0
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_lingering, conn))

    def _on_lingering(self, conn: ClientConnection, client: Any) -> None:
        if conn not in self._lingering:
            return
        try:
            dropped = len(conn.sock.recv(256 * 1024, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return
        except OSError:
            dropped = 0
        self._lingering[conn] += dropped
        if not dropped or self._lingering[conn] > MOST_LINGER_BYTES:
            self._unregister(client)
            self._close(conn)

    def _close(self, conn: ClientConnection) -> None:
        """Forgets a connection that is in no thread."""
        self.nr_conns -= 1
        self._of_address[conn.address] -= 1
        if not self._of_address[conn.address]:
            del self._of_address[conn.address]
        self._receiving.pop(conn, None)
        self._lingering.pop(conn, None)
        if conn in self._sending:
            del self._sending[conn]
            self._unsent_bytes -= conn.sock.held_bytes
            conn.reset()
        else:
            conn.close()

    def _end(self, conn: ClientConnection, reason: str) -> None:
        """Ends a connection that the poller waits for, and counts it."""
        self._unregister(conn.sock)
        self._close(conn)
        self._count(reason)

    def _end_idle(self, reason: str, address: str | None = None) -> bool:
        """Ends the connection, of an address, that is least likely to be missed; whether there was one."""
        for conn in chain(self._lingering, self._receiving, self.keepalived_conns, self._sending):
            if address in {None, conn.address}:
                with contextlib.suppress(ValueError):
                    self.keepalived_conns.remove(conn)
                self._end(conn, reason)
                return True
        for conn in self._pools[Arrival.UPLOAD].requests:
            waits = not conn.result.cancelled() and address in {None, conn.address}
            if waits and conn.result.cancel():
                self._count(reason)
                return True
        return False

    def _unregister(self, client: Any) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self.poller.unregister(client)

    def murder_keepalived(self, force: bool = False) -> None:  # noqa: FBT001, FBT002  Gunicorn's
        """Ends idle connections whose time is over."""
        now = time.monotonic()
        while self.keepalived_conns and (force or self.keepalived_conns[0].timeout <= now):
            conn = self.keepalived_conns.popleft()
            self._unregister(conn.sock)
            self._close(conn)

    def murder_pending(self) -> None:
        """Ends what is too slow and reports what goes on; the main loop calls it at least once a second."""
        now = time.monotonic()
        if now < self._looked_at + _LOOK_EVERY_S:
            return
        self._looked_at = now
        for conn in list(self._receiving):
            self._hold_to_its_time(conn, now)
        for conn in [one for one in self._sending if one.reads_too_slowly(now)]:
            self._end(conn, "answer")
        for conn in [one for one in self._lingering if now > one.since + LINGER_SECONDS]:
            self._unregister(conn.sock)
            self._close(conn)
        self._end_slow_uploads(now)
        self._report(now)

    def _hold_to_its_time(self, conn: ClientConnection, now: float) -> None:
        if conn.awaits_body:
            if now > conn.since + BODY_SECONDS:
                self._unregister(conn.sock)
                self._count("body")
                conn.arrival = Arrival.REQUEST
                conn.end_receiving()
                self._hand_over(conn)
            return
        most = HEAD_SECONDS if self.alive or conn.received else STOP_KEEPALIVE_LINGER
        if now > conn.since + most:
            self._end(conn, "head" if conn.received else "silent")

    def _end_slow_uploads(self, now: float) -> None:
        pool = self._pools[Arrival.UPLOAD]
        for conn in pool.busy_since(now - (CROWDED_BODY_SECONDS if pool.waiting else BODY_SECONDS)):
            if not conn.closed_by_client:
                self._count("body")
                conn.end_receiving()

    def _count(self, reason: str) -> None:
        if (telemetry := running_telemetry()) is not None:
            telemetry.metrics.worker.ended(reason)

    def _log_too_many(self, conn: ClientConnection) -> None:
        if time.monotonic() > self._logged_at + _LOG_EVERY_S:
            self._logged_at = time.monotonic()
            _logger.warning(
                "too many connections: idle ones are ended, and requests beyond them refused",
                extra={"client": conn.address, "connections": self._of_address[conn.address]},
            )

    def _report(self, now: float) -> None:
        if (telemetry := running_telemetry()) is None or now < self._reported_at + _REPORT_EVERY_S:
            return
        self._reported_at = now
        requests, uploads = self._pools[Arrival.REQUEST], self._pools[Arrival.UPLOAD]
        telemetry.metrics.worker.report(
            threads=requests.threads + uploads.threads,
            busy=requests.busy + uploads.busy,
            waiting=requests.waiting + uploads.waiting,
            connections={
                "receiving": len(self._receiving),
                "sending": len(self._sending),
                "idle": len(self.keepalived_conns) + len(self._lingering),
                "all": self.nr_conns,
                "most": self._most_connections,
            },
        )
