"""The kernel on a real Spark with two Python workers, against the local run of the same homes."""

import csv
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.cli import main
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.market_file import encode_market
from tests.portfolio.village import curve, table_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Where `make test` puts Spark.
PROGRAMS = ROOT / ".venv-cluster" / "bin"
HOMES = 400
POWERS = (3, 6, 9, 12)
HOURS = ("22:00-06:00", "01:40-07:10;12:40-15:10")
TIMEOUT_S = 150


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market, and homes of several powers, off-peak hours and gaps, one of which cannot be billed."""
    folder = tmp_path_factory.mktemp("spark")
    market = PortfolioMarket(shipped_market(), shipped_colours())
    (folder / "market.json").write_bytes(encode_market(market))
    rows = table_of((f"home {seed:03}", curve(seed, gap=seed % 5 == 0)) for seed in range(HOMES))
    numbers = [int(str(name)[-3:]) for name in rows["home"].to_pylist()]
    steps = pa.array([0 if number == 7 else 30 for number in numbers], pa.int32())
    rows = rows.set_column(2, "step_minutes", steps)
    pq.write_table(rows, folder / "homes.parquet")
    powers = pa.array([POWERS[number % 4] for number in numbers], pa.int32())
    hours = pa.array([HOURS[number % 2] for number in numbers])
    # Spark has the rows in no order, in several files.
    mixed = rows.append_column("power_kva", powers).append_column("off_peak_hours", hours).sort_by("wh")
    (folder / "homes").mkdir()
    size = mixed.num_rows // 3 + 1
    for number in range(3):
        pq.write_table(mixed.slice(number * size, size), folder / "homes" / f"{number}.parquet")
    return folder


@pytest.fixture(scope="module")
def local(folder: Path) -> pa.Table:
    """The rows of the local run, which has the settings of the homes from a file."""
    with (folder / "settings.csv").open("w", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(["home", "power_kva", "off_peak_hours"])
        lines.writerows([f"home {n:03}", POWERS[n % 4], HOURS[n % 2]] for n in range(HOMES))
    arguments = ["--settings", "settings.csv", "--market", "market.json", "--out", "local.parquet"]
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        done = CliRunner().invoke(main, ["portfolio", "homes.parquet", *arguments, "--jobs", "1"])
    assert done.exit_code == 3, done.stderr
    return pq.read_table(folder / "local.parquet")


@contextmanager
def spark_submit(folder: Path, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A Spark of this machine: two tasks at once, each tried up to three times, batches that cut homes."""
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "512m",
        # A short run has no use for what a compiler takes long to make.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "500",
    }
    command = [str(PROGRAMS / "spark-submit"), "--master", "local[2,3]"]
    for name, value in settings.items():
        command += ["--conf", f"{name}={value}"]
    variables = {
        "PYSPARK_PYTHON": str(PROGRAMS / "python"),
        "PYTHONPATH": str(ROOT),  # the package of this tree, whatever is installed
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=folder,
            env=os.environ | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def rows_of(dataset: Path) -> pa.Table:
    """The rows of a dataset by the names of homes, those of one home in their order."""
    rows = pq.read_table(dataset)
    return (
        rows.append_column("place", pa.array(range(len(rows))))
        .sort_by([("home", "ascending"), ("place", "ascending")])
        .drop_columns("place")
        .replace_schema_metadata()
    )


def test_spark_writes_the_rows_of_the_local_run(folder: Path, local: pa.Table) -> None:
    arguments = ("--homes", "homes", "--out", "bills", "--market", "market.json", "--partitions", 2)
    with spark_submit(folder, ROOT / "integrations/spark/bill_homes_on_spark.py", *arguments) as process:
        process.wait(TIMEOUT_S)
    log = (folder / "log").read_text()
    assert process.returncode == 3, log
    assert f"{len(local):,} rows in bills; 1 homes failed" in log
    assert "home 0" not in log
    assert len(local) > HOMES * 30
    assert len(list((folder / "bills").glob("*.parquet"))) == 2
    assert rows_of(folder / "bills").equals(local.replace_schema_metadata())


def test_workers_that_are_killed_in_the_middle_change_nothing(folder: Path, local: pa.Table) -> None:
    with spark_submit(folder, HERE / "bill_slowly.py", folder) as process:
        deadline = time.monotonic() + TIMEOUT_S
        while len(list(folder.glob("*.middle"))) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        workers = [
            one
            for one in psutil.Process(process.pid).children(recursive=True)
            if one.status() != psutil.STATUS_ZOMBIE
            and "pyspark.daemon" in one.cmdline()
            and not one.children()
        ]
        # Two that hand out measurements and two that bill.
        assert len(workers) == 4
        for one in workers:
            one.kill()
        (folder / "go").touch()
        process.wait(TIMEOUT_S)
    log = (folder / "log").read_text()
    assert process.returncode == 0, log
    assert "Lost task 0.0 in stage" in log
    assert "Python worker exited unexpectedly" in log
    assert "home 0" not in log
    assert rows_of(folder / "slow").equals(local.replace_schema_metadata())
