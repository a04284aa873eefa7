"""How often one client may ask: counted in Redis by all workers together, or by each its share.

Flask-Limiter's engine (`limits`) counts in Redis, without the Flask layer: what that would
add, a decorator for each view, is one table here, and it is dear. Processor time a limit adds
to a request (bench/limiter.py): 8 µs in memory, 80 with Redis; with Flask-Limiter's decorator
104 and 164, or 120 and 244 where it tells its headers.
"""

import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import limits
from flask import Response
from limits.errors import StorageError
from limits.storage import RedisStorage

from openwatt.telemetry.context import RequestContext
from openwatt.telemetry.metrics.registry import UNMATCHED_ROUTE, Metrics
from openwatt.web.http.client_address import client_key
from openwatt.web.http.problems import problem

_logger = logging.getLogger(__name__)

#: A Redis that hangs must not hang a request.
_REDIS_TIMEOUT_S = 0.1
#: How long a worker counts by itself before it asks an absent Redis again.
_ASK_REDIS_AGAIN_AFTER_S = 5.0
#: Between two complaints that no thread can be started.
_COMPLAIN_EVERY_S = 60.0
#: Whoever asks from more addresses than this is not held by limits of single addresses. A client takes
#: 110 bytes in each of two windows of each group of routes: 55 MB of a worker at the very most.
_MOST_CLIENTS = 50_000
#: Endpoints that are never limited, by the first word of their names: who watches must not be refused.
EXEMPT = frozenset({"probes", "prometheus_metrics"})
#: The group of everything else that is in none: static files, addresses that do not exist.
_OTHERS = "pages"


def seconds_to_wait(most: int, window_s: float, previous: int, left_s: float, current: int) -> float:
    """Seconds until a client may ask once more; 0 when, and only when, it may now.

    The window slides: of the `previous` window's requests those count that lie less
    than a window ago, taken as spread evenly over it, and all of the `current` window,
    of which `left_s` seconds are left. `limits` counts in Redis by the same rule.
    """
    if int(previous * left_s / window_s) + current < most:
        return 0.0
    if current < most:
        left_s -= (most - current) * window_s / previous
    return max(left_s, 1e-6)  # at the window's end all that is current begins to lapse


class OwnCount:
    """One limit as this process counts it for itself, exactly, whatever its threads do.

    `limits` can count in memory too; it does so with a thread for each hundredth of a
    second, which looks at every client and dies when a request is faster.
    """

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


@dataclass(frozen=True, slots=True)
class _Limit:
    """One group's limit: what all workers allow together, and a worker's own share."""

    group: str
    whole: limits.RateLimitItem
    share: OwnCount


class Limits:
    """The limits of one service, by group of routes.

    `groups` maps the first word of an endpoint (`api`, `pages`) to a limit such as
    `600/minute`; what is neither in one nor in `EXEMPT` counts as a page.

    Raises:
        ValueError: the address of Redis cannot be used.
    """

    def __init__(
        self, groups: Mapping[str, str], metrics: Metrics, *, redis_url: str | None, workers: int
    ) -> None:
        self._limits = {}
        for group, text in groups.items():
            whole = limits.parse(text)
            share = OwnCount(max(1, whole.amount // workers), whole.get_expiry())
            self._limits[group] = _Limit(group, whole, share)
        self._metrics = metrics
        self._redis = redis_storage(redis_url) if redis_url else None
        self._lock = threading.Lock()
        self._degraded = False
        self._complained_at = -_COMPLAIN_EVERY_S

    def check(self, context: RequestContext) -> Response | None:
        """Counts a request; a 429 when its client has asked too often, else None."""
        limit = self._of(context)
        if limit is None:
            return None
        wait_s = self._hit(limit, client_key(context.client or ""))
        if not wait_s:
            return None
        route = UNMATCHED_ROUTE if context.route is None else context.route
        self._metrics.limit_breaches.labels(route, limit.group).inc()
        seconds = math.floor(wait_s) + 1  # never too early, whatever the fraction
        answer = problem(
            429,
            f"At most {limit.whole.amount} requests in {limit.whole.get_expiry()} s from one address "
            f"are answered; ask again in {seconds} s.",
        )
        answer.headers["Retry-After"] = str(seconds)
        answer.headers["X-RateLimit-Remaining"] = "0"
        answer.headers["X-RateLimit-Reset"] = str(int(time.time()) + seconds)
        return answer

    def headers(self, context: RequestContext) -> Sequence[tuple[str, str]]:
        """The header with a client's limit. What remains comes with a 429: reading it doubles the cost."""
        limit = self._of(context)
        return () if limit is None else (("X-RateLimit-Limit", str(limit.whole.amount)),)

    def _of(self, context: RequestContext) -> _Limit | None:
        word = (context.endpoint or _OTHERS).partition(".")[0]
        return self._limits.get(word) or (None if word in EXEMPT else self._limits.get(_OTHERS))

    def _hit(self, limit: _Limit, key: str) -> float:
        """Counts a request; the seconds to wait when it is refused, else 0."""
        if self._redis is not None and not self._degraded:
            try:
                return hit_redis(self._redis, limit.whole, limit.whole.key_for(limit.group, key))
            except StorageError as error:
                self._degrade(self._redis, error)
        return limit.share.hit(key, time.monotonic())

    def _degrade(self, storage: RedisStorage, error: StorageError) -> None:
        with self._lock:
            if self._degraded:
                return
            # A thread asks whether it is back, so that no request waits for that.
            thread = threading.Thread(
                target=self._await_redis, args=[storage], name="openwatt-await-redis", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as failure:  # nothing is set that nobody would end: the next request tries
                self._complain(failure)
                return
            self._degraded = True
        self._metrics.limiter_degraded.set(1)
        _logger.error(
            "Redis does not answer: each worker counts its share of the limits",
            extra={"error": str(error.storage_error)},
        )

    def _complain(self, failure: RuntimeError) -> None:
        now = time.monotonic()
        if now - self._complained_at >= _COMPLAIN_EVERY_S:
            self._complained_at = now
            _logger.error(
                "no thread can wait for Redis: raise the limit of processes (pids_limit, TasksMax)",
                extra={"error": str(failure)},
            )

    def _await_redis(self, storage: RedisStorage) -> None:
        try:
            self._ask_until_it_answers(storage)
        finally:
            # Whatever ends this thread: the next request that Redis does not answer starts another.
            self._degraded = False
            self._metrics.limiter_degraded.set(0)
        _logger.warning("limits are counted in Redis again")

    @staticmethod
    def _ask_until_it_answers(storage: RedisStorage) -> None:
        reason = ""
        while True:
            time.sleep(_ASK_REDIS_AGAIN_AFTER_S)
            try:  # as a request does, for a Redis may answer a ping and refuse to write
                storage.acquire_sliding_window_entry("is-it-back", 1, 1)
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


def hit_redis(storage: RedisStorage, limit: limits.RateLimitItem, key: str) -> float:
    """Counts a request under a key; the seconds to wait when it is refused, else 0.

    Raises:
        StorageError: Redis does not answer, or refuses.
    """
    window_s = limit.get_expiry()
    if storage.acquire_sliding_window_entry(key, limit.amount, window_s):
        return 0.0
    previous, _, current, lives_s = storage.get_sliding_window(key, window_s)
    # A window is kept for the length of one more after its end.
    return seconds_to_wait(limit.amount, window_s, previous, lives_s - window_s, current) or 1e-6
