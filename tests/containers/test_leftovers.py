"""A run of `make prove` is alone, and removes what a killed one has left; no engine is needed for this."""

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.containers.engine import NotShownError, only_run
from tests.containers.leftovers import PREFIX


@pytest.fixture(autouse=True)
def folder_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own, where no real run is."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_second_run_is_refused_until_the_first_has_ended() -> None:
    with only_run(), pytest.raises(NotShownError, match="another `make prove` runs"), only_run():
        pytest.fail("there are two")
    with only_run():
        pass


def test_a_run_ends_and_removes_what_a_killed_one_left_and_nothing_else(folder_of_runs: Path) -> None:
    left, other = folder_of_runs / f"{PREFIX}killed", folder_of_runs / "another-folder"
    for folder in (left, other):
        (folder / "data").mkdir(parents=True)
    processes = [
        subprocess.Popen(["sh", "-c", "sleep 60; :", f"{folder}/program"], start_new_session=True)
        for folder in (left, other)
    ]
    try:
        with only_run():
            assert not left.exists()
            assert processes[0].wait(10) == -9
        assert other.exists()
        assert processes[1].poll() is None
    finally:
        for process in processes:
            process.kill()
            process.wait()
