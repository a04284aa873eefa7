"""Rate limits: Flask-Limiter with one shared limit a group of routes, whoever answers, Flask or the cache."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import limits
from flask import Flask, Response
from flask_limiter import Limit, Limiter

from openwatt.domain.messages import Message
from openwatt.telemetry import context as contexts
from openwatt.telemetry.context import RequestContext
from openwatt.telemetry.metrics.registry import UNMATCHED_ROUTE, Metrics
from openwatt.web.http.client_address import client_key
from openwatt.web.http.problems import problem
from openwatt.web.http.rate_limit_storage import ExactMemoryStorage, RedisOrMemoryStorage

#: The group of whatever has no limit of its own: pages, static files, addresses that do not exist.
DEFAULT_GROUP = "pages"


class _GroupLimit(NamedTuple):
    """The limit of a group of routes."""

    item: limits.RateLimitItem
    group: str
    headers: Sequence[tuple[str, str]]
    """What the limit is, under the usual name and by draft-ietf-httpapi-ratelimit-headers-10."""

    @classmethod
    def of(cls, item: limits.RateLimitItem, group: str) -> Self:
        """The limit with its headers."""
        policy = f'"{group}";q={item.amount};w={item.get_expiry()}'
        headers = (("X-RateLimit-Limit", str(item.amount)), ("RateLimit-Policy", policy))
        return cls(item, group, headers)

    def remaining_header(self, remaining: int, seconds: float) -> tuple[str, str]:
        """What remains of it, and for how long."""
        return "RateLimit", f'"{self.group}";r={remaining};t={math.ceil(seconds)}'


class LimitRefusal(NamedTuple):
    """Why a request above a limit is not answered, and the headers that say when to ask again."""

    detail: Message
    headers: Mapping[str, str]

    def response(self) -> Response:
        """The 429, made within Flask's context of the request, which the response cache does not have."""
        response = problem(429, self.detail)
        response.headers.update(self.headers)
        return response


def _client() -> str:
    """Whom Flask-Limiter counts by itself, where somebody uses its decorators."""
    context = contexts.current()
    return client_key(context.client or "unknown") if context is not None else "unknown"


class RateLimits(Limiter):
    """Flask-Limiter for one app: how many requests one client may make in a time.

    A blueprint gets a limit by `shared_limit(text, scope=group)(blueprint)`, and none by
    `exempt(blueprint)`; `default` is that of everything else. Redis counts for all
    workers together; without one, each of `workers` allows its share.

    `check` counts a request by Flask-Limiter's strategy, whether Flask or the response cache answers
    it. Flask-Limiter's own hooks are left out: they resolve the limits of a route again for each
    request, which takes 93 µs of it, and `check` 9 (bench/limiter.py).

    Raises:
        ValueError: the address of Redis cannot be used.
    """

    def __init__(self, metrics: Metrics, *, default: str, redis_url: str | None, workers: int) -> None:
        storage: Any = ExactMemoryStorage
        options: Any = {"workers": workers}
        if redis_url:
            storage = RedisOrMemoryStorage
            options |= {"redis_url": redis_url, "on_degraded": metrics.limiter_degraded.set}
        super().__init__(
            _client,
            default_limits=[Limit(default, scope=DEFAULT_GROUP, shared=True)],
            strategy="sliding-window-counter",
            storage_uri=f"{storage.STORAGE_SCHEME[0]}://",
            storage_options=options,
        )
        self._metrics = metrics
        self._groups: dict[str | None, _GroupLimit | None] = {}

    def init_app(self, app: Flask) -> None:
        """Makes these the limits of an app; `RequestLifecycle` calls `check`."""
        super().init_app(Flask("limits"))  # it registers its hooks where nothing is served
        self._strategy_hit = self.limiter.hit
        self.app = app
        app.extensions.setdefault("limiter", set()).add(self)  # for its command, `flask limiter limits`

    def check(self, context: RequestContext) -> "LimitRefusal | None":
        """Counts a request; the refusal when its client has made too many, else None."""
        limit = self._limit_of(context)
        if limit is None:
            return None
        identifiers = (client_key(context.client or "unknown"), limit.group)
        if self._strategy_hit(limit.item, *identifiers):
            return None
        route = UNMATCHED_ROUTE if context.route is None else context.route
        self._metrics.limit_breaches.labels(route, limit.group).inc()
        return self._too_many(limit.item, limit.item.key_for(*identifiers))

    def headers(self, context: RequestContext) -> Sequence[tuple[str, str]]:
        """The headers of every response: what the limit is."""
        limit = self._limit_of(context)
        return () if limit is None else limit.headers

    def remaining_headers(self, context: RequestContext) -> Sequence[tuple[str, str]]:
        """What remains of the limit, for a response that no cache gives to others.

        Reading it costs as much as counting: a cached response, whose whole cost that
        would double, goes without it.
        """
        limit = self._limit_of(context)
        if limit is None:
            return ()
        key = limit.item.key_for(client_key(context.client or "unknown"), limit.group)
        remaining, seconds = self._counts.remaining(key, limit.item.amount, limit.item.get_expiry())
        return (limit.remaining_header(remaining, seconds),)

    @property
    def _counts(self) -> ExactMemoryStorage | RedisOrMemoryStorage:
        storage = self.storage
        assert isinstance(storage, ExactMemoryStorage | RedisOrMemoryStorage)  # noqa: S101 - by __init__
        return storage

    def _limit_of(self, context: RequestContext) -> _GroupLimit | None:
        """The limit that a request counts towards; a browser's question before it is counted apart."""
        return self._resolve(None if context.method == "OPTIONS" else context.endpoint)

    def _resolve(self, endpoint: str | None) -> _GroupLimit | None:
        """The limit of an endpoint as Flask-Limiter resolves it; None where it is exempt."""
        if endpoint not in self._groups:
            assert self.app is not None  # noqa: S101 - `init_app` is called before the first request
            blueprint = (endpoint or "").rpartition(".")[0] or None
            defaults, own = self.limit_manager.resolve_limits(
                self.app, endpoint, blueprint, in_middleware=True
            )
            found = [_GroupLimit.of(limit.limit, str(limit.scope)) for limit in (*own, *defaults)]
            self._groups[endpoint] = found[0] if found else None
        return self._groups[endpoint]

    def _too_many(self, limit: limits.RateLimitItem, key: str) -> "LimitRefusal":
        wait_s = self._counts.seconds_to_wait(key, limit.amount, limit.get_expiry())
        seconds = math.floor(wait_s) + 1  # never too early, whatever the fraction
        most, window = str(limit.amount), str(limit.get_expiry())
        return LimitRefusal(
            Message.of("problem.too_many_requests", most=most, seconds=window, wait=str(seconds)),
            {
                "Retry-After": str(seconds),
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(int(time.time()) + seconds),
            },
        )
