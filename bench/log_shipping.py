"""What log shipping costs a request, by the state of the receiver: P50 and P99 against no shipping.

Each state is measured in turn, several rounds, on one Flask application with the
canonical record; the medians of the rounds are printed as ratios.

    python bench/log_shipping.py
"""

import contextlib
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response

from openwatt.telemetry import access
from openwatt.telemetry import context as contexts
from openwatt.telemetry.logs import Identity, LogConfig, configure_logs
from openwatt.telemetry.shipment import ShippingConfig
from openwatt.telemetry.shipping import Shipper
from openwatt.telemetry.shipping_handler import ShippingHandler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.log_receivers import BlackHole, Receiver, free_port, read_nothing

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, REQUESTS, PAUSE_SECONDS = 5, 1500, 0.0005
BODY = b"x" * 19_000


def application() -> Flask:
    """A view of 19 kB with the canonical record and nothing else."""
    app = Flask(__name__)

    @app.before_request
    def _begin() -> None:
        contexts.begin(contexts.RequestContext(request_id="bench-request", method="GET", path="/"))

    @app.after_request
    def _log(response: Response) -> Response:
        context = contexts.current()
        assert context is not None
        access.log_request(context, response.status_code, response.calculate_content_length())
        return response

    @app.teardown_request
    def _end(_error: BaseException | None) -> None:
        context = contexts.current()
        assert context is not None
        contexts.end(context)

    @app.get("/")
    def body() -> Response:
        return Response(BODY)

    return app


def microseconds(app: Flask) -> tuple[float, float]:
    """(P50, P99) of a request's time."""
    environ = app.test_client().get("/").request.environ
    taken = []
    for _ in range(REQUESTS):
        start = time.perf_counter_ns()
        app(dict(environ), lambda *_: lambda _: None)
        taken.append((time.perf_counter_ns() - start) / 1000)
        time.sleep(PAUSE_SECONDS)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def main() -> None:
    """Prints a line for each state."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        found = measure()
    base = [statistics.median(column) for column in zip(*found["no shipping"], strict=True)]
    for name, rounds in found.items():
        p50, p99 = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = f"P50 {p50:6.0f} µs (× {p50 / base[0]:.2f})   P99 {p99:6.0f} µs (× {p99 / base[1]:.2f})"
        print(f"{name:>14}: {ratios}")


def measure() -> dict[str, list[tuple[float, float]]]:
    """State → (P50, P99) of each round."""
    healthy, mute, hole = Receiver(), Receiver(read_nothing), BlackHole()
    states: dict[str, Callable[[], str]] = {
        "no shipping": lambda: "",
        "healthy": lambda: healthy.url,
        "refused": lambda: f"tcp://127.0.0.1:{free_port()}",
        "black hole": lambda: hole.url,
        "reads nothing": lambda: mute.url,
    }
    app = application()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in states}
    for _ in range(ROUNDS):
        for name, url_of in states.items():
            url = url_of()
            with tempfile.TemporaryDirectory() as folder:
                handlers = []
                if url:
                    handlers.append(ShippingHandler(Shipper(ShippingConfig(url=url, spool=Path(folder)))))
                configure_logs(LogConfig(identity=Identity(environment="production")), *handlers)
                found[name].append(microseconds(app))
                if handlers:
                    handlers[0].close()
                    logging.getLogger().removeHandler(handlers[0])
    return found


if __name__ == "__main__":
    main()
