"""GET /v1/tariffs beside a bare Flask view of the same bytes: run by path, see --help."""

import argparse
import gzip
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from openwatt.app import create_app
from openwatt.prepare import held_database, prepare_database
from openwatt.settings import Settings

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not bench/: this file is not the library `requests`
from bench.bare_view import bare_app  # noqa: E402  # found by the line above
from bench.service import PATH, Service, open_folder, progress, running  # noqa: E402  # found by the line above

BUDGET = 1.3
GZIP = {"Accept-Encoding": "gzip"}
NO_ENCODING = {"Accept-Encoding": "identity"}


class Case(NamedTuple):
    """A request that is measured, what it must answer, and which case it is compared with."""

    name: str
    headers: Mapping[str, str]
    status: int
    body: bytes
    beside: str


def cases(body: bytes, etag: str) -> tuple[list[Case], list[Case]]:
    """The bare views' cases and the product's, for this answer."""
    compressed = gzip.compress(body, 6, mtime=0)
    bare = [
        Case("bare", NO_ENCODING, 200, body, "bare"),
        Case("bare gzip", GZIP, 200, compressed, "bare"),
    ]
    product = [
        Case("200", NO_ENCODING, 200, body, "bare"),
        Case("200 gzip", GZIP, 200, compressed, "bare gzip"),
        Case("304", NO_ENCODING | {"If-None-Match": etag}, 304, b"", "bare"),
    ]
    return bare, product


def table(title: str, product: Iterable[Case], micros: Mapping[str, Sequence[float]]) -> None:
    """Prints µs (median) for each case and the ratio to the bare view: the median of each round's own."""
    print(f"\n{title:44}{'bare':>8}{'ours':>8}{'ratio':>9}")
    for case in product:
        bare, ours = micros[case.beside], micros[case.name]
        ratio = statistics.median(own / beside for own, beside in zip(ours, bare, strict=True))
        beside, own = statistics.median(bare), statistics.median(ours)
        print(f"  {case.name:12}beside {case.beside:23}{beside:8.0f}{own:8.0f}{ratio:7.2f} ×")


# In process: calls by WSGI, nothing but the app's own time.


def caller(app: Flask, case: Case) -> Callable[[int], float]:
    """Makes n requests and gives the processor µs of one; checks an answer first."""
    wsgi = app.wsgi_app
    environ = EnvironBuilder(path=PATH, headers=list(case.headers.items())).get_environ()

    def start_response(*_: Any) -> Callable[[bytes], None]:
        return lambda _bytes: None

    answer, status, _headers = run_wsgi_app(wsgi, environ.copy())
    sent = b"".join(answer)
    assert status.startswith(str(case.status)), f"{case.name}: {status}"
    assert sent == case.body, f"{case.name}: other bytes than expected"

    def call(times: int) -> float:
        environs = [environ.copy() for _ in range(times)]
        began = time.thread_time()
        for each in environs:
            answer = wsgi(each, start_response)
            for _ in answer:
                pass
            if hasattr(answer, "close"):
                answer.close()
        return (time.thread_time() - began) / times * 1e6

    return call


def in_process(settings: Settings, rounds: int, requests: int) -> None:
    """Measures by WSGI calls, in turn."""
    app = create_app(settings)
    first = app.test_client().get(PATH, headers=NO_ENCODING)
    body = first.data
    assert first.status_code == 200
    tariffs = len(json.loads(body)["tariffs"])
    assert tariffs > 10
    bare, product = cases(body, first.headers["ETag"])
    callers = {
        case.name: caller(bare_app(case.body, "gzip" if case.headers is GZIP else None), case)
        for case in bare
    } | {case.name: caller(app, case) for case in product}
    times: dict[str, list[float]] = {name: [] for name in callers}
    for _ in range(rounds):
        for name, call in callers.items():
            times[name].append(call(requests))
    print(f"{len(body):,} bytes, {tariffs} tariffs, {os.cpu_count()} cores")
    table("in process, processor µs of a request", product, times)
    asked = app.test_client()
    unkept = []
    for limit in range(100, 140):  # each a question that nobody has asked yet, with the same rows
        began = time.perf_counter()
        answer = asked.get(PATH, query_string={"limit": limit})
        unkept.append((time.perf_counter() - began) * 1e6)
        assert answer.status_code == 200
    print(f"  {'200, not kept: asked of the database':44}{statistics.median(unkept):8.0f} (waiting included)")
    app.extensions["openwatt.answers"].database.close()


# End to end: workers of Gunicorn under wrk, everything a worker spends.


def load(service: Service, case: Case, seconds: float, connections: int) -> float:
    """Worker processor µs per request under wrk; checks one answer first, and that none failed."""
    status, _headers, body = service.get(headers=case.headers)
    assert status == case.status, f"{case.name}: {status}"
    assert body == case.body, f"{case.name}: other bytes than expected"
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds:g}s"]
    for name, value in case.headers.items():
        command += ["-H", f"{name}: {value}"]
    before = service.worker_seconds()
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{service.port}{PATH}"], capture_output=True, text=True, check=True
    ).stdout
    spent = service.worker_seconds() - before
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    match = re.search(r"(\d+) requests in", said)
    assert match, said
    assert int(match[1]) > 100, said
    return spent / int(match[1]) * 1e6


def end_to_end(data_dir: Path, folder: Path, rounds: int, seconds: float, connections: int) -> None:
    """Measures three services with two workers each under the same load, in turn."""
    with ExitStack() as stack:
        environment = {"OPENWATT_DATA_DIR": str(data_dir), "PYTHONPATH": sys.path[0]}
        service = stack.enter_context(running("wsgi:app", environment))
        _, headers, body = service.get(headers=NO_ENCODING)
        bare, product = cases(body, headers["etag"])
        services = dict.fromkeys((case.name for case in product), service)
        for case in bare:
            kept = folder / case.name.replace(" ", "-")
            kept.write_bytes(case.body)
            bare_environment = {"BARE_BODY": str(kept), "PYTHONPATH": sys.path[0]}
            if case.headers is GZIP:
                bare_environment["BARE_ENCODING"] = "gzip"
            services[case.name] = stack.enter_context(
                running(
                    "bench.bare_view:app",
                    bare_environment,
                    *("--config", os.devnull, "--keep-alive", "15"),
                    "--no-control-socket",
                )
            )
        times: dict[str, list[float]] = {name: [] for name in services}
        for turn in range(rounds + 1):
            for case in (bare[0], product[0], product[2], bare[1], product[1]):  # neighbours are compared
                progress(f"end to end: round {turn} of {rounds}, {case.name}")
                micros = load(services[case.name], case, seconds if turn else 1, connections)
                if turn:  # the first only warms
                    times[case.name].append(micros)
        table("end to end, a worker's processor µs", product, times)


def main() -> None:
    """Runs both measurements on one embedded database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds in process (default 15)")
    parser.add_argument(
        "--requests", type=int, default=500, help="requests of a round in process (default 500)"
    )
    parser.add_argument("--loads", type=int, default=5, help="rounds end to end (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="length of one load (default 3)")
    parser.add_argument("--connections", type=int, default=8, help="connections of a load (default 8)")
    parser.add_argument("--in-process-only", action="store_true", help="leave wrk and Gunicorn out")
    arguments = parser.parse_args()
    with open_folder() as folder:
        settings = Settings(data_dir=folder / "data")
        with held_database(settings):
            prepare_database(settings)
            in_process(settings, arguments.rounds, arguments.requests)
            if not arguments.in_process_only:
                if shutil.which("wrk"):
                    end_to_end(
                        settings.data_dir, folder, arguments.loads, arguments.seconds, arguments.connections
                    )
                else:
                    print("\nend to end: left out, it needs wrk (Debian: apt install wrk)")
            print(f"\nbudget of the whole service: {BUDGET} × end to end, 304 cheaper still")


if __name__ == "__main__":
    main()
