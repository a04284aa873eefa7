"""A customer's file on its way through a worker: how much of them is held at once, and who reads them."""

import contextlib
import ctypes
import datetime as dt
import io
import logging
import threading
from collections.abc import Iterator

from werkzeug.exceptions import ServiceUnavailable

from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.messages import Message
from openwatt.meter.bounds import MeterBoundError
from openwatt.meter.options import NO_OPTIONS, FileOptions
from openwatt.meter.sandbox import Cost, SandboxBusyError, sandbox
from openwatt.web.http.app_state import app_state
from openwatt.web.http.http_errors import detailed

_MB = 1024 * 1024
#: Bytes of bodies that a worker holds at once, without the first of each: a year of a meter always comes in.
#: The oldest may exceed them, so that one always comes to its end.
MOST_HELD_BYTES = 48 * _MB
_FIRST_BYTES = 1 * _MB
#: How long a file waits while others take all the room: while it waits it takes a thread from other requests.
_WAIT_SECONDS = 1.0
#: From this size on, the C library takes memory from the kernel for each block, and gives it back.
_LARGE_BLOCK = 1 * _MB
_M_MMAP_THRESHOLD = -3  # malloc.h

_logger = logging.getLogger(__name__)


class UploadsBusyError(ServiceUnavailable):
    """As many files are being received or read as may be at once."""

    def __init__(self) -> None:
        super().__init__(retry_after=5)
        detailed(self, Message("problem.busy"))
        count_refusal("busy")


class BodyMemory:
    """Counts the bytes of the bodies that a process holds, in the order in which they began."""

    def __init__(self, most: int = MOST_HELD_BYTES, seconds: float = _WAIT_SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._held: dict[object, int] = {}
        self._changed = threading.Condition()

    @property
    def held_bytes(self) -> int:
        """All that is held."""
        return sum(self._held.values())

    def grow(self, holder: object, amount: int) -> None:
        """Counts more bytes of a body; waits where there is no room for them.

        Raises:
            UploadsBusyError: when there is none in time.
        """
        with self._changed:
            size = self._held.setdefault(holder, 0) + amount

            def fits() -> bool:
                others = (held for one, held in self._held.items() if one is not holder)
                counted = sum(max(0, held - _FIRST_BYTES) for held in others) + size - _FIRST_BYTES
                oldest = next(iter(self._held)) is holder
                return oldest or size <= _FIRST_BYTES or counted <= self._most

            if not self._changed.wait_for(fits, self._seconds):
                raise UploadsBusyError
            self._held[holder] = size

    def release(self, holder: object) -> None:
        """Forgets a body."""
        with self._changed:
            if self._held.pop(holder, None) is not None:
                self._changed.notify_all()


class HeldBytes(io.BytesIO):
    """Bytes of a body in memory, counted before they are stored.

    Where there is no room for more, all are dropped while the rest is still received: a
    client that has not sent everything would not read the answer.
    """

    def __init__(self, memory: BodyMemory, holder: object) -> None:
        super().__init__()
        self._memory = memory
        self._holder = holder
        self._refusal: UploadsBusyError | None = None

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # werkzeug writes bytes
        """Keeps more bytes, or drops them."""
        if self._refusal is None:
            try:
                self._memory.grow(self._holder, len(data))
            except UploadsBusyError as refusal:
                self._refusal = refusal.with_traceback(None)
                self.truncate(0)
                self._memory.release(self._holder)
            else:
                super().write(data)
        return len(data)

    def value(self) -> bytes:
        """All that was received, not copied. Raises UploadsBusyError when it was dropped."""
        if self._refusal is not None:
            raise self._refusal
        return self.getvalue()


class UploadSlots:
    """The slots of files that are read or wait for it at once: a thread is left for other requests."""

    def __init__(self) -> None:
        self.allow(threads=4)

    def allow(self, *, threads: int) -> None:
        """Sets the number of slots of a worker that has so many threads."""
        self.free = threading.BoundedSemaphore(max(1, threads - 1))

    @contextlib.contextmanager
    def reserve(self) -> Iterator[None]:
        """Takes a slot for a while. Raises UploadsBusyError when none is free in time."""
        free = self.free
        if not free.acquire(timeout=_WAIT_SECONDS):
            raise UploadsBusyError
        try:
            yield
        finally:
            free.release()


upload_slots = UploadSlots()
body_memory = BodyMemory()


def return_large_blocks() -> None:
    """Lets the C library give large blocks back to the system at once.

    Glibc by itself moves the bound up to 32 MB as such blocks are freed, and keeps what
    is smaller for the thread that had it: after a few large bodies a worker held 400 MB.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def read_load_curve(data: bytes, now: dt.datetime, options: FileOptions = NO_OPTIONS) -> LoadCurve:
    """The load curve in a customer's file, read in a process apart within bounds.

    Raises:
        MeterFileError: with the reason and, where there is one, what to bring instead.
        UploadsBusyError: when other files are being read.
    """
    try:
        with upload_slots.reserve():
            return sandbox().read_load_curve(data, now, options, on_cost=_count_cost)
    except MeterBoundError as error:
        count_refusal(error.reached.bound)
        _logger.warning("upload refused by a bound", extra={"reason": error.reached.bound})
        raise
    except SandboxBusyError as error:
        _logger.warning("upload refused, no reader", extra={"error": str(error)})
        raise UploadsBusyError from None


@contextlib.contextmanager
def decoding() -> Iterator[None]:
    """A turn to decode a large body: not while a file is read, for both need memory.

    Raises:
        UploadsBusyError: when it does not come in time.
    """
    try:
        with upload_slots.reserve(), sandbox().turn():
            yield
    except SandboxBusyError:
        raise UploadsBusyError from None


def _count_cost(cost: Cost) -> None:
    app_state().metrics.uploads_cpu.inc(cost.cpu_seconds)


def count_refusal(reason: str) -> None:
    """Counts an upload that was refused by a bound, or because too many came at once."""
    app_state().metrics.uploads_refused.labels(reason).inc()
