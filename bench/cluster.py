"""A portfolio on a Dask cluster of loopback beside the local run: the same rows, and what they cost.

Run it from the repository's root: `python -m bench.cluster --homes 100000 --growth 1000 10000`. The cluster
is one scheduler and two worker processes; they and the command are the programs that people start. Both ways
have two processes that bill. Processor time is that of all processes together, sampled while they run.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client

from bench.homes import YEAR, SyntheticHomes, home_name, limited_market, write_dataset
from bench.runs import Cost, bill
from openwatt.domain.calendar import Home
from openwatt.domain.comparison import ComparisonTerms, compare
from openwatt.domain.usage import use_of_curve
from openwatt.portfolio.market_file import encode_market

HOMES_OF_FRANCE = 37_000_000
WORKERS = 2
MEMORY_LIMIT = "2GiB"
#: As docs/portfolio.md has them: no profiler, and memory that is freed stays with the worker.
DASK_SETTINGS = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "MALLOC_TRIM_THRESHOLD_": "134217728",
}
_ROWS_AT_ONCE = 1 << 16


def main() -> None:
    """Assert that all runs have the same rows, then print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=int, default=1000, help="homes of the runs that are compared")
    parser.add_argument("--growth", type=int, nargs="*", default=[], help="other sizes, on the cluster alone")
    parser.add_argument("--loop", type=int, default=30, help="homes of the loop over `compare`")
    parser.add_argument("--folder", type=Path, help="where files go, and homes of before are; else temporary")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        market = folder / "market.json"
        market.write_bytes(encode_market(limited_market()))
        print(f"prices then, two processes that bill, load {os.getloadavg()[0]:.1f}")
        loop_s = loop(options.loop)
        print(f"  {'a loop over compare':26}{options.loop:>8,} homes{loop_s * 1000:8.2f} core ms a home")
        sizes = [*options.growth, options.homes]
        sources = {size: homes_of(folder, size) for size in sizes}
        run = partial(bill, sources[options.homes])
        local = run(folder / "local", "--market", str(market), "--jobs", str(WORKERS))
        show("local run", local, options.homes)
        address, roots = stack.enter_context(cluster(folder))
        remote = ("--market", str(market), "--cluster", address)
        costs = {
            size: bill(sources[size], folder / f"cluster-{size}", *remote, roots=roots) for size in sizes
        }
        for size, cost in costs.items():
            show("cluster", cost, size)
        killer = Killer(roots["worker 0"], folder / "killed", parts(folder / "local") // 2)
        killed = run(folder / "killed", *remote, roots=roots, meanwhile=killer)
        show("cluster, a worker killed", killed, options.homes)
        assert killer.killed
        for name in (f"cluster-{options.homes}", "killed"):
            assert_same(folder / "local", folder / name, options.homes)
        print("  the rows of all three are the same, in the same order, each home once")
        for (few, cost), (many, more) in pairwise(costs.items()):
            each = (more.core_s - cost.core_s) / (many - few) * 1000
            print(f"  each home more, from {few:,} to {many:,}: {each:.2f} core ms")
        summarise(costs[options.homes], local, loop_s, options.homes)


def show(what: str, cost: Cost, homes: int) -> None:
    """One line of costs, and one of memory: the most after 10 %, 50 % and all of the run."""
    rate = f"{cost.clock_s:8.1f} s{homes / cost.clock_s:9,.0f} homes/s"
    print(f"  {what:26}{homes:>8,} homes{cost.core_s / homes * 1000:8.2f} core ms a home{rate}")
    peaks = (
        f"{name} {' → '.join(f'{cost.peak_mb(name, part):.0f}' for part in (0.1, 0.5, 1))}"
        for name in cost.memory
    )
    print(f"      resident MB: {', '.join(peaks)}", flush=True)


def summarise(remote: Cost, local: Cost, loop_s: float, homes: int) -> None:
    """The ratios, and what all homes of France would take."""
    print(f"  homes a core second, cluster over local run {local.core_s / remote.core_s:5.2f} x")
    print(f"  homes a second, cluster over local run      {local.clock_s / remote.clock_s:5.2f} x")
    print(f"  homes a core second, cluster over the loop  {loop_s * homes / remote.core_s:5.1f} x")
    core_hours = remote.core_s / homes * HOMES_OF_FRANCE / 3600
    print(f"  37 million homes, from the run on the cluster: {core_hours:.1f} core hours")


def homes_of(folder: Path, size: int) -> Path:
    """A dataset of so many homes."""
    path = folder / f"homes-{size}"
    if not path.exists():
        write_dataset(path, SyntheticHomes(), range(size), files=max(4, size // 2500), jobs=WORKERS)
    return path


def loop(homes: int) -> float:
    """Core seconds a home of comparing each on its own, its curve ready."""
    known = limited_market()
    made = [home for home in SyntheticHomes().homes(range(homes)) if home.rows.sum() > len(home.rows) // 2]
    curves = [home.curve for home in made]
    start = time.process_time()
    for home, curve in zip(made, curves, strict=True):
        contracts = [one for one in known.market.contracts if one.power_kva == home.power_kva]
        use = use_of_curve(curve, Home(home.setting.off_peak_hours, colours=known.colours), YEAR)
        terms = ComparisonTerms(span=YEAR, prices="then", today=YEAR.end)
        assert len(compare(use, replace(known.market, contracts=contracts), terms).ranking) == len(contracts)
    return (time.process_time() - start) / len(made)


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, Mapping[str, psutil.Process]]]:
    """The address of a scheduler with its workers, and their processes by name."""
    place = folder / "scheduler.json"
    common = ["--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", str(place)]
    with ExitStack() as stack:
        roots = {"scheduler": _started(stack, "scheduler", *common, "--port", "0")}
        while not place.exists():
            assert roots["scheduler"].is_running()
            time.sleep(0.1)
        for number in range(WORKERS):
            limits = ["--nworkers", "1", "--nthreads", "1", "--memory-limit", MEMORY_LIMIT]
            roots[f"worker {number}"] = _started(
                stack, "worker", *common, *limits, "--local-directory", str(folder)
            )
        address = json.loads(place.read_text())["address"]
        connect: Any = Client  # it has no types
        with connect(address) as client:
            client.wait_for_workers(WORKERS)
        yield address, roots


def _started(stack: ExitStack, *command: str) -> psutil.Process:
    """A program of Dask, which ends with the stack."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *command],
        stderr=subprocess.DEVNULL,
        env={**os.environ, **DASK_SETTINGS},
    )
    stack.enter_context(process)
    stack.callback(process.terminate)
    return psutil.Process(process.pid)


class Killer:
    """Ends the worker below a nanny by SIGKILL, once, when so many parts are there."""

    def __init__(self, nanny: psutil.Process, out: Path, after: int) -> None:
        self.nanny, self.out, self.after = nanny, out, after
        self.killed = False

    def __call__(self) -> None:
        """Looks whether it is time."""
        if not self.killed and parts(self.out) >= self.after:
            # Of the processes below a nanny, the one that bills is the largest.
            worker = max(self.nanny.children(recursive=True), key=lambda one: one.memory_info().rss)
            worker.send_signal(signal.SIGKILL)
            self.killed = True


def parts(out: Path) -> int:
    """How many partitions are done."""
    return len(list(out.glob("*.parquet")))


def assert_same(one: Path, other: Path, homes: int) -> None:
    """Both datasets have the same rows in the same order, and every home once, in the order of its source."""
    names: list[str] = []
    for some, same in zip(_slices(one), _slices(other), strict=True):
        assert some.equals(same)
        for home in map(str, some["home"].to_pylist()):
            if names[-1:] != [home]:
                names.append(home)
    assert names == [home_name(number) for number in range(homes)]


def _slices(folder: Path) -> Iterator[pa.Table]:
    """The rows of a dataset in the order of its files, always so many at once."""
    rows = None
    for path in sorted(folder.glob("*.parquet")):
        read = pq.read_table(path)
        rows = read if rows is None else pa.concat_tables([rows, read])
        while rows.num_rows >= _ROWS_AT_ONCE:
            yield rows.slice(0, _ROWS_AT_ONCE)
            rows = rows.slice(_ROWS_AT_ONCE)
    assert rows is not None
    yield rows


if __name__ == "__main__":
    main()
