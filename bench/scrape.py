"""What a scrape of /metrics costs after hundreds of recycled workers, beside after none: run by path."""

import argparse
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from openwatt.bootstrap import held_database, prepare_database
from openwatt.settings import Settings
from openwatt.telemetry.metrics.registry import exposition_of

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not bench/: its `requests.py` is not that library
from bench.service import PATH, Service, open_folder, progress, running  # noqa: E402  # found by the line above

BUDGET = 1.2
WORKERS = 2
#: Each address with another status is a set of series in every file.
ADDRESSES = {PATH: 200, f"{PATH}?limit=0": 400, "/v1/tempo": 200, "/v1/suppliers": 200, "/none": 404}


def ask(service: Service, turns: int) -> int:
    """Asks every address so many times, checks the answers, and tells how many requests that were."""
    for _ in range(turns):
        for address, wanted in ADDRESSES.items():
            status, _, _ = service.get(address)
            assert status == wanted, f"{address}: {status}"
    return turns * len(ADDRESSES)


def counted(directory: Path) -> float:
    """Requests that the files of a service hold together."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(scrape(directory).decode())
        for sample in family.samples
        if sample.name == "http_requests_total"
    )


def scrape(directory: Path) -> bytes:
    """What `openwatt metrics` answers, without the ingestion's state."""
    return generate_latest(exposition_of(directory))


def milliseconds(directory: Path, times: int) -> float:
    """Processor time of one scrape."""
    began = time.process_time()
    for _ in range(times):
        scrape(directory)
    return (time.process_time() - began) / times * 1e3


def recycle(service: Service, workers: int) -> tuple[int, int]:
    """Asks until so many workers have ended; how many were seen, and how many requests that took."""
    seen: set[int] = set()
    requests = 0
    while len(seen) < workers + WORKERS:
        requests += ask(service, 1)
        seen |= {worker.pid for worker in service.workers()}
        progress(f"{len(seen) - WORKERS} of {workers} workers recycled")
    return len(seen) - WORKERS, requests


def named_by_pid(directory: Path, folder: Path, workers: int) -> Path:
    """The files as the library leaves them, which names them by pid: a set for each worker that ever was."""
    place = next(file.stem.rpartition("_")[2] for file in sorted(directory.glob("counter_*-1.db")))
    folder.mkdir()
    for number in range(WORKERS + workers):
        for file in directory.glob(f"*_{place}.db"):
            if number < WORKERS or "_live" not in file.name:  # the live gauges of dead workers are removed
                shutil.copy(file, folder / file.name.replace(place, str(100_000 + number)))
    return folder


def main() -> None:
    """Two services, one whose workers end after a few requests; then their files are scraped in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=200, help="workers to recycle (default 200)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of scrapes (default 15)")
    arguments = parser.parse_args()
    with open_folder() as folder:
        settings = Settings(data_dir=folder / "data")
        with held_database(settings):
            prepare_database(settings)
            environment = {"OPENWATT_DATA_DIR": str(settings.data_dir), "PYTHONPATH": sys.path[0]}
            recycling = ("--max-requests", "8", "--graceful-timeout", "2")
            with (
                running("wsgi:app", environment, workers=WORKERS) as steady,
                running("wsgi:app", environment, *recycling, workers=WORKERS) as restless,
            ):
                places = {
                    service: settings.data_dir / "metrics" / f"127.0.0.1-{service.port}"
                    for service in (steady, restless)
                }
                before = {service: counted(directory) for service, directory in places.items()}
                asked = ask(steady, 20)
                ended, made = recycle(restless, arguments.workers)
                for service, requests in ((steady, asked), (restless, made)):
                    found = counted(places[service]) - before[service]
                    assert found == requests, f"{found} counted of {requests}"
                by_pid = named_by_pid(places[steady], folder / "by-pid", arguments.workers)
                directories = {
                    "no worker recycled": places[steady],
                    f"{ended} workers recycled": places[restless],
                    f"{arguments.workers} recycled, named by pid": by_pid,
                }
                times: dict[str, list[float]] = {name: [] for name in directories}
                for _ in range(arguments.rounds):
                    for name, directory in directories.items():
                        times[name].append(milliseconds(directory, 3))
                first = next(iter(times.values()))
                print(f"{WORKERS} workers, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
                print(f"{'':32}{'files':>6}{'series':>8}{'ms':>8}{'ratio':>9}")
                for name, directory in directories.items():
                    files = len(list(directory.glob("*.db")))
                    series = sum(1 for line in scrape(directory).splitlines() if line[:1] != b"#")
                    ratio = statistics.median(
                        own / other for own, other in zip(times[name], first, strict=True)
                    )
                    median = statistics.median(times[name])
                    print(f"  {name:30}{files:6}{series:8}{median:8.1f}{ratio:7.2f} ×")
                print(f"budget: {BUDGET} ×; every request of the recycled workers was counted")


if __name__ == "__main__":
    main()
