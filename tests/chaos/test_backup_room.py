"""The room that the restore for trial of a backup needs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from openwatt.store.backup import _temporary_folder
from tests.chaos.running import PROGRAMS, Home
from tests.chaos.small_disk import small_disk


def test_a_restore_for_trial_that_finds_no_room_names_the_folder_and_the_remedy(home: Home) -> None:
    folder = home.folder / "small"
    with small_disk(folder, 36) as disk:
        disk.seen.chmod(0o1777)
        done = subprocess.run(
            [*disk.within, PROGRAMS / "openwatt", "backup"],
            env=home.environment(TMPDIR=str(folder), OPENWATT_BACKUP_DIR=str(home.folder / "backups")),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert list(disk.seen.iterdir()) == []
    assert done.returncode == 1, done.stdout
    assert done.stderr.splitlines()[-1] == (
        f"Error: there is no room in {folder} to restore the dump for trial: "
        "set TMPDIR to a folder with room for the whole database"
    )
    assert list((home.folder / "backups").iterdir()) == []


def test_it_is_done_where_there_is_more_room_unless_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "small", 1) as disk:
        monkeypatch.setattr("tempfile.tempdir", str(disk.seen))
        monkeypatch.setenv("TMPDIR", str(disk.seen))
        assert _temporary_folder() == disk.seen
        monkeypatch.delenv("TMPDIR")
        assert _temporary_folder() == Path("/var/tmp")  # noqa: S108  the other folder for temporary files
        assert shutil.disk_usage("/var/tmp").free > 1 << 20  # noqa: S108
