"""A real PgBouncer (Debian's) before the session's own PostgreSQL."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.log_receivers import free_port, wait_until
from tests.programs import find_program, require_program


@contextmanager
def pgbouncer(url: str, pool_mode: str, **settings: str | int) -> Iterator[str]:
    """The address of the database `url` behind a PgBouncer of this mode, which ends with the block."""
    require_program("pgbouncer")
    server = conninfo_to_dict(url)
    account = Path(str(server["host"])).stat()  # who may use the socket; PgBouncer refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="ow-pgbouncer-"))
    os.chown(folder, account.st_uid, account.st_gid)
    port = free_port()
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": pool_mode,
        "logfile": folder / "log",
        **settings,
    }
    target = " ".join(f"{name}={server[name]}" for name in ("host", "port", "user", "dbname"))
    (folder / "ini").write_text(
        f"[databases]\nprices = {target}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in lines.items())
    )
    process = subprocess.Popen(
        [str(find_program("pgbouncer")), "-q", folder / "ini"],
        user=account.st_uid if os.geteuid() == 0 else None,
        group=account.st_gid if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
    )
    pooled = f"postgresql://anybody@127.0.0.1:{port}/prices"

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            psycopg.connect(pooled, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        wait_until(answers)
        yield pooled
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        shutil.rmtree(folder)
