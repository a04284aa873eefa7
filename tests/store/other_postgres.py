"""PostgreSQL servers of the versions that the system has installed, each in a folder of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

#: Debian puts the programs of each major version here.
INSTALLED = {
    int(found.parent.parent.name): found.parent
    for found in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
}


@contextmanager
def other_postgres(version: int) -> Iterator[str]:
    """An installed PostgreSQL that listens on a socket only; gives the conninfo of its empty database."""
    programs = INSTALLED[version]
    folder = Path(tempfile.mkdtemp(prefix="ow-pg-"))
    # PostgreSQL refuses to run as root; its package has made an account.
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)

    def run(*command: str | Path) -> None:
        subprocess.run(
            command,
            check=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )

    data = folder / "data"
    try:
        run(
            *(programs / "initdb", "--pgdata", data, "--username=openwatt", "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", "--locale=C"),
        )
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run(programs / "pg_ctl", "start", "--wait", "--pgdata", data, "--log", folder / "log", "-o", options)
        try:
            conninfo = f"host={folder} user=openwatt dbname="
            with psycopg.connect(f"{conninfo}postgres", autocommit=True) as connection:
                assert connection.info.server_version // 10_000 == version
                connection.execute("create database openwatt")
            yield f"{conninfo}openwatt"
        finally:
            run(programs / "pg_ctl", "stop", "--wait", "--mode=immediate", "--pgdata", data)
    finally:
        shutil.rmtree(folder)
