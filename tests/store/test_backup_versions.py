"""A backup of any supported PostgreSQL can be restored into any other; an unsupported one is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from openwatt.catalogue.loader import load_catalogue
from openwatt.store import pg_tools
from openwatt.store.backup import drop_kept, restore_backup, take_backup
from openwatt.store.errors import BackupError
from openwatt.store.migrate import migrate
from tests.conftest import Server
from tests.store.other_postgres import INSTALLED, other_postgres

OTHERS = [version for version in INSTALLED if pg_tools.supports(version)]
needs_another = pytest.mark.skipif(not OTHERS, reason="apt-get install postgresql")


@pytest.fixture(scope="module", params=OTHERS or [0])
def other(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a filled database on a PostgreSQL that the system has installed."""
    with other_postgres(request.param) as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            migrate(connection)
            load_catalogue(connection)
        yield conninfo


@pytest.fixture(scope="module")
def backup_of_other(other: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it."""
    return take_backup(other, tmp_path_factory.mktemp("other"), keep=1).path


@pytest.fixture(scope="module")
def backup_of_embedded(server: Server, filled: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the shipped catalogue on the embedded server."""
    return take_backup(server.url(filled), tmp_path_factory.mktemp("embedded"), keep=1).path


def contents(conninfo: str) -> tuple[int, int, int]:
    """How many tariffs, Tempo days and documents a database holds."""
    counted = (
        "select (select count(*) from tariffs), (select count(*) from tempo_days), count(*) from documents"
    )
    with psycopg.connect(conninfo) as connection:
        tariffs, days, documents = connection.execute(counted).fetchall()[0]
    return tariffs, days, documents


def lose_something(conninfo: str) -> None:
    """Deletes rows, as no user of ours may."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("alter table tempo_days disable trigger all")
        connection.execute("delete from tempo_days")


@needs_another
def test_a_backup_of_an_older_server_is_restored_into_it(other: str, backup_of_other: Path) -> None:
    held = contents(other)
    assert min(held) > 10
    lose_something(other)
    assert contents(other) != held

    kept = restore_backup(other, backup_of_other)

    assert contents(other) == held
    with psycopg.connect(other, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RestrictViolation, match="insert-only"):
            connection.execute("delete from tariffs")
        connection.execute("set role openwatt_writer")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update data_version set version = 0")
    assert drop_kept(other) == [kept]


@needs_another
def test_a_backup_of_an_older_server_is_restored_into_the_embedded_one(
    other: str, backup_of_other: Path, filled_url: str
) -> None:
    lose_something(filled_url)
    restore_backup(filled_url, backup_of_other)
    drop_kept(filled_url)
    assert contents(filled_url) == contents(other)


@needs_another
def test_a_backup_of_the_embedded_server_is_restored_into_an_older_one(
    other: str, backup_of_embedded: Path, filled_url: str
) -> None:
    lose_something(other)
    restore_backup(other, backup_of_embedded)
    drop_kept(other)
    assert contents(other) == contents(filled_url)


@needs_another
def test_a_dump_that_breaks_off_changes_nothing_on_an_older_server(
    other: str, backup_of_other: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.dump"
    cut.write_bytes(backup_of_other.read_bytes()[:-20_000])
    held = contents(other)
    with pytest.raises(BackupError, match="pg_restore failed: pg_restore: error: "):
        restore_backup(other, cut)
    assert contents(other) == held
    assert drop_kept(other) == []


def test_a_dump_is_restored_as_a_script_where_the_server_is_older(
    filled_url: str, clone: Callable[[str], str], backup_of_embedded: Path
) -> None:
    target = clone("template1")
    pg_tools.restore(target, backup_of_embedded, server_version=15, jobs=1)
    assert contents(target) == contents(filled_url)
    with pytest.raises(BackupError, match=r"psql failed: .*already exists"):
        pg_tools.restore(target, backup_of_embedded, server_version=15, jobs=1)


def test_an_unsupported_server_is_refused_by_name_at_backup_and_at_restore(
    filled_url: str, backup_of_embedded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pg_tools, "NEWEST_POSTGRESQL", 17)
    refused = r"the server is PostgreSQL 18, and this OpenWatt backs up and restores 14 to 17: use pg_dump"
    with pytest.raises(BackupError, match=refused):
        take_backup(filled_url, tmp_path, keep=1)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BackupError, match=refused):
        restore_backup(filled_url, backup_of_embedded)
    assert drop_kept(filled_url) == []


def test_what_a_newer_minor_release_notes_of_its_columns_is_left_out(
    filled_url: str, clone: Callable[[str], str], tmp_path: Path
) -> None:
    """PostgreSQL 17.12 keeps an option `pg_attver` of each column, which other versions refuse."""
    with psycopg.connect(filled_url) as connection:
        connection.execute(
            "update pg_attribute set attoptions = '{pg_attver=26810960}' "
            "where attrelid in ('tariffs'::regclass, 'runs'::regclass) and attnum > 0"
        )
        connection.execute(
            "update pg_attribute set attoptions = '{n_distinct=5,pg_attver=7}' "
            "where attrelid = 'documents'::regclass and attname = 'title'"
        )
    file = take_backup(filled_url, tmp_path, keep=1).path
    target = clone("template1")
    pg_tools.restore(target, file, server_version=18, jobs=1)
    assert contents(target) == contents(filled_url)
    with psycopg.connect(target) as connection:
        kept = connection.execute(
            "select distinct attoptions from pg_attribute where attoptions is not null"
        ).fetchall()
    assert kept == [(["n_distinct=5"],)]
