"""The service with some of its layers: a rung of `ladder.py`, in this process or under Gunicorn."""

import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple
from unittest.mock import MagicMock, patch

from flask import Flask
from prometheus_client import CollectorRegistry

import openwatt.app
from bench.bare_view import bare_app
from bench.calls import Case, caller
from openwatt.observability import telemetry_config
from openwatt.settings import Settings, read_settings
from openwatt.telemetry.context import RequestContext
from openwatt.telemetry.start import Telemetry, start_telemetry
from openwatt.web.http.app_state import state_of
from openwatt.web.http.security_headers import GUARDS


class Rung(NamedTuple):
    """What a rung has; logs, shipping, Redis and Sentry are settings, the rest is left out of the app."""

    name: str
    lifecycle: bool = True
    metrics: bool = True
    limits: bool = True
    settings: Mapping[str, str] = {}


def rungs(logstash_url: str, sentry_dsn: str, redis_url: str | None) -> list[Rung]:
    """The ladder over the bare view, each rung with everything of those before it."""
    silent = {"OPENWATT_LOG_LEVEL": "ERROR"}
    shipped = {"OPENWATT_LOGSTASH_URL": logstash_url}
    reported = shipped | {"OPENWATT_SENTRY_DSN": sentry_dsn}
    ladder = [
        Rung("kept answers", lifecycle=False, metrics=False, limits=False, settings=silent),
        Rung("request id", metrics=False, limits=False, settings=silent),
        Rung("log record", metrics=False, limits=False),
        Rung("log shipping", metrics=False, limits=False, settings=shipped),
        Rung("metrics", limits=False, settings=shipped),
        Rung("limits, memory", settings=shipped),
        Rung("Sentry: all, memory", settings=reported),
    ]
    if redis_url:
        ladder.append(Rung("all, Redis", settings=reported | {"OPENWATT_REDIS_URL": redis_url}))
    return ladder


class _NoMetrics:
    """Takes what is told to `Metrics`, and forgets it."""

    def __init__(self) -> None:
        self.in_progress = self.tariffs_served = self.response_cache = self

    def inc(self, _by: float = 1) -> None:
        pass

    dec = inc

    def labels(self, *_: str) -> "_NoMetrics":
        return self

    def observe_request(self, *_: object) -> None:
        pass

    def report_pool(self, _statistics: object) -> None:
        pass

    report = report_pool

    def exposition(self, _collectors: object) -> CollectorRegistry:
        return CollectorRegistry()


class _NoLimits:
    """Refuses nobody and counts nothing."""

    def __init__(self, *_: object, **_named: object) -> None:
        pass

    shared_limit = exempt = MagicMock()

    def init_app(self, _app: Flask) -> None:
        pass

    def check(self, _context: object) -> None:
        pass

    def headers(self, _context: object) -> tuple[()]:
        return ()


class _NoLifecycle:
    """Starts, finishes and closes nothing."""

    limits = _NoLimits()

    def __init__(self, *_: object, **_named: object) -> None:
        self._context = RequestContext(request_id="none")

    def init_app(self, _app: Flask) -> None:
        pass

    def start(self, *_: object) -> RequestContext:
        return self._context

    def headers(self, *_: object) -> list[tuple[str, str]]:
        return list(GUARDS)

    def finish(self, *_: object) -> None:
        pass

    def close(self, _context: RequestContext) -> None:
        pass


def rung_app(rung: Rung, settings: Settings, telemetry: Telemetry) -> Flask:
    """The product's own app without the layers that the rung has not."""
    with ExitStack() as stack:
        if not rung.metrics:
            stack.enter_context(patch.object(telemetry, "metrics", _NoMetrics()))
        if not rung.limits:
            stack.enter_context(patch.object(openwatt.app, "RateLimits", _NoLimits))
        if not rung.lifecycle:
            stack.enter_context(patch.object(openwatt.app, "RequestLifecycle", _NoLifecycle))
        return openwatt.app.create_app(settings, telemetry=telemetry)


def answer_calls(
    pipe: Connection, rung: Rung | None, cases: Mapping[str, Case], environment: Mapping[str, str], log: Path
) -> None:
    """A process that makes requests in itself when asked: (case, times) in, processor µs of one out.

    The time is that of all its threads, so that what is shipped later is paid too. `rung` None is the bare
    view of the first case's bytes.
    """
    with log.open("wb") as written:
        os.dup2(written.fileno(), sys.stdout.fileno())
    app = None
    telemetry = None
    if rung is not None:
        settings = read_settings({**environment, **rung.settings})
        telemetry = start_telemetry(telemetry_config(settings, multiprocess=True))
        app = rung_app(rung, settings, telemetry)
    callers = {
        name: caller(app or bare_app(case.body), case, time.process_time) for name, case in cases.items()
    }
    pipe.send("ready")
    while (asked := pipe.recv()) is not None:
        name, times = asked
        pipe.send(callers[name](times))
    if app is not None:
        state_of(app).database.close()
    if telemetry is not None:
        telemetry.close()


if "LADDER_RUNG" in os.environ:  # under Gunicorn, whose configuration has started the telemetry
    _settings = read_settings()
    _name = os.environ["LADDER_RUNG"]
    app = rung_app(
        next(rung for rung in rungs("-", "-", "-") if rung.name == _name),
        _settings,
        start_telemetry(telemetry_config(_settings, multiprocess=True)),
    )
