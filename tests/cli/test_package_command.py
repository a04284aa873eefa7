"""`openwatt export --package` writes a whole folder or none, and touches nothing that is not its own."""

import csv
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from openwatt.cli import main
from openwatt.cli.output import OutputError
from openwatt.cli.package_folder import open_package_folder
from openwatt.open_data.package import DESCRIPTOR, PACKAGE_NAME

NEW = b'{"name": "%s", "resources": [{"path": "a.csv"}]}' % PACKAGE_NAME.encode()


def _write(folder: Path, content: bytes) -> None:
    with open_package_folder(folder) as create:
        create("a.csv").write(content)
        create(DESCRIPTOR).write(NEW)


def test_a_package_takes_the_place_of_an_earlier_one_and_of_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "new" / "deep", tmp_path / "empty"):
        _write(folder, b"old")
        _write(folder, b"new")
        assert sorted(path.name for path in folder.iterdir()) == ["a.csv", DESCRIPTOR]
        assert (folder / "a.csv").read_bytes() == b"new"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755
        assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_a_package_that_is_not_written_to_its_end_leaves_the_earlier_one(tmp_path: Path) -> None:
    _write(tmp_path / "package", b"old")

    def write_half() -> None:
        with open_package_folder(tmp_path / "package") as create:
            create("a.csv").write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert (tmp_path / "package" / "a.csv").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["package"]


@pytest.mark.parametrize("found", ["photo.jpg", "a.csv", DESCRIPTOR])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, found: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / found).write_text('{"name": "mine", "resources": []}')
    with pytest.raises(OutputError, match=rf"holds something else than a package \({found}\)"):
        _write(tmp_path / "mine", b"new")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [found]


def test_the_command_writes_a_package_and_says_what_parquet_needs(
    filled_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(*arguments: str) -> Result:
        environment = {"OPENWATT_DATABASE_URL": filled_url}
        return CliRunner().invoke(
            main, ["export", "--package", str(tmp_path / "all"), *arguments], env=environment
        )

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused = export()
    assert refused.exit_code == 1
    assert "pip install 'openwatt[portfolio]'" in refused.output
    assert not (tmp_path / "all").exists()
    done = export("--no-parquet")
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "all").iterdir()} == {
        DESCRIPTOR,
        "tariffs.csv",
        "tempo_days.csv",
    }
    with (tmp_path / "all" / "tariffs.csv").open(newline="", encoding="utf-8") as file:
        assert sum(1 for _ in csv.DictReader(file)) > 1000
    assert export("--no-parquet", "--format", "csv").exit_code == 2


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="name a new or an empty folder"):
        _write(tmp_path / "file", b"new")
    with pytest.raises(OutputError, match="cannot be written"):
        _write(tmp_path / "file" / "below", b"new")
