"""Backups: a pg_dump that was restored and compared before it counts, and the way back."""

import datetime as dt
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from openwatt.store import pg_tools
from openwatt.store.conninfo import acting_as
from openwatt.store.embedded.paths import EmbeddedPostgresError
from openwatt.store.embedded.postgres import EmbeddedPostgres
from openwatt.store.errors import BackupError
from openwatt.store.migrate import migrate
from openwatt.store.sql import statement

#: A disk with less room than a block of pg_dump is full.
_LEAST_FREE_BYTES = 64 * 1024
_NAME = re.compile(r"openwatt-(\d{8}T\d{6}Z)\.dump")
_STAMP = "%Y%m%dT%H%M%SZ"
_LEFT_AFTER_S = 86_400
#: What the system and PostgreSQL say of a full disk.
_NO_SPACE = re.compile(r"No space left on device|free disk space")


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup: its file, when its snapshot was taken (UTC) and its size."""

    path: Path
    taken_at: dt.datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TableDigest:
    """The content of a table: the number of its rows and a digest that changes with any of them."""

    rows: int
    digest: str


Progress = Callable[[str], None]


def backups(folder: Path) -> list[Backup]:
    """The finished backups of a folder, newest first; a folder that is not there has none."""
    found = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for file in folder.iterdir():
            if match := _NAME.fullmatch(file.name):
                taken_at = dt.datetime.strptime(match[1], _STAMP).replace(tzinfo=dt.UTC)
                found.append(Backup(file, taken_at, file.stat().st_size))
    return sorted(found, key=lambda backup: backup.taken_at, reverse=True)


def newest_backup(folder: Path) -> Backup | None:
    """The newest finished backup; None when there is none. Only a verified one ever has its name."""
    return next(iter(backups(folder)), None)


def take_backup(conninfo: str, folder: Path, *, keep: int, progress: Progress = lambda _text: None) -> Backup:
    """Dumps a database, restores the dump into a server of its own, compares, and names it only then.

    The dump and the digests it is compared by come from one snapshot, so the
    service may go on publishing. Beyond `keep`, the oldest backups are removed.

    Raises:
        BackupError: with what the tool said; the folder then holds what it held before.
    """
    taken_at = dt.datetime.now(dt.UTC).replace(microsecond=0)
    target = folder / f"openwatt-{taken_at.strftime(_STAMP)}.dump"
    part = folder / f".{target.name}.{secrets.token_hex(4)}"
    manifest = part.with_name(f"{part.name}.json")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_left_overs(folder)
        part.touch(mode=0o600, exist_ok=False)
        progress("dumping")
        version, held = _dump(conninfo, part)
        progress("restoring the dump into a server of its own")
        _verify(part, held, version)
        with part.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        described = {
            "taken_at": taken_at.isoformat(),
            "sha256": digest,
            "tables": {table: asdict(found) for table, found in held.items()},
        }
        manifest.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        manifest.chmod(0o600)
        _flush(part, manifest)
        manifest.replace(_manifest_of(target))
        part.replace(target)
        _flush(folder)
    except OSError as error:
        raise _not_written(folder, error.strerror or str(error)) from error
    except BackupError as error:
        # pg_dump can end well on a full disk; what it has not written is missed by who reads it.
        if shutil.disk_usage(folder).free < _LEAST_FREE_BYTES:
            raise _not_written(folder, "its disk is full") from error
        raise
    finally:
        with suppress(NotADirectoryError):
            part.unlink(missing_ok=True)
            manifest.unlink(missing_ok=True)
    for old in backups(folder)[keep:]:
        old.path.unlink()
        _manifest_of(old.path).unlink(missing_ok=True)
    return Backup(target, taken_at, target.stat().st_size)


def _not_written(folder: Path, why: str) -> BackupError:
    return BackupError(
        f"the backup cannot be written to {folder}: {why}; make room or name another OPENWATT_BACKUP_DIR"
    )


def restore_backup(conninfo: str, file: Path, *, progress: Progress = lambda _text: None) -> str:
    """Replaces a database by a backup and returns the name under which the old one stays.

    The backup is restored beside it, compared with what was dumped, migrated to
    this code's schema, and the two databases change names: until that instant
    nothing is changed, and afterwards the old one is still there.

    It has the owner of the old one, and so have its tables: a superuser may restore for its owner.

    Raises:
        BackupError: when the file is damaged, or the server is of an unsupported version or does not let us
            make databases, or the old one is somebody else's.
        SchemaError: when the backup is of a newer OpenWatt.
    """
    held = _check(file)
    wanted = conninfo_to_dict(conninfo)
    name = str(wanted.get("dbname") or wanted.get("user"))
    stamp = f"{dt.datetime.now(dt.UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(2)}"
    aside, before = f"{name[:30]}_restored_{stamp}", f"{name[:30]}_before_{stamp}"
    maintenance = make_conninfo(conninfo, dbname="postgres")
    version = _version(maintenance)
    owners = _owners(conninfo, maintenance, name)
    beside = make_conninfo(conninfo, dbname=aside)
    if owners is None:
        _alter(maintenance, "create database {}", aside)
    else:
        _alter(maintenance, "create database {} owner {}", aside, owners.database)
    try:
        if owners is not None:
            _alter(beside, "grant usage, create on schema public to {}", owners.tables)
            beside = acting_as(owners.tables, beside)
        progress("restoring")
        pg_tools.restore(beside, file, server_version=version, jobs=min(4, os.cpu_count() or 1))
        with psycopg.connect(beside, autocommit=True) as connection:
            if held is not None:
                progress("comparing with what was dumped")
                _compare(held, _digests(connection))
            migrate(connection)
            connection.execute(statement("schema/grant_writer"))
            connection.execute(statement("database/advance_data_version"))
        progress("changing places")
        _change_places(maintenance, name, before, aside)
    except BaseException:
        with suppress(BackupError):
            _alter(maintenance, "drop database if exists {} with (force)", aside)
        raise
    return before


class _Owners(NamedTuple):
    """Who owns a database and its tables."""

    database: str
    tables: str


def _owners(conninfo: str, maintenance: str, name: str) -> _Owners | None:
    """For whom a superuser restores; None where this user restores what is its own."""
    with psycopg.connect(maintenance, connect_timeout=10) as connection:
        row = connection.execute(statement("database/owner"), {"database": name}).fetchone()
        user = connection.info.user
    if row is None:
        raise BackupError(f"there is no database {name} on the server: create it, then restore")
    owner, is_ours, is_superuser = str(row[0]), bool(row[1]), bool(row[2])
    tables = owner
    with suppress(psycopg.Error), psycopg.connect(conninfo, connect_timeout=10) as connection:  # if it opens
        found = connection.execute(statement("schema/owner")).fetchone()
        tables = owner if found is None else str(found[0])
    if is_ours and tables == owner:
        return None
    if not is_superuser:
        whose = f"the database {name} is owned by {owner}, its tables by {tables}"
        remedy = f"restore as {owner}, or as a superuser" if tables == owner else "restore as a superuser"
        raise BackupError(f"{whose}, and the user {user} would lock them out: {remedy}")
    return _Owners(owner, tables)


def _version(maintenance: str) -> int:
    """The server's major version, when backups can be restored into it."""
    try:
        with psycopg.connect(maintenance, connect_timeout=10) as connection:
            return pg_tools.supported_version(connection)
    except psycopg.Error as error:
        raise BackupError(f"the server does not let us in: {error}") from error


def _change_places(maintenance: str, name: str, before: str, aside: str) -> None:
    """`name` becomes `before` and `aside` becomes `name`; open sessions are terminated."""
    # Closed first: a pool that reconnects at once would otherwise come between.
    _alter(maintenance, "alter database {} with allow_connections false", name)
    now_called = name
    try:
        _end_sessions(maintenance, name)
        _alter(maintenance, "alter database {} rename to {}", name, before)
        now_called = before
        try:
            _alter(maintenance, "alter database {} rename to {}", aside, name)
        except BackupError:
            _alter(maintenance, "alter database {} rename to {}", before, name)
            now_called = name
            raise
    finally:
        _alter(maintenance, "alter database {} with allow_connections true", now_called)


def drop_kept(conninfo: str) -> list[str]:
    """Drops the former databases that restores have left of this one; returns their names.

    Raises:
        BackupError: when the server refuses.
    """
    wanted = conninfo_to_dict(conninfo)
    name = str(wanted.get("dbname") or wanted.get("user"))
    maintenance = make_conninfo(conninfo, dbname="postgres")
    with psycopg.connect(maintenance, autocommit=True, connect_timeout=10) as connection:
        parameters = {"pattern": f"^{re.escape(name[:30])}_before_[0-9]{{8}}_[0-9]{{6}}_[0-9a-f]{{4}}$"}
        former = [str(row[0]) for row in connection.execute(statement("database/set_aside"), parameters)]
    for each in former:
        _alter(maintenance, "drop database {} with (force)", each)
    return former


def _manifest_of(dump: Path) -> Path:
    return dump.with_suffix(".json")


def _check(file: Path) -> dict[str, TableDigest] | None:
    """What the manifest beside a dump says of it; None when it has none, as a dump made by hand."""
    if not file.is_file():
        raise BackupError(f"{file} is not a file; `openwatt backup --list` names those that exist")
    with file.open("rb") as stream:
        if stream.read(5) != b"PGDMP":
            raise BackupError(f"{file} is not a dump in pg_dump's custom format")
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    try:
        described = json.loads(_manifest_of(file).read_text(encoding="utf-8"))
        expected = str(described["sha256"])
        tables = {table: TableDigest(**found) for table, found in described["tables"].items()}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{_manifest_of(file)} is damaged; restore another backup") from error
    if expected != digest:
        raise BackupError(f"{file} is damaged: its sha256 is not the one of its manifest; restore another")
    return tables


def _dump(conninfo: str, part: Path) -> tuple[int, dict[str, TableDigest]]:
    """Writes the dump of one snapshot; returns the server's major version and the digests of its tables."""
    try:
        with psycopg.connect(conninfo, connect_timeout=10) as connection:
            version = pg_tools.supported_version(connection)
            connection.execute("set transaction isolation level repeatable read, read only")
            snapshot = connection.execute("select pg_export_snapshot()").fetchall()[0][0]
            pg_tools.dump(conninfo, part, snapshot)
            return version, _digests(connection)
    except psycopg.Error as error:
        raise BackupError(f"the database cannot be read: {error}") from error


def _verify(part: Path, held: dict[str, TableDigest], version: int) -> None:
    """Restores a dump into a server of its own, in the way that the dumped server needs, and compares."""
    temporary = _temporary_folder()
    try:
        with _scratch_server(temporary) as conninfo:
            pg_tools.restore(conninfo, part, server_version=version, jobs=1)
            with psycopg.connect(conninfo) as connection:
                _compare(held, _digests(connection))
    except (BackupError, EmbeddedPostgresError, psycopg.Error, OSError) as error:
        if _NO_SPACE.search(str(error)) is None:
            raise
        raise BackupError(
            f"there is no room in {temporary} to restore the dump for trial: "
            "set TMPDIR to a folder with room for the whole database"
        ) from error


def _temporary_folder() -> Path:
    """TMPDIR; without it, whichever of /tmp, which may be memory, and /var/tmp has more room."""
    usual = Path(tempfile.gettempdir())
    other = Path("/var/tmp")  # noqa: S108  a folder for what is large; a name in it is made by mkdtemp
    if os.environ.get("TMPDIR") or not os.access(other, os.W_OK | os.X_OK):
        return usual
    return max(usual, other, key=lambda folder: shutil.disk_usage(folder).free)


def _digests(connection: psycopg.Connection[Any]) -> dict[str, TableDigest]:
    """The digest of every table, as this connection sees them; instants are written in UTC."""
    connection.execute("set timezone to 'UTC'")
    found = {}
    for (table,) in connection.execute(statement("schema/tables")).fetchall():
        query = sql.SQL(statement("schema/table_digest")).format(table=sql.Identifier(table))
        found[str(table)] = TableDigest(*connection.execute(query).fetchall()[0])
    return found


def _compare(dumped: dict[str, TableDigest], restored: dict[str, TableDigest]) -> None:
    if not dumped:
        raise BackupError("the database holds no table: run `openwatt migrate`, or check its address")
    different = sorted(
        table for table in dumped.keys() | restored.keys() if dumped.get(table) != restored.get(table)
    )
    if different:
        raise BackupError(f"the restored dump differs from the database in {', '.join(different)}")


@contextmanager
def _scratch_server(temporary: Path) -> Iterator[str]:
    """An empty PostgreSQL of this process alone, which leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="openwatt-verify-", dir=temporary))
    folder.chmod(0o711)  # an unprivileged account may have to pass through it
    server = EmbeddedPostgres(folder / "data")
    try:
        with server:
            yield server.conninfo()
    finally:
        shutil.rmtree(server.paths.folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _end_sessions(maintenance: str, name: str) -> None:
    with psycopg.connect(maintenance, autocommit=True, connect_timeout=10) as connection:
        connection.execute(statement("sessions/terminate"), {"database": name})


def _alter(maintenance: str, change: LiteralString, *names: str) -> None:
    """Makes, renames, closes or drops a database."""
    text = sql.SQL(change).format(*map(sql.Identifier, names))
    try:
        with psycopg.connect(maintenance, autocommit=True, connect_timeout=10) as connection:
            connection.execute(text)
    except psycopg.errors.InsufficientPrivilege as error:
        raise BackupError(
            "the database user may not make databases: give it CREATEDB, or restore with pg_restore into an "
            f"empty database and name that in OPENWATT_DATABASE_URL ({error.diag.message_primary})"
        ) from error
    except psycopg.Error as error:
        raise BackupError(f"the server refuses: {error}") from error


def _remove_left_overs(folder: Path) -> None:
    """What a killed backup left a day ago or longer; a younger one may still be at work."""
    oldest = dt.datetime.now(dt.UTC).timestamp() - _LEFT_AFTER_S
    for left in folder.glob(".openwatt-*.dump.*"):
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < oldest:
                left.unlink()


def _flush(*paths: Path) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
