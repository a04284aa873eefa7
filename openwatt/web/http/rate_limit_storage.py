"""Storages of `limits` that count requests: the worker's memory, or Redis with that memory behind it."""

import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from limits.errors import StorageError
from limits.storage import RedisStorage, SlidingWindowCounterSupport, Storage

_logger = logging.getLogger(__name__)

#: A Redis that hangs must not hang a request.
_REDIS_TIMEOUT_S = 0.1
#: How long a worker counts by itself before it tries an absent Redis again.
_RETRY_REDIS_AFTER_S = 5.0
#: Between two log records that no thread can be started.
_LOG_EVERY_S = 60.0
#: Above so many clients the oldest counts are dropped. A client takes 110 bytes in each of two
#: windows of each group of routes: 55 MB of a worker at the very most.
_MOST_CLIENTS = 50_000


def used(window_s: float, previous: int, left_s: float, current: int) -> int:
    """How many requests of a client count now, by the rule of `seconds_to_wait`."""
    return int(previous * left_s / window_s) + current


def seconds_to_wait(most: int, window_s: float, previous: int, left_s: float, current: int) -> float:
    """Seconds until a client may make one more request; 0 when, and only when, it may now.

    The window slides: of the `previous` window's requests those count that lie less
    than a window ago, taken as spread evenly over it, and all of the `current` window,
    of which `left_s` seconds are left. `limits` counts in Redis by the same rule.
    """
    if used(window_s, previous, left_s, current) < most:
        return 0.0
    if current < most:
        left_s -= (most - current) * window_s / previous
    return max(left_s, 1e-6)  # at the window's end all that is current begins to lapse


class SlidingWindowCount:
    """One limit as this process counts it for itself, exactly, whatever its threads do."""

    def __init__(self, most: int, window_s: float) -> None:
        self._most = most
        self._window_s = window_s
        self._lock = threading.Lock()
        self._window = 0
        self._current: dict[str, int] = {}
        self._previous: dict[str, int] = {}

    def hit(self, key: str, now: float) -> float:
        """Counts a request at a monotonic time; the seconds to wait when it is refused, else 0."""
        window, into_s = divmod(now, self._window_s)
        with self._lock:
            if window != self._window or len(self._current) >= _MOST_CLIENTS:
                self._previous = self._current if window == self._window + 1 else {}
                self._current = {}
                self._window = int(window)
            current = self._current.get(key, 0)
            wait_s = seconds_to_wait(
                self._most, self._window_s, self._previous.get(key, 0), self._window_s - into_s, current
            )
            if not wait_s:
                self._current[key] = current + 1
            return wait_s

    def window(self, key: str, now: float) -> tuple[int, float, int, float]:
        """Count and remaining seconds of the last window, and of the present one, as `limits` has them."""
        window, into_s = divmod(now, self._window_s)
        left_s = self._window_s - into_s
        with self._lock:
            current, previous = self._current, self._previous
            if window != self._window:
                current, previous = {}, current if window == self._window + 1 else {}
            return previous.get(key, 0), left_s, current.get(key, 0), left_s + self._window_s


class _SlidingWindowStorage(Storage, SlidingWindowCounterSupport):
    """What both storages are: they count for the sliding-window strategy alone."""

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What is raised when the storage is away: nothing, it is never away."""
        return ()

    def check(self) -> bool:
        """Whether the storage can count: always."""
        return True

    def _unsupported(self, *_arguments: object, **_named: object) -> Any:
        raise NotImplementedError("this storage counts sliding windows alone")

    incr = get = get_expiry = reset = clear = clear_sliding_window = _unsupported

    @abstractmethod
    def seconds_to_wait(self, key: str, limit: int, expiry: int) -> float:
        """Seconds until a client whose request was refused may make one more."""

    @abstractmethod
    def remaining(self, key: str, limit: int, expiry: int) -> tuple[int, float]:
        """How many more requests a client may make at least, and the seconds until its window ends."""


class ExactMemoryStorage(_SlidingWindowStorage):
    """A worker's share of each limit in its own memory, exact: what all workers allow together is the limit.

    `limits` counts in memory too; it does so with a thread for each hundredth of a
    second, which looks at every client and dies when a request is faster.
    """

    STORAGE_SCHEME = ["exact-memory"]  # noqa: RUF012 - the attribute by which `limits` registers a storage

    def __init__(self, uri: str | None = None, *, workers: int = 1) -> None:
        super().__init__(uri)
        self._workers = workers
        self._counts: dict[tuple[int, int], SlidingWindowCount] = {}

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Counts a request, where the worker's share of the limit allows it."""
        if amount != 1:
            raise NotImplementedError("this storage counts requests one by one")
        return not self._count(limit, expiry).hit(key, time.monotonic())

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The counts of a key; the limit that it counts for is part of it."""
        now = time.monotonic()
        counts = [count for (_, window_s), count in list(self._counts.items()) if window_s == expiry]
        windows = [count.window(key, now) for count in counts]
        return max(windows, key=lambda window: window[0] + window[2], default=(0, 0.0, 0, 0.0))

    def seconds_to_wait(self, key: str, limit: int, expiry: int) -> float:
        """The same for the worker's share."""
        previous, left_s, current, _ = self._count(limit, expiry).window(key, time.monotonic())
        return seconds_to_wait(self._share(limit), expiry, previous, left_s, current)

    def remaining(self, key: str, limit: int, expiry: int) -> tuple[int, float]:
        """The same for the worker's share; the other workers may allow more."""
        previous, left_s, current, _ = self._count(limit, expiry).window(key, time.monotonic())
        return max(0, self._share(limit) - used(expiry, previous, left_s, current)), left_s

    def _share(self, limit: int) -> int:
        return max(1, limit // self._workers)

    def _count(self, limit: int, expiry: int) -> SlidingWindowCount:
        count = self._counts.get((limit, expiry))
        if count is None:  # of two threads that are the first at once, `setdefault` lets one win
            count = self._counts.setdefault((limit, expiry), SlidingWindowCount(self._share(limit), expiry))
        return count


class RedisOrMemoryStorage(_SlidingWindowStorage):
    """Redis, where all workers count together; while it is away, each worker's share in its memory.

    `on_degraded` is called with whether the memory counts, each time when that changes.
    """

    STORAGE_SCHEME = ["redis-or-memory"]  # noqa: RUF012 - the attribute by which `limits` registers a storage

    def __init__(
        self,
        uri: str | None = None,
        *,
        redis_url: str,
        workers: int,
        on_degraded: Callable[[bool], object],
    ) -> None:
        super().__init__(uri)
        self._redis = redis_storage(redis_url)
        self._memory = ExactMemoryStorage(workers=workers)
        self._on_degraded = on_degraded
        self._lock = threading.Lock()
        self._degraded = False
        self._logged_at = -_LOG_EVERY_S

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Counts a request, where the limit allows it."""
        if not self._degraded:
            try:
                return self._redis.acquire_sliding_window_entry(key, limit, expiry, amount)
            except StorageError as error:
                self._degrade(error)
        return self._memory.acquire_sliding_window_entry(key, limit, expiry, amount)

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The counts of a key."""
        if not self._degraded:
            try:
                return self._redis.get_sliding_window(key, expiry)
            except StorageError as error:
                self._degrade(error)
        return self._memory.get_sliding_window(key, expiry)

    def seconds_to_wait(self, key: str, limit: int, expiry: int) -> float:
        """The same where the request was counted."""
        previous, _, current, lives_s = self.get_sliding_window(key, expiry)
        if self._degraded:
            return self._memory.seconds_to_wait(key, limit, expiry)
        # A window is retained for the length of one more after its end.
        return seconds_to_wait(limit, expiry, previous, lives_s - expiry, current)

    def remaining(self, key: str, limit: int, expiry: int) -> tuple[int, float]:
        """The same where the request was counted."""
        previous, _, current, lives_s = self.get_sliding_window(key, expiry)
        if self._degraded:
            return self._memory.remaining(key, limit, expiry)
        left_s = max(0.0, lives_s - expiry)
        return max(0, limit - used(expiry, previous, left_s, current)), left_s

    def _degrade(self, error: StorageError) -> None:
        with self._lock:
            if self._degraded:
                return
            # A thread tries whether it is back, so that no request waits for that.
            thread = threading.Thread(target=self._await_redis, name="openwatt-await-redis", daemon=True)
            try:
                thread.start()
            except RuntimeError as failure:  # nothing is set that would never end: the next request tries
                self._log_no_thread(failure)
                return
            self._degraded = True
        self._on_degraded(True)
        _logger.error(
            "Redis does not answer: each worker counts its share of the limits",
            extra={"error": str(error.storage_error)},
        )

    def _log_no_thread(self, failure: RuntimeError) -> None:
        now = time.monotonic()
        if now - self._logged_at >= _LOG_EVERY_S:
            self._logged_at = now
            _logger.error(
                "no thread can wait for Redis: raise the limit of processes (pids_limit, TasksMax)",
                extra={"error": str(failure)},
            )

    def _await_redis(self) -> None:
        try:
            self._retry_until_it_answers()
        finally:
            # Whatever ends this thread: the next request that Redis does not answer starts another.
            self._degraded = False
            self._on_degraded(False)
        _logger.warning("limits are counted in Redis again")

    def _retry_until_it_answers(self) -> None:
        reason = ""
        while True:
            time.sleep(_RETRY_REDIS_AFTER_S)
            try:  # as a request does, for a Redis may answer a ping and refuse to write
                self._redis.acquire_sliding_window_entry("is-it-back", 1, 1)
            except StorageError:
                continue
            except Exception as error:  # one that is not met here would be the last attempt
                if reason != (reason := f"{type(error).__name__}: {error}"):
                    _logger.exception("asking whether Redis is back failed", extra={"error": reason})
                continue
            return


def redis_storage(url: str) -> RedisStorage:
    """Redis as `limits` sees it. Nothing is connected before the first request, after the fork.

    Raises:
        ValueError: the address cannot be used; its password is not repeated.
    """
    try:
        storage = RedisStorage(
            url,
            # The strategy is part of the key: another one on the same keys would find the wrong type.
            key_prefix="openwatt:sliding-window-counter",
            wrap_exceptions=True,
            socket_timeout=_REDIS_TIMEOUT_S,
            socket_connect_timeout=_REDIS_TIMEOUT_S,
        )
        storage.storage.connection_pool.make_connection()  # connects to nothing, yet refuses unknown options
    except Exception:  # noqa: BLE001  the library raises all kinds, and their texts may hold the password
        raise ValueError(
            "the address of Redis cannot be used; it looks like redis://:password@host:6379/0, "
            "where signs such as / and # in a password are written %2F and %23"
        ) from None
    return storage
