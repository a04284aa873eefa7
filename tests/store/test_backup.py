"""Backups: what is called one can be restored, and a restore changes everything or nothing."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from openwatt.store import migrate as store_migrate
from openwatt.store import pg_tools
from openwatt.store.backup import (
    backups,
    drop_kept,
    newest_backup,
    restore_backup,
    take_backup,
)
from openwatt.store.database import Database
from openwatt.store.errors import BackupError, SchemaError
from openwatt.store.migrate import migrate, migrations, newest_schema
from openwatt.store.tariffs import TariffFilter, tariffs_on


def rows(url: str, table: str = "tariffs") -> int:
    with psycopg.connect(url) as connection:
        return int(connection.execute(f"select count(*) from {table}".encode()).fetchall()[0][0])


def databases(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("select datname from pg_database")}


@pytest.fixture
def kept_away(filled_url: str) -> Iterator[None]:
    """Drops what a restore of the test's database has kept, when the test is over."""
    yield
    drop_kept(filled_url)


def test_a_backup_is_a_private_file_with_what_it_holds_written_beside_it(
    filled_url: str, tmp_path: Path
) -> None:
    taken = take_backup(filled_url, tmp_path / "b", keep=3)
    assert newest_backup(tmp_path / "b") == taken
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "b").iterdir()} == {0o600}
    assert {file.suffix for file in (tmp_path / "b").iterdir()} == {".dump", ".json"}


@pytest.mark.usefixtures("kept_away")
def test_a_restore_brings_everything_back_under_a_reader_that_goes_on(
    filled_url: str, tmp_path: Path, database: Callable[[str], Database]
) -> None:
    taken = take_backup(filled_url, tmp_path, keep=3)
    before = rows(filled_url)
    reader = database(filled_url)
    wanted = TariffFilter(supplier="EDF", option="BASE", power_kva=6)
    served = tariffs_on(reader, wanted, on=dt.date(2025, 9, 1), limit=5)
    version = reader.read_number("database/data_version")
    with psycopg.connect(filled_url) as connection:
        connection.execute("alter table tariffs disable trigger all")
        connection.execute("delete from tariffs")
    assert rows(filled_url) == 0

    kept = restore_backup(filled_url, taken.path)

    assert rows(filled_url) == before > 1000
    assert tariffs_on(reader, wanted, on=dt.date(2025, 9, 1), limit=5) == served
    assert reader.read_number("database/data_version") > version, (
        "what was cached by the old number must not be shown"
    )
    assert kept in databases(filled_url)
    with psycopg.connect(filled_url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RestrictViolation, match="insert-only"):
            connection.execute("delete from tariffs")
        connection.execute("set role openwatt_writer")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update data_version set version = 0")
        connection.execute("insert into suppliers (name) values ('after the restore')")
    assert drop_kept(filled_url) == [kept]
    assert kept not in databases(filled_url)


def test_only_the_newest_are_kept(filled_url: str, tmp_path: Path) -> None:
    for day in (1, 2, 3):
        for suffix in (".dump", ".json"):
            (tmp_path / f"openwatt-2026010{day}T000000Z{suffix}").touch()
    (tmp_path / "openwatt-mine.dump").touch()
    taken = take_backup(filled_url, tmp_path, keep=2)
    assert [each.path.name for each in backups(tmp_path)] == [
        taken.path.name,
        "openwatt-20260103T000000Z.dump",
    ]
    assert (tmp_path / "openwatt-mine.dump").exists(), "what is not ours is not removed"
    assert not (tmp_path / "openwatt-20260102T000000Z.json").exists()


def test_what_is_published_meanwhile_does_not_disturb_a_backup(filled_url: str, tmp_path: Path) -> None:
    stop = threading.Event()

    def publish() -> None:
        number = 0
        with psycopg.connect(filled_url, autocommit=True) as connection:
            while not stop.is_set():
                number += 1
                connection.execute("insert into suppliers (name) values (%s)", [f"supplier {number}"])

    writer = threading.Thread(target=publish)
    writer.start()
    try:
        taken = take_backup(filled_url, tmp_path, keep=1)
    finally:
        stop.set()
        writer.join()
    assert rows(filled_url, "suppliers") > 20
    assert newest_backup(tmp_path) == taken


def test_a_dump_that_does_not_hold_everything_never_becomes_a_backup(
    filled_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pg_tools._run  # noqa: SLF001 - the test damages what the tool does

    def forgetful(program: Path, *arguments: str | Path, conninfo: str) -> None:
        extra = ("--exclude-table-data=tempo_days",) if program.name == "pg_dump" else ()
        run(program, *extra, *arguments, conninfo=conninfo)

    monkeypatch.setattr(pg_tools, "_run", forgetful)
    with pytest.raises(BackupError, match="differs from the database in tempo_days"):
        take_backup(filled_url, tmp_path, keep=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "one byte", "not a dump", "manifest", "absent"])
def test_a_damaged_backup_is_refused_and_the_database_stays(
    filled_url: str, tmp_path: Path, damage: str
) -> None:
    file = take_backup(filled_url, tmp_path, keep=1).path
    content = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "one byte":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "not a dump":
        file.write_text("select 1;")
    elif damage == "manifest":
        file.with_suffix(".json").write_text("{}")
    else:
        file.unlink()
    held, known = rows(filled_url), databases(filled_url)
    with pytest.raises(BackupError, match=r"damaged|not a file|not a dump"):
        restore_backup(filled_url, file)
    assert (rows(filled_url), databases(filled_url)) == (held, known)


def test_a_dump_without_its_manifest_that_is_cut_changes_nothing(filled_url: str, tmp_path: Path) -> None:
    file = take_backup(filled_url, tmp_path, keep=1).path
    file.with_suffix(".json").unlink()
    file.write_bytes(file.read_bytes()[:-20_000])
    held, known = rows(filled_url), databases(filled_url)
    with pytest.raises(BackupError, match="pg_restore failed"):
        restore_backup(filled_url, file)
    assert (rows(filled_url), databases(filled_url)) == (held, known)


def test_a_backup_of_a_newer_openwatt_is_refused_before_anything_changes(
    filled_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(filled_url) as connection:
        connection.execute("insert into schema_migrations (number, name) values (9999, 'from_the_future')")
    file = take_backup(filled_url, tmp_path, keep=1).path
    known = databases(filled_url)
    with pytest.raises(SchemaError, match="9999"):
        restore_backup(filled_url, file)
    assert databases(filled_url) == known


def test_an_older_backup_is_migrated(
    clone: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, target = clone("template1"), clone("template1")
    first_two = dict(list(migrations().items())[:2])
    with monkeypatch.context() as patched, psycopg.connect(older, autocommit=True) as connection:
        patched.setattr(store_migrate, "migrations", lambda: first_two)
        assert len(migrate(connection)) == 2
        connection.execute("insert into suppliers (name) values ('of old')")
    restore_backup(target, take_backup(older, tmp_path, keep=1).path)
    drop_kept(target)
    assert rows(target, "suppliers") == 1
    assert rows(target, "reviews") == 0
    assert rows(target, "schema_migrations") == newest_schema()


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(filled_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackupError, match="name another OPENWATT_BACKUP_DIR"):
        take_backup(filled_url, tmp_path / "file", keep=1)


def test_a_disk_that_fills_up_leaves_no_half_backup(
    filled_url: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tool = pg_tools._program("pg_dump")  # noqa: SLF001 - the test bounds what the tool may write
    cramped = tmp_path_factory.mktemp("bin") / "pg_dump"
    cramped.write_text(f'#!/bin/sh\nulimit -f 20\nexec "{tool}" "$@"\n')
    cramped.chmod(0o755)
    monkeypatch.setattr(pg_tools, "_program", lambda _name: cramped)
    (tmp_path / "openwatt-20260101T000000Z.dump").touch()
    with pytest.raises(BackupError, match=r"pg_dump failed: .*(File too large|status -25)"):
        take_backup(filled_url, tmp_path, keep=1)
    assert [file.name for file in tmp_path.iterdir()] == ["openwatt-20260101T000000Z.dump"]


def test_a_user_who_may_not_make_databases_is_told_the_remedy(filled_url: str, tmp_path: Path) -> None:
    file = take_backup(filled_url, tmp_path, keep=1).path
    with psycopg.connect(filled_url, autocommit=True) as connection:
        connection.execute("create role backup_guest login")
        name = connection.info.dbname
        connection.execute(f"alter database {name} owner to backup_guest".encode())
        connection.execute("alter table schema_migrations owner to backup_guest")
    try:
        with pytest.raises(BackupError, match="give it CREATEDB"):
            restore_backup(filled_url.replace("user=openwatt", "user=backup_guest"), file)
    finally:
        with psycopg.connect(filled_url, autocommit=True) as connection:
            connection.execute("reassign owned by backup_guest to openwatt")
            connection.execute("drop role backup_guest")


def test_a_folder_that_is_not_there_holds_no_backup(tmp_path: Path) -> None:
    assert newest_backup(tmp_path / "absent") is None
