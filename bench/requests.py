"""GET /v1/tariffs beside a bare Flask view of the same bytes: run by path, see --help."""

import argparse
import gzip
import json
import os
import shutil
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from openwatt.app import create_app
from openwatt.bootstrap import held_database, prepare_database
from openwatt.settings import Settings
from openwatt.web.http.app_state import state_of

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not bench/: this file is not the library `requests`
from bench.bare_view import bare_app  # noqa: E402  # found by the line above
from bench.calls import GZIP, NO_ENCODING, Case, caller, load, table  # noqa: E402  # found by the line above
from bench.service import NO_REFUSAL, PATH, open_folder, progress, running  # noqa: E402  # found by the line above

BUDGET = 1.3


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


# In process: calls by WSGI, nothing but the app's own time.


def in_process(settings: Settings, rounds: int, requests: int) -> None:
    """Measures by WSGI calls, in turn."""
    app = create_app(replace(settings, limit_api=NO_REFUSAL["OPENWATT_LIMIT_API"]))
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
    state_of(app).database.close()


# End to end: workers of Gunicorn under wrk, everything a worker spends.


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
                micros = load(services[case.name], case, seconds if turn else 1, connections).micros
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
