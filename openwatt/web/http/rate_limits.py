"""Rate limits: Flask-Limiter with one shared limit a group of routes, whoever answers, Flask or the cache."""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import limits
from flask import Flask, Response, request
from flask_limiter import Limit, Limiter, RateLimitExceeded, RequestLimit

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


class RateLimits:
    """The limits of one app: how many requests one client may make in a time.

    A blueprint gets one by `limiter.shared_limit(text, scope=group)(blueprint)`, and none by
    `limiter.exempt(blueprint)`; `default` is that of everything else. Redis counts for all
    workers together; without one, each of `workers` allows its share.

    Raises:
        ValueError: the address of Redis cannot be used.
    """

    def __init__(self, metrics: Metrics, *, default: str, redis_url: str | None, workers: int) -> None:
        self._metrics = metrics
        storage: Any = ExactMemoryStorage
        options: Any = {"workers": workers}
        if redis_url:
            storage = RedisOrMemoryStorage
            options |= {"redis_url": redis_url, "on_degraded": metrics.limiter_degraded.set}
        self.limiter = Limiter(
            _client,
            default_limits=[Limit(default, scope=DEFAULT_GROUP, shared=True)],
            strategy="sliding-window-counter",
            on_breach=self._on_breach,
            request_identifier=_endpoint,
            storage_uri=f"{storage.STORAGE_SCHEME[0]}://",
            storage_options=options,
        )
        self.limiter.logger.setLevel(logging.WARNING)  # a breach has the record of its request
        self._app: Flask | None = None
        self._limits: dict[str | None, _GroupLimit | None] = {}

    def init_app(self, app: Flask) -> None:
        """Registers the hooks of Flask-Limiter, and a problem document for a breach."""
        self._app = app
        self.limiter.init_app(app)
        app.register_error_handler(RateLimitExceeded, lambda error: error.response)

    def check(self, context: RequestContext) -> Response | None:
        """Counts a request that Flask does not see; a 429 when its client has made too many, else None."""
        limit = self._limit(context.endpoint)
        if limit is None:
            return None
        identifiers = (client_key(context.client or ""), limit.group)
        if self.limiter.limiter.hit(limit.item, *identifiers):
            return None
        return self._too_many(context, limit.item, identifiers)

    def headers(self, context: RequestContext) -> Sequence[tuple[str, str]]:
        """The header with a client's limit. What remains comes with a 429: reading it doubles the cost."""
        limit = self._limit(context.endpoint)
        return () if limit is None else (("X-RateLimit-Limit", str(limit.item.amount)),)

    def _limit(self, endpoint: str | None) -> _GroupLimit | None:
        """The limit of an endpoint as Flask-Limiter resolves it; None where it is exempt."""
        if endpoint not in self._limits:
            assert self._app is not None  # noqa: S101 - `init_app` is called before the first request
            blueprint = (endpoint or "").rpartition(".")[0]
            resolve = self.limiter.limit_manager.resolve_limits
            defaults, own = resolve(self._app, endpoint, blueprint or None, in_middleware=True)
            self._limits[endpoint] = next(
                (_GroupLimit(limit.limit, str(limit.scope)) for limit in (*own, *defaults)), None
            )
        return self._limits[endpoint]

    def _on_breach(self, breached: RequestLimit) -> Response:
        context = contexts.current()
        assert context is not None  # noqa: S101 - the lifecycle's hook runs before Flask-Limiter's
        return self._too_many(context, breached.limit, breached.request_args)

    def _too_many(
        self, context: RequestContext, limit: limits.RateLimitItem, identifiers: Sequence[str]
    ) -> Response:
        route = UNMATCHED_ROUTE if context.route is None else context.route
        self._metrics.limit_breaches.labels(route, identifiers[1]).inc()
        storage = self.limiter.storage
        assert isinstance(storage, ExactMemoryStorage | RedisOrMemoryStorage)  # noqa: S101 - by __init__
        wait_s = storage.seconds_to_wait(limit.key_for(*identifiers), limit.amount, limit.get_expiry())
        seconds = math.floor(wait_s) + 1  # never too early, whatever the fraction
        response = problem(
            429,
            f"At most {limit.amount} requests in {limit.get_expiry()} s from one address "
            f"are answered; ask again in {seconds} s.",
        )
        response.headers["Retry-After"] = str(seconds)
        response.headers["X-RateLimit-Remaining"] = "0"
        response.headers["X-RateLimit-Reset"] = str(int(time.time()) + seconds)
        return response


def _client() -> str:
    """Whom Flask-Limiter counts."""
    context = contexts.current()
    return client_key(context.client or "") if context is not None else ""


def _endpoint() -> str:
    """The endpoint for Flask-Limiter, which never limits static files and what has none; we do."""
    return "static files" if request.endpoint == "static" else request.endpoint or "no endpoint"
