"""A database password that is rotated while everything runs: every process takes up the new one by itself."""

import io
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from openwatt.store.embedded.postgres import EmbeddedPostgres
from tests.chaos.running import PROGRAMS, Home, load, wait_until
from tests.chaos.test_metrics_command import scraped
from tests.ingest.command import Command
from tests.ingest.document_server import site

ANEW = "/v1/tariffs?option=BASE&on=2025-09-{day:02}&limit=5"


class Guarded:
    """A real PostgreSQL that asks one role for its password, and the file in which its address stands."""

    def __init__(self, postgres: EmbeddedPostgres, folder: Path) -> None:
        self._conninfo = postgres.conninfo()
        self.file = folder / "database-url"
        access = postgres.paths.cluster / "pg_hba.conf"
        access.write_text(f"local all owner scram-sha-256\n{access.read_text()}")
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute("create role owner login createrole")
            connection.execute("create database kept owner owner")
            connection.execute("select pg_reload_conf()")
        self.set_password("the-first-password")
        self.write("the-first-password")

    def url(self, password: str) -> str:
        """The address of the role's database."""
        host = conninfo_to_dict(self._conninfo)["host"]
        return f"postgresql://owner:{password}@/kept?{urlencode({'host': host, 'port': 5432})}"

    def write(self, password: str) -> None:
        """Puts the address into its file as a secret store does: whole or not at all."""
        being_written = self.file.with_suffix(".new")
        being_written.write_text(f"{self.url(password)}\n")
        being_written.chmod(0o600)
        being_written.replace(self.file)

    def set_password(self, password: str) -> None:
        """Changes the role's password and ends its sessions: the old password opens nothing any more."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(sql.SQL("alter role owner password {}").format(password))
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'owner'"
            )

    def sessions(self) -> int:
        """How many sessions the role's database has had."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            (number,) = connection.execute(
                "select sessions from pg_stat_database where datname = 'kept'"
            ).fetchone() or (0,)
            return int(number)


@pytest.fixture
def guarded(empty_home: Home) -> Iterator[Guarded]:
    folder = Path(tempfile.mkdtemp(prefix="ow-")).resolve()
    folder.chmod(0o755)
    with EmbeddedPostgres(folder / "data", fallback_root=folder / "fallback") as postgres:
        made = Guarded(postgres, folder)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(made.url("wrong"))
        yield made
        for service in empty_home.services:
            service.kill()
    shutil.rmtree(folder)


def test_the_service_takes_up_a_rotated_password_without_a_signal(empty_home: Home, guarded: Guarded) -> None:
    service = empty_home.service(OPENWATT_DATABASE_URL_FILE=str(guarded.file)).ready()
    workers = service.both_workers()
    with load(service, ANEW) as running:
        wait_until(lambda: len(running.answers) > 40)
        guarded.set_password("the-second-password")
        wait_until(lambda: any(answer.status == 503 for _, _, answer in running.answers))
        guarded.write("the-second-password")
        wait_until(lambda: all(answer.status == 200 for _, _, answer in running.answers[-40:]), 10)
        before = len(running.answers)
        guarded.write("the-third-password")
        guarded.set_password("the-third-password")
        wait_until(lambda: len(running.answers) > before + 200)
    late = [answer.status for _, _, answer in running.answers[-40:]]
    assert set(late) == {200}
    assert service.workers() == workers
    assert not re.search(r"the-\w+-password", service.said())
    assert service.end() == 0


def copy_lines(stream: IO[str], copy: io.StringIO) -> None:
    """Copies the lines of a stream as they come."""
    copy.writelines(stream)


def test_the_separate_metrics_and_the_ingestion_take_it_up_too(empty_home: Home, guarded: Guarded) -> None:
    settings = {"OPENWATT_DATABASE_URL_FILE": str(guarded.file)}
    assert empty_home.command("migrate", seconds=60, **settings).returncode == 0
    metrics = subprocess.Popen(
        [PROGRAMS / "openwatt", "metrics", "--port", "0"],
        env=empty_home.environment(**settings),
        stdout=subprocess.PIPE,
        text=True,
    )
    before = guarded.sessions()
    with site() as ours:
        ingestion = Command(url="", site=ours).start("ingest", "--every", "1s", **settings)
    said = io.StringIO()
    reading = threading.Thread(target=copy_lines, args=(ingestion.stdout, said))
    reading.start()
    try:
        wait_until(lambda: guarded.sessions() > before + 4)  # its second round at least
        assert metrics.stdout is not None
        address = metrics.stdout.readline().split()[-1]
        wait_until(lambda: "openwatt_ingest_state_readable 1.0" in scraped(address))
        guarded.set_password("the-second-password")
        wait_until(lambda: "openwatt_ingest_state_readable 0.0" in scraped(address))
        wait_until(lambda: "ingest without a database" in said.getvalue())
        guarded.write("the-second-password")
        wait_until(lambda: "openwatt_ingest_state_readable 1.0" in scraped(address), 10)
        metrics.terminate()
        metrics.wait(20)
        time.sleep(2)  # a round that had begun with the old password is over
        before = guarded.sessions()
        wait_until(lambda: guarded.sessions() > before + 1, 10)
    finally:
        metrics.kill()
        metrics.communicate()
        ingestion.terminate()
        reading.join(20)
        _, errors = ingestion.communicate(timeout=20)
    log = said.getvalue()
    assert ingestion.returncode == 0, log + errors
    assert log.count("ingest without a database") in range(1, 6)
    assert not re.search(r"the-\w+-password", log)
