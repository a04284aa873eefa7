"""`openwatt backup` and `restore`: what they print, and that a script can follow them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from openwatt.cli import main
from openwatt.observability import backup_collector
from openwatt.store import pg_tools
from openwatt.store.backup import newest_backup
from openwatt.store.database import Database
from openwatt.telemetry.metrics.registry import Metrics

Openwatt = Callable[..., Result]


@pytest.fixture
def openwatt(filled_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Openwatt:
    """The command with a database of the test's own, in a folder without a .env."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, given: str = "", **settings: str) -> Result:
        environment = {"OPENWATT_DATABASE_URL": filled_url, "COLUMNS": "160", **settings}
        return CliRunner().invoke(main, arguments, env=environment, input=given)

    return run


def test_a_backup_is_taken_listed_restored_and_the_old_database_dropped(openwatt: Openwatt) -> None:
    assert "no backup in" in openwatt("backup", "--list").stdout
    done = openwatt("backup", "--json")
    assert done.exit_code == 0, done.output
    taken = json.loads(done.stdout)
    assert Path(taken["file"]).stat().st_size == taken["size_bytes"]
    assert json.loads(openwatt("backup", "--list", "--json").stdout) == [taken]
    listed = openwatt("backup", "--list", COLUMNS="80").stdout
    assert Path(taken["file"]).name in listed, "a name that is folded cannot be copied"
    assert "0 h" in listed

    asked = openwatt("restore", taken["file"], given="n\n")
    assert (asked.exit_code, "Replace the database by" in asked.stderr) == (1, True)
    restored = openwatt("restore", taken["file"], "--yes")
    assert restored.exit_code == 0, restored.output
    kept = restored.stdout.split(" kept as ")[1].split()[0]
    assert openwatt("restore", "--drop-kept").stdout == f"dropped {kept}\n"
    assert openwatt("restore", "--drop-kept").stdout == "no restore has kept a database\n"


def test_restore_wants_a_file_or_the_order_to_drop(openwatt: Openwatt) -> None:
    for arguments in ((), ("a.dump", "--drop-kept")):
        done = openwatt("restore", *arguments)
        assert done.exit_code == 2
        assert "name a backup's FILE, or give --drop-kept" in done.stderr


def test_a_file_that_is_not_there_is_said_in_one_sentence(openwatt: Openwatt) -> None:
    done = openwatt("restore", "absent.dump", "--yes")
    assert done.exit_code == 1
    assert (
        done.stderr == "Error: absent.dump is not a file; `openwatt backup --list` names those that exist\n"
    )


def test_the_age_of_the_newest_backup_is_a_metric(
    openwatt: Openwatt, tmp_path: Path, filled_url: str, database: Callable[[str], Database]
) -> None:
    name = "openwatt_backup_last_success_timestamp_seconds"
    served = Metrics().exposition([backup_collector(tmp_path / "kept", database(filled_url))])
    assert served.get_sample_value(name) == 0, "a backup that never came is an old one"
    assert openwatt("backup", OPENWATT_BACKUP_DIR=str(tmp_path / "kept")).exit_code == 0
    newest = newest_backup(tmp_path / "kept")
    assert newest is not None
    assert served.get_sample_value(name) == newest.taken_at.timestamp()
    assert served.get_sample_value("openwatt_backup_size_bytes") == newest.size_bytes


def test_a_server_that_cannot_be_backed_up_is_seen_before_a_backup_is_missed(
    tmp_path: Path,
    filled_url: str,
    database: Callable[[str], Database],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "openwatt_backup_supported"
    served = Metrics().exposition([backup_collector(tmp_path, database(filled_url))])
    assert served.get_sample_value(name) == 1
    monkeypatch.setattr(pg_tools, "NEWEST_POSTGRESQL", 17)
    assert served.get_sample_value(name) == 0
    away = database("postgresql:///none?host=/nonexistent")
    served = Metrics().exposition([backup_collector(tmp_path, away)])
    assert served.get_sample_value(name) is None
    assert served.get_sample_value("openwatt_backup_size_bytes") == 0
