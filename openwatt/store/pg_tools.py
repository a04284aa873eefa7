"""PostgreSQL's own programs that dump and restore, for every server version that OpenWatt works with."""

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from openwatt.store.conninfo import variables_of
from openwatt.store.embedded.paths import MAJOR, bundled
from openwatt.store.errors import BackupError
from openwatt.store.migrate import LEAST_POSTGRESQL

#: The bundled tools refuse a newer server, and the bundled server cannot prove that its dump is whole.
NEWEST_POSTGRESQL = int(MAJOR)

#: Servers before 17 refuse this setting, with which pg_restore opens each connection and each script.
_REFUSED_BEFORE = 17
_REFUSED_SETTING = b"SET transaction_timeout = 0;\n"
#: From 17.12 on servers keep this option of each column; older tools dump it, and older servers refuse it.
_OF_NEWER_MINOR = b"pg_attver="
_COLUMN_OPTIONS = re.compile(rb"^(ALTER .* ALTER COLUMN .* SET \()(.*)(\);\n)$")
_LARGEST_MESSAGE_LINES = 12
_COPY_BYTES = 1 << 20


def supports(server_version: int) -> bool:
    """Whether servers of a major version can be backed up and restored."""
    return LEAST_POSTGRESQL <= server_version <= NEWEST_POSTGRESQL


def supported_version(connection: psycopg.Connection[Any]) -> int:
    """The major version of the server.

    Raises:
        BackupError: when backups of this version cannot be made or restored.
    """
    version = connection.info.server_version // 10_000
    if not supports(version):
        raise BackupError(
            f"the server is PostgreSQL {version}, and this OpenWatt backs up and restores "
            f"{LEAST_POSTGRESQL} to {NEWEST_POSTGRESQL}: use pg_dump and pg_restore of version {version} "
            "for now, and move to a supported version, or to an OpenWatt that supports this one"
        )
    return version


def dump(conninfo: str, file: Path, snapshot: str) -> None:
    """Writes what an exported snapshot shows of a database into a file, in pg_dump's custom format.

    Raises:
        BackupError: with what pg_dump said.
    """
    options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}")
    _run(_program("pg_dump"), *options, f"--file={file}", conninfo=conninfo)


def restore(conninfo: str, file: Path, *, server_version: int, jobs: int) -> None:
    """Restores a dump into an empty database, in the way that servers of a major version need.

    `server_version` may be older than the server's own: a backup is tried in the way in
    which it will be restored. Only servers from 17 on can use several `jobs`.

    Raises:
        BackupError: with what the tool said.
    """
    options = ("--exit-on-error", "--no-owner", "--no-privileges")
    if server_version < _REFUSED_BEFORE or _OF_NEWER_MINOR in _schema_of(file):
        _restore_as_script(conninfo, file, options)
        return
    database = f"--dbname={conninfo_to_dict(conninfo)['dbname']}"
    _run(_program("pg_restore"), *options, f"--jobs={jobs}", database, file, conninfo=conninfo)


def _restore_as_script(conninfo: str, file: Path, options: tuple[str, ...]) -> None:
    """Lets psql run the script that pg_restore writes, without what the server refuses."""
    pg_restore, psql = _program("pg_restore"), _program("psql")
    environment = _environment(conninfo)
    with tempfile.TemporaryFile() as writer_stderr, tempfile.TemporaryFile() as runner_stderr:
        with (
            subprocess.Popen(  # noqa: S603 - a program of PostgreSQL; paths go in as arguments
                [pg_restore, *options, "--file=-", file],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=writer_stderr,
            ) as writer,
            subprocess.Popen(  # noqa: S603 - the same
                [psql, "--no-password", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=runner_stderr,
            ) as runner,
        ):
            try:
                if writer.stdout is not None and runner.stdin is not None:
                    with suppress(BrokenPipeError):  # psql has stopped, and says why
                        _copy_script(writer.stdout, runner.stdin)
                        # An interrupted script ends inside a COPY, which psql would take for its end.
                        if writer.wait():
                            runner.kill()
                        runner.stdin.close()
                    runner.wait()
            finally:
                # Whatever happens here: neither may wait for the other.
                writer.kill()
                with suppress(BrokenPipeError):
                    if runner.stdin is not None:
                        runner.stdin.close()
        if runner.returncode > 0:
            raise BackupError(_failed(psql, runner.returncode, _read(runner_stderr)))
        if writer.returncode:
            raise BackupError(_failed(pg_restore, writer.returncode, _read(writer_stderr)))
        if runner.returncode:
            raise BackupError(_failed(psql, runner.returncode, _read(runner_stderr)))


def _copy_script(script: IO[bytes], into: IO[bytes]) -> None:
    """Copies a script of pg_restore but for the setting and the options, which stand before any data."""
    for line in script:
        if line != _REFUSED_SETTING:
            into.write(_portable(line))
        if line.startswith(b"COPY "):
            break
    shutil.copyfileobj(script, into, _COPY_BYTES)


def _portable(line: bytes) -> bytes:
    """A line of a schema without what newer minor releases note of a column."""
    match = _COLUMN_OPTIONS.match(line)
    if match is None or _OF_NEWER_MINOR not in match[2]:
        return line
    options = [option for option in match[2].split(b", ") if not option.startswith(_OF_NEWER_MINOR)]
    return match[1] + b", ".join(options) + match[3] if options else b""


def _schema_of(file: Path) -> bytes:
    """The script of a dump without its data."""
    return _output(_program("pg_restore"), "--schema-only", "--file=-", file, conninfo="")


def _program(name: str) -> Path:
    """A program of the bundled PostgreSQL, which knows all older servers."""
    return bundled() / "bin" / name


def _environment(conninfo: str) -> dict[str, str]:
    """Where to connect, and the password: they go to a program by its environment and no process list."""
    # One of several servers that hangs must not hold a program for ever.
    return {"PGCONNECT_TIMEOUT": "10", **os.environ, **variables_of(conninfo)}


def _run(program: Path, *arguments: str | Path, conninfo: str) -> None:
    """Runs a program, which must succeed."""
    _output(program, *arguments, conninfo=conninfo)


def _output(program: Path, *arguments: str | Path, conninfo: str) -> bytes:
    """What a program has written; it must succeed."""
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL; paths go in as arguments
        [program, "--no-password", *arguments],
        env=_environment(conninfo),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise BackupError(_failed(program, done.returncode, done.stderr.decode(errors="replace")))
    return done.stdout


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


def _failed(program: Path, status: int, stderr: str) -> str:
    words = " ".join(stderr.strip().splitlines()[-_LARGEST_MESSAGE_LINES:])
    return f"{program.name} failed: {words or f'status {status}'}"
