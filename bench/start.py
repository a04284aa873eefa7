"""From `gunicorn wsgi:app` to its first answer, what its processes weigh, what is imported: run by path."""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import psutil

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not bench/: its `requests.py` is not that library
from bench.service import ROOT, Service, open_folder, progress, running  # noqa: E402  # found by the line above

BUDGET_SECONDS, BUDGET_USS_MB = 3.0, 30.0
IMPORT_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)")


def first_answer(data_dir: Path, workers: int) -> float:
    """Seconds of one start, until /v1/tariffs answers 200 with tariffs; the service is ended again."""
    with running("wsgi:app", environment(data_dir), workers=workers) as service:
        body = service.get()[2]
        assert b'"tariffs":[{' in body, body[:200]
        return service.first_answer_s


def verdict(figure: float, budget: float) -> str:
    """Whether a budget holds, in a word."""
    return "held" if figure <= budget else "BROKEN"


def environment(data_dir: Path) -> dict[str, str]:
    """What a start is told: where its data lie, and that it imports this checkout."""
    return {"OPENWATT_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)}


def show_starts(data_dir: Path, workers: int, repetitions: int) -> None:
    """Prints the first start of an empty folder, then the later ones."""
    progress("first start, of an empty folder")
    first = first_answer(data_dir, workers)
    later = []
    for turn in range(repetitions):
        progress(f"later start {turn + 1} of {repetitions}")
        later.append(first_answer(data_dir, workers))
    median = statistics.median(later)
    print(f"\nseconds to the first answer, {workers} workers, {os.cpu_count()} cores")
    print(f"  first start (creates the database)  {first:6.2f}")
    print(f"  later starts (median of {repetitions:2})          {median:6.2f}   slowest {max(later):.2f}")
    print(f"  budget: {BUDGET_SECONDS:.0f} s for the slowest of them: {verdict(max(later), BUDGET_SECONDS)}")


def exercised(service: Service, requests: int) -> None:
    """Asks every kind of address, so that the workers' memory is that of workers that have worked."""
    addresses = ["/v1/tariffs", "/v1/tariffs?format=csv", "/v1/tariffs/history?option=BASE", "/v1/tempo"]
    addresses += ["/v1/suppliers", "/v1/offers", "/v1/guards/trve-diff", "/openapi.json", "/docs", "/health"]
    for turn in range(requests):
        address = addresses[turn % len(addresses)]
        status = service.get(address)[0]
        assert status == 200, f"{address}: {status}"


def megabytes(process: psutil.Process) -> tuple[float, float]:
    """PSS (shared pages split among their users) and USS (the process's own) in MB."""
    memory = process.memory_full_info()
    return memory.pss / 1e6, memory.uss / 1e6


def show_memory(data_dir: Path, workers: int) -> None:
    """Prints what master, workers and database weigh, before and after work."""
    with running("wsgi:app", environment(data_dir), workers=workers) as service:
        print(f"\n{'memory in MB':24}{'PSS':>8}{'USS':>8}{'PSS':>12}{'USS':>8}")
        print(f"{'':24}{'at the first answer':>16}{'after 200 requests':>20}")
        processes = [service.master, *service.workers()]
        before = [megabytes(process) for process in processes]
        exercised(service, 200)
        after = [megabytes(process) for process in processes]
        for number, (early, late) in enumerate(zip(before, after, strict=True)):
            name = f"worker {number}" if number else "master"
            print(f"  {name:22}{early[0]:8.1f}{early[1]:8.1f}{late[0]:12.1f}{late[1]:8.1f}")
        total = sum(pss for pss, _ in after)
        worst = max(uss for _, uss in after[1:])
        print(f"  {'together':22}{sum(pss for pss, _ in before):8.1f}{'':8}{total:12.1f}")
        print(f"  budget: USS of a worker ≤ {BUDGET_USS_MB:.0f}: {verdict(worst, BUDGET_USS_MB)}")


def show_imports(repetitions: int, shown: int) -> None:
    """Prints how long the application's and Gunicorn's imports take, and whose they are."""
    run = [sys.executable, "-c"]
    target = "import gunicorn.app.wsgiapp, gunicorn.workers.gthread, openwatt.bootstrap, openwatt.app"
    times: dict[str, list[float]] = {"pass": [], target: []}
    for _ in range(repetitions):
        for code, seconds in times.items():
            began = time.perf_counter()
            subprocess.run([*run, code], cwd=ROOT, check=True)
            seconds.append(time.perf_counter() - began)
    bare, full = (statistics.median(seconds) * 1e3 for seconds in times.values())
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", target],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    own: defaultdict[str, int] = defaultdict(int)
    for line in said.splitlines():
        if match := IMPORT_LINE.match(line):
            own[match[4].split(".")[0]] += int(match[1])
    assert own["openwatt"] > 0, "openwatt was not imported"
    print(f"\nimports: {full:.0f} ms (median of {repetitions}), of which the bare interpreter {bare:.0f} ms")
    print("by package, its own modules only (traced, so dearer than it is):")
    for package, micros in sorted(own.items(), key=lambda item: -item[1])[:shown]:
        print(f"  {package:24}{micros / 1e3:8.1f} ms")


def main() -> None:
    """Starts the service on an empty folder, then again and again on what it left there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="workers of Gunicorn (default 2)")
    parser.add_argument("--repetitions", type=int, default=7, help="later starts and imports (default 7)")
    parser.add_argument("--packages", type=int, default=15, help="packages listed (default 15)")
    arguments = parser.parse_args()
    with open_folder() as folder:
        show_starts(folder / "data", arguments.workers, arguments.repetitions)
        show_memory(folder / "data", arguments.workers)
    show_imports(arguments.repetitions, arguments.packages)


if __name__ == "__main__":
    main()
