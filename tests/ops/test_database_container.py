"""The lines by which the database's container is made and run, carried out by each PostgreSQL at hand."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from openwatt.catalogue.loader import load_catalogue
from openwatt.store.migrate import migrate
from tests.chaos.running import free_port, wait_until
from tests.ops.dockerfile import REPOSITORY
from tests.store.other_postgres import AT_HAND, Programs

COMPOSE = REPOSITORY / "ops/docker-compose.yaml"
#: What the image sets for its programs; the locale exists in the image alone, and must not be needed.
IMAGE = {"LANG": "en_US.utf8", "PATH": "/usr/bin:/bin"}
PASSWORD = "with'quote"  # noqa: S105 - of a server that lives for seconds
#: The first PostgreSQL that has locales of its own.
FIRST_BUILTIN = 17
PAGES = [REPOSITORY / "docs" / page for page in ("base-de-donnees.md", "database.md")]


def described() -> dict[str, Any]:
    """The database's service in the Compose file."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]["postgres"]
    return found


def arguments_of_files() -> dict[str, str]:
    """The arguments of `initdb` that any file for operators carries, by the file's name."""
    found = {"docker-compose.yaml": str(described()["environment"]["POSTGRES_INITDB_ARGS"])}
    shown = [*REPOSITORY.glob("ops/**/*"), *REPOSITORY.glob("docs/*.md"), REPOSITORY / "README.md"]
    for file in shown:
        if file.is_file() and file != COMPOSE and file.suffix in {".md", ".yaml", ".yml", ".sh", ".env", ""}:
            carried = re.findall(r"(?:initdb|INITDB_ARGS:) (--[^`\n]+)", file.read_text())
            found |= {f"{file.name} {number}": line for number, line in enumerate(carried, 1)}
    return found


def made_by(programs: Programs, folder: Path, arguments: str) -> subprocess.CompletedProcess[str]:
    """What `initdb` did with arguments of a file, called as the image calls it."""
    password = folder / "password"
    password.write_text("of the superuser\n")
    programs.own(password)
    inside = programs.within(folder)
    return programs.run(
        "initdb",
        *("--pgdata", inside / "data", "--username=postgres", f"--pwfile={inside}/password"),
        *("--auth-local=trust", "--auth-host=scram-sha-256"),
        *shlex.split(arguments),
        environment=IMAGE,
    )


@contextmanager
def started(programs: Programs, folder: Path, port: int) -> Iterator[dict[str, str]]:
    """The container's own command; gives the environment in which its own programs find the server."""
    program, *arguments = described()["command"]
    inside = programs.within(folder)
    here = ("-D", inside / "data", "-k", inside, "-c", f"port={port}", "-c", "listen_addresses=127.0.0.1")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            programs.command(program, *arguments, *here),
            env=IMAGE,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        check, *words = described()["healthcheck"]["test"][1:]
        assert check == "pg_isready"

        def healthy() -> bool:
            assert server.poll() is None, (folder / "log").read_text()
            return programs.run(check, *words, environment={"PGPORT": str(port)}).returncode == 0

        wait_until(healthy)
        yield {"PGHOST": str(folder), "PGPORT": str(port)}
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.parametrize("programs", [each for each in AT_HAND if each.version >= FIRST_BUILTIN], ids=str)
def test_every_line_of_the_databases_container_is_carried_out(programs: Programs) -> None:
    port = free_port()
    with programs.new_folder() as folder:
        done = made_by(programs, folder, arguments_of_files()["docker-compose.yaml"])
        assert done.returncode == 0, done.stdout
        (folder / "openwatt_password").write_text(f"{PASSWORD}\n")
        with started(programs, folder, port) as environment:
            (script,) = [
                REPOSITORY / "ops" / volume.split(":")[0]
                for volume in described()["volumes"]
                if volume.endswith("/docker-entrypoint-initdb.d/create-role.sh:ro")
            ]
            path = f"{AT_HAND[-1].bin}:{os.defpath}"  # its psql is as new as any server
            ran = subprocess.run(
                ["sh", script],
                env={**environment, "PATH": path, "SECRETS": str(folder)},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
            address = make_conninfo(f"host=127.0.0.1 port={port} user=openwatt", password=PASSWORD)
            with psycopg.connect(address, autocommit=True) as connection:
                assert connection.info.server_version // 10_000 == programs.version
                assert migrate(connection)
                assert load_catalogue(connection)
                assert connection.execute(
                    "select pg_encoding_to_char(encoding), datlocprovider, "
                    "current_setting('data_checksums'), current_setting('TimeZone'), "
                    "current_setting('shared_buffers') "
                    "from pg_database where datname = current_database()"
                ).fetchone() == ("UTF8", "b", "on", "UTC", "256MB")


@pytest.mark.parametrize("programs", AT_HAND, ids=str)
def test_the_arguments_that_any_file_carries_make_a_database_in_utf_8(programs: Programs) -> None:
    carried = arguments_of_files()
    assert {page.name for page in PAGES} <= {name.split()[0] for name in carried}
    tried = 0
    for arguments, name in {arguments: name for name, arguments in carried.items()}.items():
        if "builtin" in arguments and programs.version < FIRST_BUILTIN:
            continue
        with programs.new_folder() as folder:
            done = made_by(programs, folder, f"{arguments} --no-sync")
            assert done.returncode == 0, (name, done.stdout)
            asked = programs.run(
                *("postgres", "--single", "-D", programs.within(folder) / "data", "template1"),
                said="select pg_encoding_to_char(encoding) from pg_database\n",
            )
            encodings = re.findall(r'pg_encoding_to_char = "(\w+)"', asked.stdout)
            assert set(encodings) == {"UTF8"}, (name, asked.stdout)
            tried += 1
    assert tried


@pytest.mark.parametrize("programs", [each for each in AT_HAND if each.version < FIRST_BUILTIN], ids=str)
def test_an_older_server_refuses_the_builtin_locale_as_the_pages_say(programs: Programs) -> None:
    with programs.new_folder() as folder:
        done = made_by(programs, folder, arguments_of_files()["docker-compose.yaml"])
    assert done.returncode != 0
    assert re.search(r"unrecognized option '?--builtin-locale|unrecognized locale provider", done.stdout)
    for page in PAGES:
        assert re.search(r"initdb --encoding=UTF8 --locale=C(?= |`|\n)(?!.*builtin)", page.read_text())
