"""The shipper carries log lines to Logstash: no request waits for it, no loss is uncounted."""

import http.client
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

import backoff

from openwatt.telemetry.shipping import forks
from openwatt.telemetry.shipping.ring import Ring
from openwatt.telemetry.shipping.spool import Segment, Spool
from openwatt.telemetry.shipping.transports import Peer, RecordsRefusedError, Transport

_logger = logging.getLogger("openwatt.shipping")

_CHUNK_BYTES: Final = 128 * 1024
_BATCH_SECONDS: Final = 0.05  # how long records gather before they are sent together
_FIRST_BACKOFF_SECONDS: Final = 0.25
_WARN_AGAIN_SECONDS: Final = 60.0  # between two warnings of the same kind
_PEER_ERRORS = (OSError, http.client.HTTPException)

#: Why a record can be lost.
DropReason = Literal["exit", "interrupted", "refused", "ring_full", "spool_full", "spool_lost", "too_large"]
DROP_REASONS: tuple[DropReason, ...] = get_args(DropReason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingConfig:
    """Where records go and how much memory and disk they may take, for one process.

    Without a spool folder, what does not fit in the ring is dropped, and
    counted. `spool_bytes` is each process's share of the disk.
    """

    url: str
    spool: Path | None = None
    ring_bytes: int = 4 * 1024 * 1024
    spool_bytes: int = 256 * 1024 * 1024
    confirm_seconds: float = 2.0
    longest_pause_seconds: float = 30.0
    flush_seconds: float = 2.0
    adopt_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.spool_bytes < self.ring_bytes:
            raise ValueError("spool_bytes must hold at least one ring: spool_bytes >= ring_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The place of every record at one instant.

    `emitted` and `adopted` (taken over from a process that died) are what came
    in; each of those is in exactly one of the others. `queued` is counted in
    the ring itself. `resent` counts second sendings, which the receiver recognizes
    by `event_id`.
    """

    emitted: int = 0
    adopted: int = 0
    sent: int = 0
    spooled: int = 0
    queued: int = 0
    dropped: Mapping[DropReason, int] = field(default_factory=dict)
    resent: int = 0
    spooled_bytes: int = 0
    queued_bytes: int = 0
    connected: bool = False
    last_success_at: float = 0.0

    @property
    def balanced(self) -> bool:
        """Whether nothing is unaccounted for; it always is, and tests hold it to that."""
        out = self.sent + self.spooled + self.queued + sum(self.dropped.values())
        return self.emitted + self.adopted == out


class Shipper:
    """A ring that any thread fills and one thread empties: to the peer, else to the spool.

    The thread starts with the first record, again in each forked child.
    `on_progress` is given a snapshot about once a second, by that thread.
    """

    def __init__(
        self,
        config: ShippingConfig,
        peer: Peer,
        transport: Transport,
        *,
        on_progress: Callable[[Snapshot], None] | None = None,
    ) -> None:
        self._config = config
        self._peer = str(peer)
        self._transport = transport
        self._on_progress = on_progress
        self._reset()
        forks.register(self)

    def _reset(self) -> None:
        """Sets the state of a process that has shipped nothing yet."""
        # Over the ring's offsets and the counts; a signal handler may log in the middle of `put`.
        self._lock = threading.RLock()
        self._appending = False
        self.callback_lock = threading.Lock()  # held while `on_progress` runs, and across a fork
        self._emitted = self._adopted = self._sent = self._spooled = self._resent = 0
        self._dropped: Counter[DropReason] = Counter()
        self._last_success_at = self._reported_at = 0.0
        self._warned_at: dict[str, float] = {}
        self._reset_thread()

    def _reset_thread(self) -> None:
        """Sets the state in which the next record starts the thread."""
        self._wake = threading.Event()  # there is something to do
        self._urgent = threading.Event()  # and no time to gather more
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
        self._connected = self._flush_requested = False

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
                    self._urgent.set()
            finally:
                self._appending = False
        if not self._wake.is_set():
            self._wake.set()

    def snapshot(self) -> Snapshot:
        """Returns where every record is."""
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
            self._flush_requested = True
            self._wake.set()
            self._urgent.set()
            time.sleep(0.02)
        return False

    def close(self) -> None:
        """Sends what can be sent within `flush_seconds`; the rest stays in the spool.

        A record that comes later starts shipping again: a worker's last request
        may end after its server's last hook.
        """
        with self._lock:
            thread = self._thread
            if thread is None or self._stopping.is_set():
                return
            self._deadline = time.monotonic() + self._config.flush_seconds
            self._stopping.set()
        self._wake.set()
        self._urgent.set()
        # A peer that hangs in the middle of an answer can outlast the
        # deadline; the ring's file then keeps what was not delivered.
        thread.join(self._config.flush_seconds + 3)

    def reset_after_fork(self) -> None:
        """Lets go of the parent's ring, socket, thread and counts in a forked child."""
        self._transport.disconnect()
        if self._spool is not None:
            self._spool.close()
        if self._ring is not None:
            self._ring.detach()
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
            if not (self._flush_requested or self._stopping.is_set()):
                self._urgent.wait(_BATCH_SECONDS)
            self._urgent.clear()
            failures = 0 if self._try_drain(ring) else failures + 1
            try:
                self._report()
            except Exception as error:  # noqa: BLE001  a full disk, say; it must not cost the thread
                self._warn("the state of log shipping cannot be written", error)
            if failures:
                self._back_off(ring, failures)
        if not failures:
            self._try_drain(ring)
        self._finish(ring)

    def _try_drain(self, ring: Ring) -> bool:
        """Drains once, handling every failure; whether the peer took all there was."""
        try:
            self._adopt()
            self._drain(ring)
        except _PEER_ERRORS as error:
            self._rewind(ring)
            self._warn("the log receiver is away", error)
        except Exception as error:
            self._rewind(ring)
            _logger.exception("log shipping failed", extra={"error": type(error).__name__})
        else:
            return True
        return False

    def _drain(self, ring: Ring) -> None:
        """Sends everything, oldest first: the spool, then the ring."""
        if not self._next_segment() and self._cursor == ring.tail and self._unconfirmed_since is None:
            return
        self._transport.connect()
        self._connected = True
        while True:
            segment = self._next_segment()
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
        if since is not None and (due or self._flush_requested or self._stopping.is_set()):
            self._confirm(ring)
        self._flush_requested = False

    def _replay(self, segment: Segment) -> None:
        try:
            lines = segment.lines()
        except OSError as error:
            self._warn("log records on disk cannot be read", error)
            self._drop_segment(segment, "spool_lost")
            return
        while lines:
            cut = lines.rfind(b"\n", 0, _CHUNK_BYTES) + 1 or lines.find(b"\n") + 1 or len(lines)
            self._deliver(lines[:cut])
            lines = lines[cut:]
        self._in_flight.append(segment)

    def _next_segment(self) -> Segment | None:
        segments = self._spool.segments if self._spool is not None else []
        return next((segment for segment in segments if segment not in self._in_flight), None)

    def _deliver(self, lines: bytes) -> None:
        """Sends lines; one that the peer refuses is found by halves, so that it cannot hold up the rest."""
        try:
            self._transport.send(lines, self._idle)
        except RecordsRefusedError as error:
            rows = lines.splitlines(keepends=True)
            if len(rows) == 1:
                self._refused += 1
                self._warn("the log receiver refuses a record", error)
                return
            half = len(rows) // 2
            self._deliver(b"".join(rows[:half]))
            self._deliver(b"".join(rows[half:]))

    def _idle(self) -> None:
        if self._ring is not None:
            self._spill(self._ring)
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeoutError("the time to send the last records is over")

    def _confirm(self, ring: Ring) -> None:
        """Releases everything in flight once the peer has read it."""
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
        if self._warned_at.pop("the log receiver is away", None):
            _logger.info("the log receiver is back", extra={"peer": self._peer})

    def _rewind(self, ring: Ring) -> None:
        """Marks everything in flight as to be sent again, after a failure."""
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
        self._flush_requested = False

    def _back_off(self, ring: Ring, failures: int) -> None:
        """Waits before the next attempt, never twice the same: many workers must not return together."""
        longest = min(self._config.longest_pause_seconds, _FIRST_BACKOFF_SECONDS * 2 ** min(failures, 16))
        until = time.monotonic() + backoff.full_jitter(longest)
        while time.monotonic() < until and not (self._flush_requested or self._stopping.is_set()):
            self._spill(ring)
            self._report()
            self._urgent.wait(_FIRST_BACKOFF_SECONDS)
            self._urgent.clear()
            time.sleep(0.01)

    def _spill(self, ring: Ring, *, everything: bool = False) -> None:
        """Moves the ring's lines to the spool once they fill half of it; on a full disk they stay."""
        if self._spool is None or ring.tail == ring.head:
            return
        if not everything and ring.tail - ring.head < ring.capacity // 2:
            return
        end = ring.tail
        try:
            segment = self._spool.write(ring.between(ring.head, end))
        except OSError as error:
            self._warn("log records cannot be stored on disk", error)
            return
        with self._lock:
            ring.release(end)
            self._cursor = max(self._cursor, end)
            self._spooled += segment.records
        self._enforce_spool_limit()

    def _enforce_spool_limit(self) -> None:
        while self._spool is not None and (oldest := self._spool.oldest_over_limit()) is not None:
            self._drop_segment(oldest, "spool_full")

    def _drop_segment(self, segment: Segment, reason: DropReason) -> None:
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
            self._warn("log records on disk cannot be read", error)
            return
        with self._lock:
            self._adopted += adopted
            self._spooled += adopted
        self._enforce_spool_limit()

    def _finish(self, ring: Ring) -> None:
        """Moves what is left to the spool at the end, or leaves it in the ring's own file."""
        self._spill(ring, everything=True)
        with self._lock:
            left = ring.between(ring.head, ring.tail).count(b"\n")
            keep = left > 0 and ring.is_durable
            if keep:
                self._spooled += left
            elif left:
                self._dropped["exit"] += left
            self._transport.disconnect()
            spool = self._spool
            self._reset_thread()
        self._report(at_once=True)
        ring.close(keep_file=keep)
        if spool is not None:
            spool.close()

    def _report(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if self._on_progress is not None and (at_once or now - self._reported_at >= 1):
            self._reported_at = now
            with self.callback_lock:
                self._on_progress(self.snapshot())

    def _warn(self, event: str, error: Exception) -> None:
        now = time.monotonic()
        if now - self._warned_at.get(event, -_WARN_AGAIN_SECONDS) >= _WARN_AGAIN_SECONDS:
            self._warned_at[event] = now
            reason = f"{type(error).__name__}: {error}"
            _logger.warning(event, extra={"peer": self._peer, "error": reason})
