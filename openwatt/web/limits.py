"""How often one client may ask: counted in Redis by all workers together, or by each its share.

Flask-Limiter's engine (`limits`) is used without its Flask layer: the layer costs 94 µs a
request in memory and 216 µs with Redis, one call of the same strategy 21 and 138 (measured
on the ladder of bench/requests.py), and what it would add (a decorator per view) is one table here.
"""

import functools
import ipaddress
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import limits
from flask import Response
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from openwatt.telemetry.context import RequestContext
from openwatt.telemetry.metrics import UNMATCHED_ROUTE, Metrics
from openwatt.web.problems import problem

_logger = logging.getLogger(__name__)

#: A Redis that hangs must not hang a request.
_REDIS_TIMEOUT_S = 0.1
#: How long a worker counts by itself before it asks an absent Redis again.
_DEGRADED_FOR_S = 5.0


@dataclass(frozen=True, slots=True)
class _Limit:
    """One group's limit: what all workers allow together, and a worker's own share."""

    group: str
    whole: limits.RateLimitItem
    share: limits.RateLimitItem


class Limits:
    """The limits of one service, by group of routes; what is in no group is not limited.

    `groups` maps the first word of an endpoint (`api`, `pages`) to a limit such as
    `600/minute`; endpoints in `exempt` (probes, metrics) are never limited.
    """

    def __init__(
        self, groups: Mapping[str, str], metrics: Metrics, *, redis_url: str | None, workers: int
    ) -> None:
        self._limits = {}
        for group, text in groups.items():
            whole = limits.parse(text)
            share = type(whole)(max(1, whole.amount // workers), whole.multiples)
            self._limits[group] = _Limit(group, whole, share)
        self._metrics = metrics
        self._redis_url = redis_url
        self._degraded_until = 0.0

    def refusal(self, context: RequestContext) -> Response | None:
        """Counts a request; a 429 when its client has asked too often, else None."""
        limit = self._of(context)
        if limit is None or self._allowed(limit, _key(context.client or "")):
            return None
        route = UNMATCHED_ROUTE if context.route is None else context.route
        self._metrics.limit_breaches.labels(route, limit.group).inc()
        seconds = limit.whole.get_expiry()
        answer = problem(
            429, f"More than {limit.whole.amount} requests in {seconds} s from your address; wait a moment."
        )
        wait_s = self._wait_s(limit, _key(context.client or ""))
        answer.headers["Retry-After"] = str(wait_s)
        answer.headers["X-RateLimit-Remaining"] = "0"
        answer.headers["X-RateLimit-Reset"] = str(round(time.time()) + wait_s)
        return answer

    def tell(self, context: RequestContext, response: Response) -> None:
        """Tells a client its limit. What remains is told with a refusal: asking for it doubles the cost."""
        for name, value in self.told(context):
            response.headers[name] = value

    def told(self, context: RequestContext) -> Sequence[tuple[str, str]]:
        """The header that tells a client its limit, where it has one."""
        limit = self._of(context)
        return () if limit is None else (("X-RateLimit-Limit", str(limit.whole.amount)),)

    def _of(self, context: RequestContext) -> _Limit | None:
        """The limit of a request; an address that does not exist counts as a page."""
        return self._limits.get((context.endpoint or "pages").partition(".")[0])

    def _allowed(self, limit: _Limit, key: str) -> bool:
        if self._redis_url and time.monotonic() >= self._degraded_until:
            try:
                allowed = self._redis.hit(limit.whole, limit.group, key)
            except StorageError as error:
                self._degrade(error)
            else:
                if self._degraded_until:
                    self._degraded_until = 0.0
                    self._metrics.limiter_degraded.set(0)
                    _logger.warning("limits are counted in Redis again")
                return allowed
        return self._memory.hit(limit.share, limit.group, key)

    def _degrade(self, error: StorageError) -> None:
        if not self._degraded_until:
            self._metrics.limiter_degraded.set(1)
            _logger.error(
                "Redis does not answer: each worker counts its share of the limits",
                extra={"error": str(error.storage_error)},
            )
        self._degraded_until = time.monotonic() + _DEGRADED_FOR_S

    def _wait_s(self, limit: _Limit, key: str) -> int:
        """Seconds until a refused client may try again."""
        try:
            if self._redis_url and not self._degraded_until:
                stats = self._redis.get_window_stats(limit.whole, limit.group, key)
            else:
                stats = self._memory.get_window_stats(limit.share, limit.group, key)
        except StorageError:
            return limit.whole.get_expiry()
        return max(1, round(stats.reset_time - time.time()))

    # Both are made at the first request, after the fork: their storages start threads and connections.

    @functools.cached_property
    def _memory(self) -> SlidingWindowCounterRateLimiter:
        return SlidingWindowCounterRateLimiter(MemoryStorage())

    @functools.cached_property
    def _redis(self) -> SlidingWindowCounterRateLimiter:
        storage = RedisStorage(
            self._redis_url or "",
            # The strategy is part of the key: another one on the same keys would find the wrong type.
            key_prefix="openwatt:sliding-window-counter",
            wrap_exceptions=True,
            socket_timeout=_REDIS_TIMEOUT_S,
            socket_connect_timeout=_REDIS_TIMEOUT_S,
        )
        return SlidingWindowCounterRateLimiter(storage)


def _key(client: str) -> str:
    """Whom a limit counts: an address, or the /64 that one IPv6 customer has to himself."""
    if ":" not in client:
        return client
    try:
        return str(ipaddress.ip_network((client, 64), strict=False))
    except ValueError:
        return client
