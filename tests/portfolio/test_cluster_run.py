"""The command on a real Dask cluster, whose processes are started on loopback and ended as machines end."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.portfolio.billing.kernel import HomeSetting, PortfolioTerms
from openwatt.portfolio.engines.dask_engine import DaskEngine
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.market_file import encode_market
from openwatt.portfolio.results.output import Output
from openwatt.portfolio.results.storage import DiskFolder
from openwatt.portfolio.run import Portfolio, bill_portfolio
from openwatt.portfolio.sources.folder import Folder
from openwatt.portfolio.sources.source import HomeSettings
from tests.portfolio.test_portfolio_run import leased
from tests.portfolio.village import NOW, curve, export, folder_of_homes, write_table

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 150
LOOPBACK = "127.0.0.1"
#: By two of these homes, each of another partition, a run is held in the middle.
HELD = ("home 00088.csv", "home 00133.csv")


class Cluster:
    """A scheduler and workers, as their own processes; each writes a log."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.dashboard = free_port()
        self.address = f"tcp://{LOOPBACK}:{self.port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
        self._logs = 0
        self.start_scheduler()

    def start_scheduler(self) -> None:
        """At the same address as any before."""
        where = ("--host", LOOPBACK, "--port", str(self.port), "--dashboard-address")
        self.scheduler = self._start(
            ["distributed.cli.dask_scheduler", *where, f"{LOOPBACK}:{self.dashboard}"], {}
        )

    def start_worker(
        self, *options: str, cwd: Path | None = None, limit_kib: int | None = None, **settings: str
    ) -> subprocess.Popen[bytes]:
        """One of one thread, which a nanny watches."""
        arguments = ["distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-dashboard"]
        arguments += ["--host", LOOPBACK, "--local-directory", str(self.folder / "scratch"), *options]
        worker = self._start(arguments, settings, cwd, limit_kib)
        self.workers.append(worker)
        return worker

    def _start(
        self,
        arguments: Sequence[str],
        settings: Mapping[str, str],
        cwd: Path | None = None,
        limit_kib: int | None = None,
    ) -> subprocess.Popen[bytes]:
        self._logs += 1
        with (self.folder / f"{self._logs}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, **settings},
                cwd=cwd,
                preexec_fn=(lambda: limit_files(limit_kib)) if limit_kib else None,  # noqa: PLW1509 (no threads hold locks)
            )

    def logs(self) -> str:
        """What all of them have written."""
        return "".join(path.read_text("utf-8", "replace") for path in sorted(self.folder.glob("*.log")))

    def end(self) -> None:
        """Kills what is left, with what each process started."""
        for process in (*self.workers, self.scheduler):
            for one in family(process):
                one.kill()
            process.wait()


def limit_files(kib: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (kib * 1024, kib * 1024))


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """A process and its children; nobody when it has ended."""
    if process.poll() is not None:
        return []
    leader = psutil.Process(process.pid)
    return [*leader.children(recursive=True), leader]


def free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def cluster_in(
    folder: Path, workers: int = 0, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Cluster]:
    folder.mkdir()
    cluster = Cluster(folder, settings)
    try:
        for _ in range(workers):
            cluster.start_worker()
        wait_for(lambda: cluster.logs().count("Registered to:") == workers)
        yield cluster
    finally:
        cluster.end()


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of homes, some of them none of a meter, and the market by which all runs bill."""
    folder = tmp_path_factory.mktemp("village")
    homes = folder_of_homes(folder / "homes", 200)
    (homes / "empty").touch()
    (homes / "photo.jpg").write_bytes(b"\xff\xd8\xff\x00" * 500)
    (folder / "market.json").write_bytes(encode_market(PortfolioMarket(shipped_market(), shipped_colours())))
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers, for the tests that end none."""
    with cluster_in(tmp_path_factory.mktemp("dask") / "cluster", workers=2) as found:
        yield found


def start(village: Path, *arguments: object, homes: object = None) -> subprocess.Popen[str]:
    """The command as a process; it would fail if it looked for a database."""
    line = ["portfolio", homes or village / "homes", "--market", village / "market.json", *arguments]
    return subprocess.Popen(
        [sys.executable, "-c", "from openwatt.cli import main; main()", *map(str, line), "--power-kva", "6"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENWATT_DATABASE_URL": "postgresql://127.0.0.1:1/none"},
        start_new_session=True,
    )


class Ended:
    """How a command ended: its status, its log records and the sentences of its standard error."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        out, text = process.communicate(timeout=PATIENCE_S)
        assert out == ""
        self.status = process.returncode
        lines = text.splitlines()
        self.records = [json.loads(line) for line in lines if line.startswith("{")]
        self.said = "\n".join(line for line in lines if not line.startswith("{"))

    @property
    def partitions(self) -> list[dict[str, object]]:
        return [one for one in self.records if one["event"] == "partition billed"]


def run(village: Path, *arguments: object, homes: object = None) -> Ended:
    return Ended(start(village, *arguments, homes=homes))


@pytest.fixture(scope="module")
def whole(village: Path) -> Path:
    """What the local run writes."""
    out = village / "whole.csv"
    done = run(village, "--out", out)
    assert done.status == 3, done.said
    assert "200 of 202 homes billed" in done.said
    return out


def parts(out: Path) -> list[Path]:
    return sorted(out.with_name(f"{out.name}.parts").glob("part-*"))


@contextmanager
def begun(village: Path, out: Path, address: str, *more: object) -> Iterator[Callable[[], Ended]]:
    """A run of which some parts are done, while both workers wait for a home; called, it lets them go on."""
    with leased([village / "homes" / name for name in HELD]) as held:
        process = start(village, "--out", out, "--cluster", address, *more)

        def finish() -> Ended:
            for file in held:
                file.close()
            return Ended(process)

        finish.process = process  # type: ignore[attr-defined]
        try:
            wait_for(lambda: len(parts(out)) >= 2 or process.poll() is not None)
            assert process.poll() is None, process.communicate()
            yield finish
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def wait_for(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_resumes(village: Path, out: Path, whole: Path, *engine: object) -> None:
    done = len(parts(out))
    resumed = run(village, "--out", out, "--resume", *engine)
    assert resumed.status == 3, resumed.said
    assert (" of them were done by an earlier run" in resumed.said) == bool(done)
    assert out.read_bytes() == whole.read_bytes()


def test_a_cluster_writes_what_the_local_run_writes_and_shows_nothing_of_a_home(
    village: Path, whole: Path, cluster: Cluster, tmp_path: Path
) -> None:
    pages: dict[str, str] = {}
    for form in ("out.csv", "out"):
        before = time.monotonic()
        process = start(village, "--out", tmp_path / form, "--cluster", cluster.address)
        while process.poll() is None:
            for page in (
                "info/main/workers.html",
                "info/main/logs.html",
                "json/counts.json",
                "metrics",
                "health",
            ):
                pages[page] = fetched(f"http://{LOOPBACK}:{cluster.dashboard}/{page}") or pages.get(page, "")
            assert time.monotonic() < before + PATIENCE_S
            time.sleep(0.2)
        done = Ended(process)
        assert done.status == 3, done.said
        assert sum(record["homes"] for record in done.partitions) == 202  # type: ignore[misc]
        assert {record["attempts"] for record in done.partitions} == {1}
        assert len({record["worker"] for record in done.partitions}) == 2
        (last,) = [record for record in done.records if record["event"] == "portfolio billed"]
        assert (last["homes"], last["failed"]) == (202, 2)
        assert last["market"] == json.loads((village / "market.json").read_text())["sha256"]
        shown = json.dumps(done.records) + done.said
        for text in (shown, cluster.logs(), *pages.values()):
            assert not re.search(r"home 00\d\d\d|street|photo|empty", text)
    assert all(pages.values())
    assert (tmp_path / "out.csv").read_bytes() == whole.read_bytes()
    manifest = json.loads((tmp_path / "out/_manifest.json").read_text())
    assert [part["name"] for part in manifest["parts"]] == sorted(
        path.name for path in (tmp_path / "out").glob("part-*")
    )
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert len(rows) == manifest["rows"] == whole.read_bytes().count(b"\r\n") - 1
    assert [row["home"] for row in rows] == sorted(row["home"] for row in rows)


def fetched(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 (of this test's own server)
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


def test_a_killed_worker_costs_nothing_but_time(village: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with cluster_in(tmp_path / "dask", workers=2) as cluster, begun(village, out, cluster.address) as finish:
        for one in family(cluster.workers[0]):
            one.kill()
        done = finish()
    assert done.status == 3, done.said
    assert out.read_bytes() == whole.read_bytes()
    assert sum(record["homes"] for record in done.partitions) == 202  # type: ignore[misc]
    assert max(int(str(record["attempts"])) for record in done.partitions) >= 2


def test_a_scheduler_that_is_killed_and_started_again_costs_nothing_but_time(
    village: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    with cluster_in(tmp_path / "dask", workers=2) as cluster, begun(village, out, cluster.address) as finish:
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        cluster.start_scheduler()
        for _ in range(2):  # As whatever watches over a cluster's processes does.
            cluster.start_worker()
        done = finish()
    assert done.status == 3, done.said
    assert out.read_bytes() == whole.read_bytes()


def test_a_cluster_that_does_not_come_back_stops_the_run_which_goes_on_elsewhere(
    village: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    with cluster_in(tmp_path / "dask", workers=2) as cluster:
        with begun(village, out, cluster.address, "--cluster-timeout", 4) as finish:
            for worker in cluster.workers:
                for one in family(worker):
                    one.kill()
            done = finish()
        assert done.status == 1
        assert done.said.startswith(
            f"Error: no worker is connected to the scheduler at {cluster.address}, for 4 s"
        )
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        gone = run(village, "--out", out, "--cluster", cluster.address, "--cluster-timeout", 1, "--resume")
        assert gone.status == 1
        assert gone.said.startswith(f"Error: no scheduler answers at {cluster.address}, for 1 s")
    assert_resumes(village, out, whole)


def test_ctrl_c_leaves_the_cluster_and_what_is_done(
    village: Path, whole: Path, cluster: Cluster, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    with begun(village, out, cluster.address) as finish:
        os.killpg(finish.process.pid, signal.SIGINT)  # type: ignore[attr-defined]
        done = finish()
    assert done.status == 130
    assert done.said == "stopped; what is done is stored, --resume goes on from it"
    assert all(worker.poll() is None for worker in cluster.workers)
    assert_resumes(village, out, whole, "--cluster", cluster.address)


def test_a_partition_that_no_worker_has_the_memory_for_is_named_when_the_rest_is_done(
    village: Path, tmp_path: Path
) -> None:
    homes = tmp_path / "homes.parquet"
    small = [(f"home {seed}", curve(seed)) for seed in range(12)]
    write_table(homes, small)
    enlarge(homes, rows=60_000_000)
    out = tmp_path / "out.csv"
    arguments = ("--out", out, "--homes-per-partition", 2)
    # Dask's own number of failures would only make the test longer.
    once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with cluster_in(tmp_path / "dask", settings=once) as cluster:
        cluster.start_worker("--memory-limit", "700MB")
        done = run(village, *arguments, "--cluster", cluster.address, homes=homes)
        assert done.status == 1
        assert "the workers that had partition 6 ended each time" in done.said, done.said
        assert "--memory-limit" in done.said
        assert "home 1" not in done.said
        assert sum(record["homes"] for record in done.partitions) == 12  # type: ignore[misc]
    assert len(parts(out)) == 6


def enlarge(path: Path, rows: int) -> None:
    """Adds one home of far too many rows to a table."""
    table = pq.read_table(path)
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        row = table.slice(0, 1).set_column(0, "home", pa.array(["too large"]))
        million = row.take(np.zeros(1_000_000, dtype=np.int64))
        for _ in range(rows // 1_000_000):
            writer.write_table(million)


def test_a_full_disk_of_a_worker_stops_the_run_which_goes_on_elsewhere(
    village: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    with cluster_in(tmp_path / "dask") as cluster:
        cluster.start_worker(limit_kib=64)
        done = run(village, "--out", out, "--cluster", cluster.address)
    assert done.status == 1
    assert done.said == f"Error: {out} cannot be written: File too large"
    assert_resumes(village, out, whole)


def test_two_runs_share_a_cluster(village: Path, whole: Path, cluster: Cluster, tmp_path: Path) -> None:
    outs = [tmp_path / "one.csv", tmp_path / "two.csv"]
    both = [start(village, "--out", out, "--cluster", cluster.address) for out in outs]
    top = start(village, "--out", tmp_path / "top.csv", "--cluster", cluster.address, "--top", 1)
    assert [Ended(process).status for process in (*both, top)] == [3, 3, 3]
    assert [out.read_bytes() for out in outs] == [whole.read_bytes()] * 2
    assert (tmp_path / "top.csv").read_bytes().count(b"\r\n") == 1 + 202


def test_what_is_no_parquet_is_named_as_by_the_local_run(
    village: Path, cluster: Cluster, tmp_path: Path
) -> None:
    homes = tmp_path / "homes.parquet"
    homes.write_bytes(b"PAR1 and no more")
    said = {
        run(village, "--out", tmp_path / "out.csv", *engine, homes=homes).said
        for engine in ((), ("--cluster", cluster.address))
    }
    assert len(said) == 1
    assert said.pop().startswith(f"Error: {homes} is no Parquet file that can be read")


def test_a_worker_of_another_version_is_named_before_anything_is_billed(
    village: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "openwatt"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text('__version__ = "0.0.9"\n')
    with cluster_in(tmp_path / "dask", workers=1) as cluster:
        cluster.start_worker(PYTHONPATH=str(other.parent), cwd=other.parent)
        wait_for(lambda: cluster.logs().count("Registered to:") == 2)
        done = run(village, "--out", tmp_path / "out.csv", "--cluster", cluster.address)
    assert done.status == 1
    assert re.search(
        r"Error: worker tcp://\S+ cannot do the work: it has OpenWatt 0\.0\.9, this is \S+: pip install",
        done.said,
    )
    assert not done.partitions


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("homes", "cannot do the work: there is no folder"),
        ("out", "is not there: it must be in a folder or at an address that all workers share"),
    ],
)
def test_a_worker_that_sees_other_folders_is_named_before_anything_is_billed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, reason: str
) -> None:
    """Two machines that share no disk: here, two processes for which one path is two folders."""
    here, there = tmp_path / "here", tmp_path / "there"
    for machine in (here, there):
        (machine / "homes").mkdir(parents=True)
        (machine / "homes/one.csv").write_bytes(export(curve(1)))
        (machine / "out").mkdir()
    if what == "homes":
        (there / "homes/one.csv").unlink()
        (there / "homes").rmdir()
    monkeypatch.chdir(here)
    of_process = Path("/proc/self/cwd")
    market = PortfolioMarket(shipped_market(), shipped_colours())
    terms = PortfolioTerms(market=market, prices="now", now=NOW, today=NOW.date())
    setting = HomeSetting(6, (parse_off_peak_hours("22:00-06:00"),))
    portfolio = Portfolio(
        source=Folder(of_process / "homes"), terms=terms, settings=HomeSettings(setting, {})
    )
    output = Output(shown="out", form=".parquet", folder=DiskFolder(of_process / "out"), file=None)
    with cluster_in(tmp_path / "dask") as cluster:
        cluster.start_worker(cwd=there)
        with pytest.raises(PortfolioError, match=reason) as refused:
            bill_portfolio(
                portfolio,
                output,
                DaskEngine(cluster.address, timeout_s=60),
                resume=False,
                report=lambda *_: None,
            )
    assert "worker" in str(refused.value)
    assert not list((here / "out").glob("part-*"))


def test_processes_of_this_machine_are_a_cluster_that_ends_with_the_run(
    village: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    with begun(village, out, "local:2") as finish:
        process: subprocess.Popen[str] = finish.process  # type: ignore[attr-defined]
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 2
        os.killpg(process.pid, signal.SIGINT)
        done = finish()
    assert done.status == 130
    assert done.said == "stopped; what is done is stored, --resume goes on from it"
    wait_for(lambda: not any(one.is_running() and one.status() != "zombie" for one in started))
    assert_resumes(village, out, whole, "--cluster", "local:2")


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (("--cluster", "local:none"), 1, "local:none names no number of processes"),
        (("--cluster", "nothing://x"), 1, "the cluster nothing://x cannot be used"),
        (("--cluster", "tcp://127.0.0.1"), 1, "cannot be used: missing port number"),
        (("--cluster", ""), 1, "no cluster is named: give its scheduler's address"),
        (("--cluster", "tls://127.0.0.1:1"), 1, "tls://127.0.0.1:1 needs certificates"),
        (("--cluster", "local:2", "--jobs", 2), 2, "--jobs is for this machine"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(
    village: Path, tmp_path: Path, arguments: Sequence[object], status: int, reason: str
) -> None:
    done = run(village, "--out", tmp_path / "out.csv", *arguments)
    assert done.status == status
    assert reason in done.said
    assert "Traceback" not in done.said
    assert not (tmp_path / "out.csv.parts").exists()
