"""What a limit costs a request: ours in memory and in Redis, beside Flask-Limiter's; run by path."""

import argparse
import functools
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from flask import Flask, Response, request
from flask_limiter import Limiter
from werkzeug.test import EnvironBuilder, run_wsgi_app

sys.path[0] = str(Path(__file__).resolve().parents[1])  # the code beside this file, whatever is installed
from openwatt.telemetry.context import RequestContext  # noqa: E402  # found by the line above
from openwatt.telemetry.metrics.registry import Metrics  # noqa: E402  # found only once sys.path is set above
from openwatt.web.http import rate_limit_storage  # noqa: E402  # found only once sys.path is set above
from openwatt.web.http.rate_limits import RateLimits  # noqa: E402  # found only once sys.path is set above

LIMIT = "900000000/hour"  # never reached: a refusal is cheaper than an answer


def bare() -> Flask:
    """An app with one view of a few bytes."""
    app = Flask(__name__)

    @app.get("/v1/tariffs", endpoint="api.tariffs")
    def _view() -> Response:
        return Response(b"{}")

    return app


def ours(redis_url: str | None) -> Flask:
    """The view behind our limits."""
    app = bare()
    counted = RateLimits(Metrics(), default=LIMIT, redis_url=redis_url, workers=2)
    context = RequestContext("12345678", endpoint="api.tariffs", route="/v1/tariffs")

    @app.before_request
    def _start() -> Response | None:
        context.client = request.environ["REMOTE_ADDR"]
        refusal = counted.check(context)
        return None if refusal is None else refusal.response()

    @app.after_request
    def _finish(response: Response) -> Response:
        response.headers.extend(counted.headers(context))
        return response

    counted.init_app(app)
    return app


def flask_limiter(storage: str, *, headers: bool = False, by_hook: bool = False) -> Flask:
    """The view behind Flask-Limiter itself, by the same strategy: by its decorator, or by its hook alone."""
    app = bare()
    limiter = Limiter(
        lambda: request.environ["REMOTE_ADDR"],
        app=app,
        storage_uri=storage,
        strategy="sliding-window-counter",
        headers_enabled=headers,
        default_limits=[LIMIT] if by_hook else [],
    )
    if not by_hook:
        decorated: Any = limiter.limit(LIMIT)(app.view_functions["api.tariffs"])
        app.view_functions["api.tariffs"] = decorated
    return app


@contextmanager
def redis_server() -> Iterator[str]:
    """A redis-server on the loopback interface that keeps nothing; its address."""
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=port)
            for _ in range(200):
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.02)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def micros(app: Flask, clients: int, requests: int) -> tuple[float, float]:
    """Wall and processor µs of a request, from `clients` addresses in no order."""
    environ = EnvironBuilder("/v1/tariffs").get_environ()
    choose = functools.partial(random.randrange, clients)
    addresses = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in (choose() for _ in range(requests))]
    wall, processor = time.perf_counter(), time.process_time()
    for address in addresses:
        status = run_wsgi_app(app, {**environ, "REMOTE_ADDR": address})[1]
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    assert status == "200 OK"
    return wall / requests * 1e6, processor / requests * 1e6


def main() -> None:
    """Measures in turns and prints medians of what each adds to the view without a limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=1000)
    chosen = parser.parse_args()
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    vars(rate_limit_storage)["_REDIS_TIMEOUT_S"] = 5.0  # a busy machine must not give Redis up half-way
    with ExitStack() as stack:
        made: dict[str, Callable[[], Flask]] = {
            "no limit": bare,
            "ours, memory": lambda: ours(None),
            "Flask-Limiter's hook, memory": lambda: flask_limiter("exact-memory://", by_hook=True),
            "Flask-Limiter, memory": lambda: flask_limiter("memory://"),
            "Flask-Limiter, memory, headers": lambda: flask_limiter("memory://", headers=True),
        }
        if shutil.which("redis-server"):
            url = stack.enter_context(redis_server())
            made |= {
                "ours, Redis": lambda: ours(url),
                "Flask-Limiter, Redis": lambda: flask_limiter(url),
                "Flask-Limiter, Redis, headers": lambda: flask_limiter(url, headers=True),
            }
        else:
            print("redis-server is not installed: nothing is measured with Redis")
        for clients in (1, 10_000):
            apps = {name: make() for name, make in made.items()}
            for app in apps.values():
                micros(
                    app, clients, chosen.requests * (1 if clients == 1 else 10)
                )  # warm, and known addresses
            rounds: list[dict[str, Any]] = [
                {name: micros(app, clients, chosen.requests) for name, app in apps.items()}
                for _ in range(chosen.rounds)
            ]
            print(f"\n{clients} client{'s' * (clients > 1)}: µs added to a request (wall, processor)")
            for name in made:
                added = [
                    statistics.median(turn[name][kind] - turn["no limit"][kind] for turn in rounds)
                    for kind in (0, 1)
                ]
                print(f"  {name:32} {added[0]:8.0f} {added[1]:8.0f}")


if __name__ == "__main__":
    main()
