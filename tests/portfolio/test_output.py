"""Results as a dataset, and runs that are repeated with a kept market; no command here opens a database."""

import csv
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.cli import main
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.market_file import encode_market
from openwatt.portfolio.results.storage import storage_at
from tests.portfolio.village import folder_of_homes


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Homes, a market, and another one in which a colour is missing."""
    folder = tmp_path_factory.mktemp("village")
    folder_of_homes(folder / "homes", 24)
    market, colours = shipped_market(), shipped_colours()
    (folder / "market.json").write_bytes(encode_market(PortfolioMarket(market, colours)))
    tempo = dict(list(colours["TEMPO"].items())[:-1])
    other = PortfolioMarket(market, {**colours, "TEMPO": tempo})
    (folder / "other.json").write_bytes(encode_market(other))
    return folder


@pytest.fixture(autouse=True)
def _no_database() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OPENWATT_DATABASE_URL", "postgresql://127.0.0.1:1/none")
        yield


def run(village: Path, out: object, *more: object, market: str = "market.json") -> Result:
    line = [village / "homes", "--out", out, "--market", village / market, "--power-kva", 6, "--jobs", 1]
    return CliRunner().invoke(main, ["portfolio", *map(str, (*line, *more))])


def unfinished(out: Path) -> None:
    """Makes a complete dataset one that was killed before its last but one part."""
    manifest = json.loads((out / "_manifest.json").read_text())
    parts = manifest.pop("parts")
    (out / "_run.json").write_text(json.dumps(manifest))
    (out / "_manifest.json").unlink()
    (out / parts[-2]["name"]).unlink()


def test_a_dataset_holds_the_rows_of_a_file_and_a_manifest(village: Path, tmp_path: Path) -> None:
    assert run(village, tmp_path / "out", "--homes-per-partition", 5).exit_code == 0
    assert run(village, tmp_path / "out.parquet").exit_code == 0
    assert run(village, tmp_path / "out.csv").exit_code == 0
    manifest = json.loads((tmp_path / "out/_manifest.json").read_text())
    assert {one.name for one in (tmp_path / "out").iterdir()} == {
        "_manifest.json",
        "_market.json",
        *(part["name"] for part in manifest["parts"]),
    }
    assert (tmp_path / "out/_market.json").read_bytes() == (village / "market.json").read_bytes()
    assert manifest["market_sha256"] == json.loads((village / "market.json").read_text())["sha256"]
    assert (manifest["homes"], manifest["failed"], manifest["partitions"]) == (24, 0, 5)
    assert sum(part["rows"] for part in manifest["parts"]) == manifest["rows"]
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert len(rows) == manifest["rows"] > 24 * 30
    assert rows == pq.read_table(tmp_path / "out.parquet").to_pylist()
    with (tmp_path / "out.csv").open(newline="") as stream:
        assert [row["home"] for row in csv.DictReader(stream)] == [row["home"] for row in rows]
    with duckdb.connect() as connection:
        counted = connection.execute(f"select count(*) from '{tmp_path}/out/*.parquet'").fetchall()
    assert counted == [(manifest["rows"],)]
    in_file = json.loads((pq.read_metadata(tmp_path / "out.parquet").metadata or {})[b"openwatt"])
    of_both = ("market_sha256", "homes_sha256", "homes", "rows", "today")
    assert [in_file[name] for name in of_both] == [manifest[name] for name in of_both]


def test_a_complete_dataset_and_a_folder_of_other_files_are_left_alone(village: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(village, f"{out}/").exit_code == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    for more in ((), ("--resume",)):
        refused = run(village, out, *more)
        assert refused.stderr == f"Error: {out} is complete: name another output, or delete it first\n"
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/one.jpg").touch()
    refused = run(village, tmp_path / "photos")
    assert refused.stderr.endswith("photos holds one.jpg, which is not of a run: name another output\n")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["one.jpg"]


def test_an_unfinished_dataset_is_gone_on_with_and_by_its_own_market_alone(
    village: Path, tmp_path: Path
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    for one in (out, whole):
        assert run(village, one, "--homes-per-partition", 5).exit_code == 0
    unfinished(out)
    refused = run(village, out)
    assert "19 homes of an unfinished run lie in" in refused.stderr
    changed = run(village, out, "--resume", market="other.json")
    assert changed.exit_code == 1
    assert f"newer ones were published: ask the same again (--market {out}/_market.json" in changed.stderr
    done = run(village, out, "--resume", "--market", out / "_market.json")
    assert done.exit_code == 0, done.stderr
    assert "19 of them were done by an earlier run" in done.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }


def test_parts_whose_run_is_not_known_are_refused(village: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(village, out).exit_code == 0
    unfinished(out)
    (out / "_run.json").write_text("{}")
    damaged = run(village, out, "--resume")
    assert "_run.json in" in damaged.stderr
    assert "is damaged" in damaged.stderr
    (out / "_run.json").unlink()
    gone = run(village, out, "--resume")
    assert "holds parts of a run whose _run.json is gone" in gone.stderr


def test_a_file_that_is_no_market_is_refused(village: Path, tmp_path: Path) -> None:
    data = (village / "market.json").read_bytes()
    (village / "changed.json").write_bytes(data.replace(b'"0.1940"', b'"0.1941"', 1))
    refused = run(village, tmp_path / "out", market="changed.json")
    assert refused.exit_code == 1
    assert f"{village}/changed.json was changed or damaged" in refused.stderr
    missing = run(village, tmp_path / "out", market="none.json")
    assert missing.stderr == f"Error: {village}/none.json cannot be read: there is no such file\n"
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_refused_leaves_the_other_s_files_where_there_are_no_locks(village: Path) -> None:
    out = f"memory://{uuid.uuid4()}/out"
    storage_at(out).claim("_run.json", b"{}")
    refused = run(village, out)
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"Error: another run to {out} is under way, or was killed")
    assert storage_at(out).names() == {"_run.json": 2}
    assert run(village, out, "--resume").exit_code == 0
    names = storage_at(out).names()
    assert "_manifest.json" in names
    assert "_run.json" not in names
