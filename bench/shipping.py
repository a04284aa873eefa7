"""P99 of requests while logs are shipped, to a good receiver and to bad ones, beside none: run by path."""

import argparse
import os
import shutil
import statistics
import sys
from contextlib import ExitStack, closing
from pathlib import Path

from openwatt.bootstrap import held_database, prepare_database
from openwatt.settings import Settings

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not bench/: its `requests.py` is not that library
from bench.calls import NO_ENCODING, Case, load, ratio  # noqa: E402  # found by the line above
from bench.peers import Receiver  # noqa: E402  # found by the line above
from bench.service import free_port, open_folder, progress, running  # noqa: E402  # found by the line above

BUDGET = 1.2
UNSHIPPED = "no shipping"


def main() -> None:
    """One service for each kind of receiver, under the same load in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, default=20, help="rounds (default 20)")
    parser.add_argument("--seconds", type=float, default=1, help="length of one load (default 1)")
    parser.add_argument("--connections", type=int, default=2, help="connections of a load (default 2)")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("this needs wrk (Debian: apt install wrk)")
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder())
        settings = Settings(data_dir=folder / "data")
        stack.enter_context(held_database(settings))
        prepare_database(settings)
        healthy, hole = (stack.enter_context(closing(Receiver(reads=reads))) for reads in (True, False))
        peers = {
            UNSHIPPED: "",
            "healthy receiver": healthy.url,
            "refused": f"tcp://127.0.0.1:{free_port()}",
            "accepts, reads nothing": hole.url,
        }
        services = {}
        for name, url in peers.items():
            environment = {"OPENWATT_DATA_DIR": str(settings.data_dir), "PYTHONPATH": sys.path[0]}
            environment |= {"OPENWATT_LOGSTASH_URL": url} if url else {}
            services[name] = stack.enter_context(running("wsgi:app", environment))
        status, _, body = services[UNSHIPPED].get(headers=NO_ENCODING)
        assert status == 200
        case = Case("200", NO_ENCODING, 200, body, UNSHIPPED)
        slowest: dict[str, list[float]] = {name: [] for name in services}
        micros: dict[str, list[float]] = {name: [] for name in services}
        requests = dict.fromkeys(services, 0)
        for turn in range(arguments.loads + 1):
            # The order changes, so that none always follows the same one.
            for name in list(services)[turn % 4 :] + list(services)[: turn % 4]:
                progress(f"round {turn} of {arguments.loads}, {name}")
                found = load(services[name], case, arguments.seconds if turn else 1, arguments.connections)
                requests[name] += found.requests
                if turn:  # the first only warms
                    slowest[name].append(found.p99_ms)
                    micros[name].append(found.micros)
        print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
        print(f"{'':26}{'requests':>10}{'P99 ms':>8}{'ratio':>9}{'µs':>7}{'ratio':>9}")
        for name in services:
            print(
                f"  {name:24}{requests[name]:10,}{statistics.median(slowest[name]):8.1f}"
                f"{ratio(slowest[name], slowest[UNSHIPPED]):7.2f} ×"
                f"{statistics.median(micros[name]):7.0f}{ratio(micros[name], micros[UNSHIPPED]):7.2f} ×"
            )
        print(f"budget of P99: {BUDGET} × (processor time of a worker beside it)")
    # Every service has ended, and has given what it had to who would take it.
    assert healthy.requests >= requests["healthy receiver"], f"received {healthy.requests} of {requests}"


if __name__ == "__main__":
    main()
