"""The command with homes and results at an S3 address; moto, in its own process, stands for the store.

moto is a model of S3: it shows that the calls are right, not how a store behaves under load or faults.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.market_file import encode_market
from tests.portfolio.village import curve, table_of

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-cluster/bin/python"
PATIENCE_S = 120


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which S3 addresses are those of a server of this test, with a bucket `energy`."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "log"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AWS_ACCESS_KEY_ID": "the-key",
        "AWS_SECRET_ACCESS_KEY": "the-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "OPENWATT_DATABASE_URL": "postgresql://127.0.0.1:1/none",
    }
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [str(PYTHON), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=environment,
        )
    try:
        wait_for_server(f"http://127.0.0.1:{port}/moto-api/data.json")
        script = "import s3fs; s3fs.S3FileSystem().mkdir('energy')"
        subprocess.run([str(PYTHON), "-c", script], env=environment, check=True, timeout=PATIENCE_S)
        yield environment
    finally:
        server.terminate()
        server.wait()


def wait_for_server(address: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 (of this test's own server)
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of three files, a market, and what the local run makes of them."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "homes").mkdir()
    for number in range(3):
        homes = [(f"home {seed:03}", curve(seed)) for seed in range(number * 20, number * 20 + 20)]
        pq.write_table(table_of(homes), folder / f"homes/{number}.parquet")
    market = PortfolioMarket(shipped_market(), shipped_colours())
    (folder / "market.json").write_bytes(encode_market(market))
    done = command(os.environ, sys.executable, folder / "homes", folder / "whole.csv", folder / "market.json")
    assert done.returncode == 0, done.stderr
    return folder


def command(
    environment: Mapping[str, str], python: object, homes: object, out: object, market: object, *more: object
) -> subprocess.CompletedProcess[str]:
    line = ["portfolio", homes, "--out", out, "--market", market, "--power-kva", 6, *more]
    return subprocess.run(
        [str(python), "-c", "from openwatt.cli import main; main()", *map(str, line)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )


def copy(environment: Mapping[str, str], source: object, target: object) -> None:
    script = "import sys, fsspec; fsspec.filesystem('s3').{}(sys.argv[1], sys.argv[2], recursive=True)"
    call = "get" if str(source).startswith("s3://") else "put"
    line = [str(PYTHON), "-c", script.format(call), str(source), str(target)]
    subprocess.run(line, env=environment, check=True, timeout=PATIENCE_S)


def test_homes_and_results_at_an_s3_address_are_those_of_a_disk(
    store: dict[str, str], files: Path, tmp_path: Path
) -> None:
    copy(store, f"{files}/homes/", "s3://energy/homes/")
    copy(store, files / "market.json", "s3://energy/market.json")
    common = (store, PYTHON, "s3://energy/homes")
    one = command(*common, "s3://energy/out.csv", "s3://energy/market.json", "--jobs", 2)
    assert one.returncode == 0, one.stderr
    many = command(*common, "s3://energy/out", files / "market.json", "--cluster", "local:2")
    assert many.returncode == 0, many.stderr
    assert "the-secret" not in one.stderr + many.stderr
    copy(store, "s3://energy/", f"{tmp_path}/")
    assert (tmp_path / "out.csv").read_bytes() == (files / "whole.csv").read_bytes()
    assert not (tmp_path / "out.csv.parts").exists()
    manifest = json.loads((tmp_path / "out/_manifest.json").read_text())
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["_manifest.json", "_market.json", *(part["name"] for part in manifest["parts"])]
    rows = pa.concat_tables([pq.read_table(tmp_path / "out" / part["name"]) for part in manifest["parts"]])
    assert rows.num_rows == manifest["rows"] == (files / "whole.csv").read_bytes().count(b"\r\n") - 1
    again = command(*common, "s3://energy/out", files / "market.json")
    assert again.returncode == 1
    assert again.stderr == "Error: s3://energy/out is complete: name another output, or delete it first\n"


def test_an_unfinished_run_at_an_s3_address_is_gone_on_with(store: dict[str, str], files: Path) -> None:
    copy(store, f"{files}/homes/", "s3://energy/homes/")
    common = (store, PYTHON, "s3://energy/homes", "s3://energy/later", files / "market.json")
    assert command(*common, "--homes-per-partition", 9).returncode == 0
    script = (
        "import fsspec, json; files = fsspec.filesystem('s3'); at = 'energy/later/'\n"
        "run = json.loads(files.cat_file(at + '_manifest.json')); part = run.pop('parts')[2]\n"
        "files.pipe_file(at + '_run.json', json.dumps(run).encode())\n"
        "files.rm_file(at + '_manifest.json'); files.rm_file(at + part['name'])"
    )
    subprocess.run([str(PYTHON), "-c", script], env=store, check=True, timeout=PATIENCE_S)
    begun = "import fsspec; fsspec.filesystem('s3').pipe_file('energy/begun/_run.json', b'{}')"
    subprocess.run([str(PYTHON), "-c", begun], env=store, check=True, timeout=PATIENCE_S)
    at_once = command(*common[:3], "s3://energy/begun", files / "market.json")
    assert at_once.returncode == 1
    assert "Error: another run to s3://energy/begun is under way, or was killed" in at_once.stderr
    refused = command(*common)
    assert refused.returncode == 1
    assert "homes of an unfinished run lie in s3://energy/later: add --resume" in refused.stderr
    done = command(*common, "--resume")
    assert done.returncode == 0, done.stderr
    assert "of them were done by an earlier run" in done.stderr
    assert len([line for line in done.stderr.splitlines() if '"partition billed"' in line]) == 1


def test_a_store_that_cannot_be_reached_is_named_without_its_credentials(
    store: dict[str, str], files: Path
) -> None:
    away = {**store, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    done = command(away, PYTHON, files / "homes", "s3://energy/out.csv", files / "market.json")
    assert done.returncode == 1
    assert "Error: s3://energy/out.csv cannot be" in done.stderr
    assert "Traceback" not in done.stderr
    assert "the-secret" not in done.stderr
    missing = command(store, PYTHON, files / "homes", "s3://nowhere/out.csv", files / "market.json")
    assert missing.returncode == 1
    assert "Error: s3://nowhere/out.csv cannot be written" in missing.stderr


def test_an_address_whose_package_is_missing_names_it(files: Path) -> None:
    done = command(os.environ, sys.executable, files / "homes", "s3://energy/out.csv", files / "market.json")
    assert done.returncode == 1
    assert done.stderr == "Error: s3://energy/out.csv.parts cannot be used: Install s3fs to access S3\n"
