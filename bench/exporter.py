"""Request metrics of prometheus-flask-exporter beside our own: names, time, series; run by path."""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_flask_exporter import NO_PREFIX, PrometheusMetrics

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not bench/: its `requests.py` is not that library
from bench.bare_view import bare_app  # noqa: E402  # found by the line above
from bench.calls import NO_ENCODING, Case, caller  # noqa: E402  # found only once sys.path is set above
from openwatt.telemetry.metrics import worker_slots  # noqa: E402  # found only once sys.path is set above
from openwatt.telemetry.metrics.exporter import Exporter  # noqa: E402  # found only once sys.path is set above
from openwatt.telemetry.metrics.registry import DURATION_BUCKETS, Metrics  # noqa: E402  # found only once sys.path is set above

BODY = b'{"tariffs":[]}'
CASE = Case("bare", NO_ENCODING, 200, BODY, "bare")
PROMISED = ("http_requests_total{", "http_request_duration_seconds_bucket{", "http_requests_in_progress ")
SCANNED = 300


class DatabaseState(Collector):
    """Stands for what is read at scrape time, as the ingestion's state is."""

    def collect(self) -> list[Metric]:
        """One family."""
        return [GaugeMetricFamily("openwatt_ingest_state_readable", "1.", value=1)]


def route(_request: Any) -> str:
    """The rule that matched, never the path; its name is the label's."""
    return request.url_rule.rule if request.url_rule else "<unmatched>"


def with_defaults(app: Flask) -> Flask:
    """The library's default metrics, as near to the promised names and labels as its options come."""
    metrics = PrometheusMetrics(
        app, defaults_prefix=NO_PREFIX, group_by=route, buckets=DURATION_BUCKETS, registry=CollectorRegistry()
    )
    metrics.registry.register(DatabaseState())
    return app


def with_own(app: Flask) -> Flask:
    """Our families, observed in hooks as the request lifecycle does, and the library's endpoint."""
    metrics = Metrics()
    Exporter(app, metrics.exposition([DatabaseState()]))

    @app.before_request
    def start() -> None:
        request.environ["started"] = time.perf_counter()
        metrics.in_progress.inc()

    @app.after_request
    def finish(response: Response) -> Response:
        rule = request.url_rule.rule if request.url_rule else None
        seconds = time.perf_counter() - request.environ["started"]
        metrics.observe_request(request.method, rule, response.status_code, seconds)
        return response

    @app.teardown_request
    def close(_error: BaseException | None) -> None:
        metrics.in_progress.dec()

    return app


APPS: dict[str, Callable[[], Flask]] = {
    "bare": lambda: bare_app(BODY),
    "library's defaults": lambda: with_defaults(bare_app(BODY)),
    "own families": lambda: with_own(bare_app(BODY)),
}


def times(rounds: int, calls: int) -> None:
    """Prints the processor µs of a request with each app, in turn in each round."""
    callers = {name: caller(make(), CASE) for name, make in APPS.items()}
    micros: dict[str, list[float]] = {name: [] for name in APPS}
    for _ in range(rounds):
        for name, call in callers.items():
            micros[name].append(call(calls))
    for name, own in micros.items():
        added = median(one - bare for one, bare in zip(own, micros["bare"], strict=True))
        print(f"  {name:20}{median(own):8.1f} µs{added:+8.1f}")


def answers(name: str) -> None:
    """Prints what /metrics says after a request, for `name[]`, and after a scan of unknown URLs."""
    logging.disable()
    client = APPS[name]().test_client()
    client.get("/v1/tariffs")
    text = client.get("/metrics").get_data(as_text=True)
    missing = [family.strip(" {") for family in PROMISED if family not in text]
    collected = "openwatt_ingest_state_readable" in text
    filtered = client.get("/metrics?name[]=openwatt_ingest_state_readable").status_code
    for number in range(SCANNED):
        client.open(f"/scan/{number}", method=f"M{number}")
    scanned = client.get("/metrics").get_data(as_text=True)
    lines = len(scanned.splitlines()) - len(text.splitlines())
    print(f"  {name:20}missing: {', '.join(missing) or 'none'}; read at scrape time: {collected};")
    print(f"  {'':20}name[]: {filtered}; lines after {SCANNED} scanned URLs and methods: {lines:+}")


def main() -> None:
    """Measures without and with shared files, each part in a process and a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--shared", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part is None:
        for shared in ([], ["--shared"]):
            print("multiprocess mode" if shared else "one process", flush=True)
            for part in ("times", *list(APPS)[1:]):
                command = [sys.executable, __file__, *sys.argv[1:], *shared, "--part", part]
                subprocess.run(command, check=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        if given.shared:
            worker_slots.prepare(Path(folder))
        if given.part == "times":
            times(given.rounds, given.calls)
        else:
            answers(given.part)


if __name__ == "__main__":
    main()
