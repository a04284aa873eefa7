"""Log records on their way to Logstash: never waited for by a request, never lost without being counted."""

import http.client
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import backoff

from openwatt.telemetry.shipping import forks
from openwatt.telemetry.shipping.options import DropReason, ShippingConfig, Snapshot
from openwatt.telemetry.shipping.ring import Ring
from openwatt.telemetry.shipping.spool import Segment, Spool
from openwatt.telemetry.shipping.transports import RefusedError, Transport, transport_for

_logger = logging.getLogger("openwatt.shipping")

_CHUNK_BYTES: Final = 128 * 1024
_GATHER_SECONDS: Final = 0.05  # how long records gather before they are sent together
_FIRST_PAUSE_SECONDS: Final = 0.25
_QUIET_SECONDS: Final = 60.0  # between two complaints of the same kind
_AWAY = (OSError, http.client.HTTPException)


class Shipper:
    """A ring that any thread fills and one thread empties: to the peer, else to the spool.

    The thread starts with the first record, and anew in a forked child.
    `on_progress` is given a snapshot about once a second, by that thread.
    """

    def __init__(
        self,
        config: ShippingConfig,
        *,
        on_progress: Callable[[Snapshot], None] | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._config = config
        self._transport = transport or transport_for(config.url)
        self._on_progress = on_progress
        self._reset()
        forks.follow(self)

    def _reset(self) -> None:
        """The state of a process that has shipped nothing yet."""
        # Over the ring's offsets and the counts; a signal handler may log in the middle of `put`.
        self._lock = threading.RLock()
        self._appending = False
        self.reporting = threading.Lock()  # held while `on_progress` runs, and across a fork
        self._emitted = self._adopted = self._sent = self._spooled = self._resent = 0
        self._dropped: Counter[DropReason] = Counter()
        self._last_success_at = self._reported_at = 0.0
        self._complained_at: dict[str, float] = {}
        self._begin()

    def _begin(self) -> None:
        """The state in which the next record starts the thread."""
        self._wake = threading.Event()  # there is something to do
        self._pressed = threading.Event()  # and no time to gather more
        self._stopping = threading.Event()
        self._deadline: float | None = None
        self._thread: threading.Thread | None = None
        self._ring: Ring | None = None
        self._spool: Spool | None = None
        self._cursor = 0  # ring offset up to which the open connection was given lines
        self._in_flight: list[Segment] = []  # segments that the open connection was given
        self._refused = 0  # records in flight that the peer will not have
        self._unconfirmed_since: float | None = None
        self._adopted_at = 0.0
        self._connected = self._hurry = False

    # What other threads call.

    def put(self, line: bytes) -> None:
        """Takes a line that ends with a newline. Never waits and never raises."""
        with self._lock:
            self._emitted += 1
            if self._appending:
                self._dropped["interrupted"] += 1
                return
            self._appending = True
            try:
                ring = self._ring if self._ring is not None else self._start()
                if self._thread is None:
                    self._thread = forks.start_thread(lambda: self._run(ring), "log-shipping")
                if len(line) > ring.capacity // 4:
                    self._dropped["too_large"] += 1
                elif not ring.append(line):
                    self._dropped["ring_full"] += 1
                if ring.tail - ring.head > ring.capacity // 2:
                    self._pressed.set()
            finally:
                self._appending = False
        if not self._wake.is_set():
            self._wake.set()

    def snapshot(self) -> Snapshot:
        """Where every record is."""
        with self._lock:
            ring = self._ring
            queued = ring.between(ring.head, ring.tail) if ring is not None else b""
            return Snapshot(
                emitted=self._emitted,
                adopted=self._adopted,
                sent=self._sent,
                spooled=self._spooled,
                queued=queued.count(b"\n"),
                dropped=dict(self._dropped),
                resent=self._resent,
                spooled_bytes=self._spool.size if self._spool is not None else 0,
                queued_bytes=len(queued),
                connected=self._connected,
                last_success_at=self._last_success_at,
            )

    def flush(self, timeout: float) -> bool:
        """Waits until the peer has everything; False when it has not within the time."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            snapshot = self.snapshot()
            if snapshot.queued == snapshot.spooled == 0:
                return True
            self._hurry = True
            self._wake.set()
            self._pressed.set()
            time.sleep(0.02)
        return False

    def close(self) -> None:
        """Sends what can be sent within `flush_seconds`; the rest stays in the spool.

        A record that comes later starts shipping anew: a worker's last request
        may end after its server's last hook.
        """
        with self._lock:
            thread = self._thread
            if thread is None or self._stopping.is_set():
                return
            self._deadline = time.monotonic() + self._config.flush_seconds
            self._stopping.set()
        self._wake.set()
        self._pressed.set()
        # A peer that hangs in the middle of an answer can outlast the
        # deadline; the ring's file then keeps what was not delivered.
        thread.join(self._config.flush_seconds + 3)

    def forget_parent(self) -> None:
        """In a forked child: nothing of the parent's ring, socket, thread or counts is ours."""
        self._transport.disconnect()
        if self._spool is not None:
            self._spool.close()
        if self._ring is not None:
            self._ring.forget()
        self._reset()

    # What the shipping thread does. `_start` is called with the lock held.

    def _start(self) -> Ring:
        if self._config.spool is not None:
            try:
                self._spool = Spool(self._config.spool, self._config.spool_bytes)
            except OSError:
                self._spool = None
        ring = self._ring = Ring(self._config.ring_bytes, self._spool.ring_path if self._spool else None)
        return ring

    def _run(self, ring: Ring) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._wake.wait(min(1.0, self._config.confirm_seconds))
            self._wake.clear()
            if not (self._hurry or self._stopping.is_set()):
                self._pressed.wait(_GATHER_SECONDS)
            self._pressed.clear()
            failures = 0 if self._attempt(ring) else failures + 1
            try:
                self._report()
            except Exception as error:  # noqa: BLE001  a full disk, say; it must not cost the thread
                self._complain("the state of log shipping cannot be told", error)
            if failures:
                self._pause(ring, failures)
        if not failures:
            self._attempt(ring)
        self._leave(ring)

    def _attempt(self, ring: Ring) -> bool:
        """One drain, with every failure met: whether the peer took all there was."""
        try:
            self._adopt()
            self._drain(ring)
        except _AWAY as error:
            self._rewind(ring)
            self._complain("the log receiver is away", error)
        except Exception as error:
            self._rewind(ring)
            _logger.exception("log shipping failed", extra={"error": type(error).__name__})
        else:
            return True
        return False

    def _drain(self, ring: Ring) -> None:
        """Gives the peer everything, oldest first: the spool, then the ring."""
        if not self._spool_waits() and self._cursor == ring.tail and self._unconfirmed_since is None:
            return
        self._transport.connect()
        self._connected = True
        while True:
            segment = self._spool_waits()
            if segment is not None:
                self._replay(segment)
            elif self._cursor < ring.tail:
                start = self._cursor
                lines = ring.read(start, _CHUNK_BYTES)
                self._deliver(lines)
                self._cursor = max(start + len(lines), ring.head)
            else:
                break
            self._unconfirmed_since = self._unconfirmed_since or time.monotonic()
            if (
                self._transport.acknowledges
                or self._cursor - ring.head > ring.capacity // 4
                or self._in_flight
            ):
                self._confirm(ring)
        since = self._unconfirmed_since
        due = since is not None and time.monotonic() - since >= self._config.confirm_seconds
        if since is not None and (due or self._hurry or self._stopping.is_set()):
            self._confirm(ring)
        self._hurry = False

    def _replay(self, segment: Segment) -> None:
        try:
            lines = segment.lines()
        except OSError as error:
            self._complain("log records on disk cannot be read", error)
            self._give_up(segment, "spool_lost")
            return
        while lines:
            cut = lines.rfind(b"\n", 0, _CHUNK_BYTES) + 1 or lines.find(b"\n") + 1 or len(lines)
            self._deliver(lines[:cut])
            lines = lines[cut:]
        self._in_flight.append(segment)

    def _spool_waits(self) -> Segment | None:
        segments = self._spool.segments if self._spool is not None else []
        return next((segment for segment in segments if segment not in self._in_flight), None)

    def _deliver(self, lines: bytes) -> None:
        """Sends lines; one that the peer refuses is found by halves, so that it cannot hold up the rest."""
        try:
            self._transport.send(lines, self._idle)
        except RefusedError as error:
            rows = lines.splitlines(keepends=True)
            if len(rows) == 1:
                self._refused += 1
                self._complain("the log receiver refuses a record", error)
                return
            half = len(rows) // 2
            self._deliver(b"".join(rows[:half]))
            self._deliver(b"".join(rows[half:]))

    def _idle(self) -> None:
        if self._ring is not None:
            self._make_room(self._ring)
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeoutError("the time to send the last records is over")

    def _confirm(self, ring: Ring) -> None:
        """Lets go of everything in flight once the peer has read it."""
        self._transport.confirm(self._idle)
        with self._lock:
            records = ring.between(ring.head, self._cursor).count(b"\n") if self._cursor > ring.head else 0
            ring.release(self._cursor)
            from_disk = sum(segment.records for segment in self._in_flight)
            self._spooled -= from_disk
            self._sent += records + from_disk - self._refused
            if self._refused:
                self._dropped["refused"] += self._refused
            self._last_success_at = time.time()
        if self._spool is not None:
            for segment in self._in_flight:
                self._spool.discard(segment)
        self._in_flight.clear()
        self._refused = 0
        self._unconfirmed_since = None
        if self._complained_at.pop("the log receiver is away", None):
            _logger.info("the log receiver is back", extra={"peer": self._transport.peer})

    def _rewind(self, ring: Ring) -> None:
        """After a failure, everything in flight is to be sent again."""
        self._transport.disconnect()
        with self._lock:
            self._connected = False
            if self._cursor > ring.head:
                self._resent += ring.between(ring.head, self._cursor).count(b"\n")
            self._resent += sum(segment.records for segment in self._in_flight)
            self._cursor = ring.head
        self._in_flight.clear()
        self._refused = 0
        self._unconfirmed_since = None
        self._hurry = False

    def _pause(self, ring: Ring, failures: int) -> None:
        """Waits before the next attempt, never twice the same: many workers must not return together."""
        longest = min(self._config.longest_pause_seconds, _FIRST_PAUSE_SECONDS * 2 ** min(failures, 16))
        until = time.monotonic() + backoff.full_jitter(longest)
        while time.monotonic() < until and not (self._hurry or self._stopping.is_set()):
            self._make_room(ring)
            self._report()
            self._pressed.wait(_FIRST_PAUSE_SECONDS)
            self._pressed.clear()
            time.sleep(0.01)

    def _make_room(self, ring: Ring, *, everything: bool = False) -> None:
        """Moves the ring's lines to the spool once they fill half of it; on a full disk they stay."""
        if self._spool is None or ring.tail == ring.head:
            return
        if not everything and ring.tail - ring.head < ring.capacity // 2:
            return
        end = ring.tail
        try:
            segment = self._spool.write(ring.between(ring.head, end))
        except OSError as error:
            self._complain("log records cannot be kept on disk", error)
            return
        with self._lock:
            ring.release(end)
            self._cursor = max(self._cursor, end)
            self._spooled += segment.records
        self._keep_to_the_limit()

    def _keep_to_the_limit(self) -> None:
        while self._spool is not None and (oldest := self._spool.oldest_beyond_the_limit()) is not None:
            self._give_up(oldest, "spool_full")

    def _give_up(self, segment: Segment, reason: DropReason) -> None:
        with self._lock:
            self._spooled -= segment.records
            self._dropped[reason] += segment.records
        if segment in self._in_flight:
            self._in_flight.remove(segment)
        if self._spool is not None:
            self._spool.discard(segment)

    def _adopt(self) -> None:
        now = time.monotonic()
        if (
            self._spool is None
            or self._stopping.is_set()
            or now - self._adopted_at < self._config.adopt_seconds
        ):
            return
        self._adopted_at = now
        try:
            adopted = sum(segment.records for segment in self._spool.adopt())
        except OSError as error:
            self._complain("log records on disk cannot be read", error)
            return
        with self._lock:
            self._adopted += adopted
            self._spooled += adopted
        self._keep_to_the_limit()

    def _leave(self, ring: Ring) -> None:
        """The end: what is left goes to the spool, or stays in the ring's own file."""
        self._make_room(ring, everything=True)
        with self._lock:
            left = ring.between(ring.head, ring.tail).count(b"\n")
            keep = left > 0 and ring.outlives_the_process
            if keep:
                self._spooled += left
            elif left:
                self._dropped["exit"] += left
            self._transport.disconnect()
            spool = self._spool
            self._begin()
        self._report(at_once=True)
        ring.close(keep_file=keep)
        if spool is not None:
            spool.close()

    def _report(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._on_progress is not None and (at_once or now - self._reported_at >= 1):
            self._reported_at = now
            with self.reporting:
                self._on_progress(self.snapshot())

    def _complain(self, event: str, error: Exception) -> None:
        now = time.monotonic()
        if now - self._complained_at.get(event, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._complained_at[event] = now
            reason = f"{type(error).__name__}: {error}"
            _logger.warning(event, extra={"peer": self._transport.peer, "error": reason})
