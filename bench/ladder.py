"""From Flask returning the same bytes to everything on, layer after layer: run by path, see --help."""

import argparse
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from prometheus_client.parser import text_string_to_metric_families

from openwatt.app import create_app
from openwatt.bootstrap import held_database, prepare_database
from openwatt.settings import Settings
from openwatt.web.http.app_state import state_of

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not bench/: its `requests.py` is not that library
from bench.addresses import MIXTURES, answer_addresses  # noqa: E402  # found by the line above
from bench.calls import NO_ENCODING, Case, load, ratio  # noqa: E402  # found by the line above
from bench.peers import Receiver, ReportSink, redis_server  # noqa: E402  # found by the line above
from bench.rung import Rung, answer_calls, rungs  # noqa: E402  # found by the line above
from bench.service import PATH, Service, open_folder, progress, running  # noqa: E402  # found by the line above

BUDGET, UNCACHED_BUDGET = 1.3, 1.5
BARE = "bare Flask"
Times = dict[tuple[str, str], list[float]]
#: Of each mixture of addresses, the times of the plain view and of the service.
Beside = dict[str, tuple[list[float], list[float]]]


def table(title: str, ladder: list[Rung], times: Times) -> None:
    """Prints µs of each rung (medians), what it adds to the one before, its ratio to the bare view."""
    print(f"\n{title}\n{'':24}{'200':>6}{'added':>8}{'ratio':>9}{'304':>8}{'ratio':>9}")
    bare = times[BARE, "200"]
    print(f"  {BARE:22}{median(bare):6.0f}")
    before = bare
    for rung in ladder:
        full, unchanged = times[rung.name, "200"], times[rung.name, "304"]
        added = median(own - other for own, other in zip(full, before, strict=True))
        print(
            f"  {rung.name:22}{median(full):6.0f}{added:+8.0f}{ratio(full, bare):7.2f} ×"
            f"{median(unchanged):8.0f}{ratio(unchanged, bare):7.2f} ×"
        )
        if "Redis" not in rung.name:
            before = full


# In process: each rung in a process of its own, asked in turn.


@contextmanager
def process(
    rung: Rung | None, cases: Mapping[str, Case], environment: Mapping[str, str], log: Path
) -> Iterator[Connection]:
    """A process that makes requests in itself; entered when it is ready."""
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    child = context.Process(target=answer_calls, args=(its, rung, cases, environment, log))
    child.start()
    its.close()
    try:
        assert ours.recv() == "ready"
        yield ours
        ours.send(None)
    finally:
        child.join(20)


def in_process(
    ladder: list[Rung], cases: Mapping[str, Case], folder: Path, rounds: int, requests: int
) -> Times:
    """Processor µs of a request, of all threads, for each rung and case."""
    times: Times = {}
    with ExitStack() as stack:
        pipes = {}
        for number, rung in enumerate((None, *ladder)):
            name = rung.name if rung else BARE
            environment = {
                "OPENWATT_DATA_DIR": str(folder / "data"),
                "OPENWATT_BIND": f"127.0.0.1:{number + 1}",  # the metrics' files are in a folder by this name
                "OPENWATT_LIMIT_API": "999999999/minute",
            }
            asked = cases if rung else {"200": cases["200"]}
            log = folder / f"{name}.log"
            pipes[name] = stack.enter_context(process(rung, asked, environment, log))
        for turn in range(rounds + 1):
            progress(f"in process: round {turn} of {rounds}")
            for name, pipe in pipes.items():
                for case in cases if name != BARE else ["200"]:
                    pipe.send((case, requests))
                    micros = pipe.recv()
                    if turn:  # the first only warms
                        times.setdefault((name, case), []).append(micros)
    for rung in ladder:
        check_log(rung, folder / f"{rung.name}.log", len(cases) * (rounds + 1) * requests)
    return times


def check_log(rung: Rung, log: Path, requests: int) -> None:
    """That every request has its record, on the rungs that have one."""
    logged = sum(b'"event":"request"' in line for line in log.open("rb"))
    if rung.lifecycle and "OPENWATT_LOG_LEVEL" not in rung.settings:
        assert logged >= requests, f"{rung.name}: {logged} records of {requests} requests"
    else:
        assert logged == 0, f"{rung.name}: {logged} records"


# Not cached, and mixtures of addresses: the last rung beside a plain Flask view with the same statement.


def beside_plain(rung: Rung, folder: Path, rounds: int, requests: int) -> Beside:
    """Processor µs of a request of the plain view, and of the rung, for each mixture."""
    context = multiprocessing.get_context("spawn")
    times: Beside = {name: ([], []) for name in MIXTURES}
    children, pipes, counts = [], [], []
    for number, which in enumerate((None, rung)):
        ours, its = context.Pipe()
        environment = {
            "OPENWATT_DATA_DIR": str(folder / "data"),
            "OPENWATT_BIND": f"127.0.0.1:{90 + number}",
            "OPENWATT_LIMIT_API": "999999999/minute",
        }
        log = folder / f"addresses{number}.log"
        child = context.Process(target=answer_addresses, args=(its, which, environment, log))
        child.start()
        its.close()
        children.append(child)
        pipes.append(ours)
        counts.append(ours.recv())
    assert counts[0] == counts[1], f"they answer different numbers of tariffs: {counts}"
    assert all(counts[0].values())
    for turn in range(rounds + 1):
        progress(f"not cached: round {turn} of {rounds}")
        for name, found in times.items():
            for pipe, micros in zip(pipes, found, strict=True):
                pipe.send((name, requests))
                spent = pipe.recv()
                if turn:  # the first only warms
                    micros.append(spent)
    for pipe, child in zip(pipes, children, strict=True):
        pipe.send(None)
        child.join(20)
    return times


def table_beside_plain(ladder: list[Rung], folder: Path, rounds: int, requests: int) -> None:
    """Prints µs of the plain view and of the last rung that counts in memory (medians), and the ratio."""
    last = [rung for rung in ladder if "Redis" not in rung.name or rung is ladder[0]][-1]
    times = beside_plain(last, folder, rounds, max(1, requests // 5))
    print("\nin process, processor µs of a request (all threads)")
    print(f"{'':28}{'plain':>8}{'service':>9}{'ratio':>9}")
    for name, (plain, own) in times.items():
        print(f"  {name:26}{median(plain):8.0f}{median(own):9.0f}{ratio(own, plain):7.2f} ×")
    print(f"budget of what is not cached: {UNCACHED_BUDGET} ×")


# End to end: workers of Gunicorn under wrk, everything a worker spends.


def served(service: Service) -> float:
    """Requests of the measured address that the service has counted."""
    _, _, text = service.get("/metrics", {"Accept": "text/plain"})
    return sum(
        sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == "http_requests_total" and sample.labels["route"] == PATH
    )


def end_to_end(
    ladder: list[Rung],
    cases: Mapping[str, Case],
    folder: Path,
    *,
    rounds: int,
    seconds: float,
    connections: int,
) -> Times:
    """Processor µs that a worker spends on a request, for each rung and case."""
    times: Times = {}
    requests = dict.fromkeys((rung.name for rung in ladder), 0)
    kept = folder / "bare"
    kept.write_bytes(cases["200"].body)
    with ExitStack() as stack:
        bare = {"BARE_BODY": str(kept), "PYTHONPATH": sys.path[0]}
        plain = ("--config", os.devnull, "--keep-alive", "15", "--no-control-socket")
        services = {BARE: stack.enter_context(running("bench.bare_view:app", bare, *plain))}
        for rung in ladder:
            environment = {"OPENWATT_DATA_DIR": str(folder / "data"), "PYTHONPATH": sys.path[0]}
            environment |= {"LADDER_RUNG": rung.name, **rung.settings}
            services[rung.name] = stack.enter_context(running("bench.rung:app", environment))
        for turn in range(rounds + 1):
            for name, service in services.items():
                progress(f"end to end: round {turn} of {rounds}, {name}")
                for case in cases if name != BARE else ["200"]:
                    found = load(service, cases[case], seconds if turn else 1, connections)
                    if turn:
                        times.setdefault((name, case), []).append(found.micros)
                    if name != BARE:
                        requests[name] += found.requests
        for rung in ladder:
            if rung.metrics:
                counted, made = served(services[rung.name]), requests[rung.name]
                # Asked once before each load and when it started; cut in the middle when a load ended.
                more = len(cases) * (rounds + 1) * (connections + 1) + 10
                assert made <= counted <= made + more, f"{rung.name}: {counted} counted of {made}"
    return times


def main() -> None:
    """Runs both measurements on one embedded database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="rounds in process (default 11)")
    parser.add_argument(
        "--requests", type=int, default=500, help="requests of a round in process (default 500)"
    )
    parser.add_argument("--loads", type=int, default=5, help="rounds end to end (default 5)")
    parser.add_argument("--seconds", type=float, default=2, help="length of one load (default 2)")
    parser.add_argument("--connections", type=int, default=8, help="connections of a load (default 8)")
    parser.add_argument("--only", nargs="+", help="these rungs alone, by name")
    parser.add_argument("--in-process-only", action="store_true", help="leave wrk and Gunicorn out")
    parser.add_argument("--end-to-end-only", action="store_true", help="leave the calls by WSGI out")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder())
        settings = Settings(data_dir=folder / "data")
        stack.enter_context(held_database(settings))
        prepare_database(settings)
        app = create_app(settings)
        first = app.test_client().get(PATH, headers=NO_ENCODING)
        state_of(app).database.close()
        assert first.status_code == 200
        unchanged = NO_ENCODING | {"If-None-Match": first.headers["ETag"]}
        cases = {
            "200": Case("200", NO_ENCODING, 200, first.data, BARE),
            "304": Case("304", unchanged, 304, b"", BARE),
        }
        receiver = stack.enter_context(closing(Receiver()))
        sink = stack.enter_context(closing(ReportSink()))
        redis = stack.enter_context(redis_server(folder))
        ladder = rungs(receiver.url, sink.dsn, redis)
        if arguments.only:
            ladder = [rung for rung in ladder if rung.name in arguments.only]
            assert ladder, "no rung of these names"
        print(f"{len(first.data):,} bytes, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
        if redis is None:
            print("Redis: left out, it needs redis-server (Debian: apt install redis-server)")
        if not arguments.end_to_end_only:
            times = in_process(ladder, cases, folder, arguments.rounds, arguments.requests)
            table("in process, processor µs of a request (all threads)", ladder, times)
            table_beside_plain(ladder, folder, arguments.rounds, arguments.requests)
        if not arguments.in_process_only:
            if shutil.which("wrk"):
                times = end_to_end(
                    ladder,
                    cases,
                    folder,
                    rounds=arguments.loads,
                    seconds=arguments.seconds,
                    connections=arguments.connections,
                )
                table("end to end, a worker's processor µs of a request", ladder, times)
                print(f"\nbudget of the whole: {BUDGET} × end to end, 304 cheaper still")
            else:
                print("\nend to end: left out, it needs wrk (Debian: apt install wrk)")
        if any("OPENWATT_LOGSTASH_URL" in rung.settings for rung in ladder):
            assert receiver.requests > 0, "nothing was shipped"


if __name__ == "__main__":
    main()
