"""Machines on which the service cannot start as it was told: a sentence with the remedy that works there."""

import os
import shutil
import subprocess
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.chaos.running import PATIENCE_S, PROGRAMS, REPOSITORY, Home, free_port, wait_until

#: A user id without an entry in /etc/passwd: in a user namespace it reads what the caller reads.
_UNKNOWN = ("unshare", "--user", "--map-user=54321", "--map-group=54321")
_MOUNTS = ("unshare", "--mount", "sh", "-c")


def _usable(*command: str) -> bool:
    return subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0


needs_user_namespace = pytest.mark.skipif(
    not _usable(*_UNKNOWN), reason="this kernel lets nobody make a user namespace"
)
needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts: run it as root")


def ran(home: Home, *command: str | Path, cwd: Path = REPOSITORY, **settings: str) -> tuple[int, str]:
    """Exit status and words of a command that ends by itself."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=home.environment(**{"OPENWATT_BIND": f"127.0.0.1:{free_port()}", **settings}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    return done.returncode, said


def test_gunicorn_without_its_configuration_names_it(empty_home: Home) -> None:
    status, said = ran(
        empty_home, PROGRAMS / "gunicorn", "--chdir", REPOSITORY, "wsgi:app", cwd=empty_home.folder
    )
    remedy = f"gunicorn --config {REPOSITORY}/gunicorn.conf.py wsgi:app"
    assert "OpenWatt cannot start: Gunicorn has not read its configuration" in said
    assert remedy in said
    assert status == 4  # Gunicorn's own for an application that cannot be loaded
    told = ran(
        empty_home,
        PROGRAMS / "gunicorn",
        "--check-config",
        *("--chdir", str(REPOSITORY), *remedy.split()[1:]),
        cwd=empty_home.folder,
    )
    assert told[0] == 0, told


@needs_user_namespace
@pytest.mark.parametrize("program", [["gunicorn", "wsgi:app"], ["openwatt", "migrate"]])
def test_a_user_without_an_entry_in_passwd_is_told_what_postgresql_wants(
    empty_home: Home, program: list[str]
) -> None:
    status, said = ran(empty_home, *_UNKNOWN, PROGRAMS / program[0], program[1])
    assert status == 1
    assert "user id 54321, which is not in /etc/passwd: add one" in said
    assert "or set OPENWATT_DATABASE_URL to a PostgreSQL of your own" in said


@needs_user_namespace
def test_such_a_user_is_named_in_the_address_of_another_database(empty_home: Home) -> None:
    url = f"postgresql://127.0.0.1:{free_port()}/x"
    _, said = ran(empty_home, *_UNKNOWN, PROGRAMS / "openwatt", "migrate", OPENWATT_DATABASE_URL=url)
    assert "let OPENWATT_DATABASE_URL name the user, as postgresql://user@host/database" in said
    named = url.replace("//", "//somebody@")
    _, said = ran(empty_home, *_UNKNOWN, PROGRAMS / "openwatt", "migrate", OPENWATT_DATABASE_URL=named)
    assert "Connection refused" in said


@needs_mounts
def test_a_shared_memory_that_is_read_only_hinders_nobody(home: Home) -> None:
    port = free_port()
    script = f"mount -t tmpfs -o ro tmpfs /dev/shm && exec {PROGRAMS}/gunicorn wsgi:app"
    with subprocess.Popen(
        [*_MOUNTS, script],
        cwd=REPOSITORY,
        env=home.environment(OPENWATT_BIND=f"127.0.0.1:{port}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:

        def ready() -> bool:
            assert process.poll() is None, process.stdout and process.stdout.read()
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready") as answer:
                return bool(answer.status == 200)
            return False

        try:
            wait_until(ready)
        finally:
            process.terminate()
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in said


@needs_mounts
def test_no_folder_for_what_is_temporary_is_named(empty_home: Home) -> None:
    script = (
        "for folder in /dev/shm /tmp /var/tmp; do mount -t tmpfs -o ro tmpfs $folder; done; "
        f"cd /tmp && exec {PROGRAMS}/gunicorn --config {REPOSITORY}/gunicorn.conf.py wsgi:app"
    )
    data = Path("/run") / empty_home.folder.name
    status, said = ran(empty_home, *_MOUNTS, script, OPENWATT_DATA_DIR=str(data), TMPDIR="")
    shutil.rmtree(data, ignore_errors=True)
    assert status == 1
    assert "OpenWatt cannot start: neither /dev/shm nor /tmp can be written to" in said


@needs_user_namespace
@pytest.mark.parametrize("closed", ["", "metrics/127.0.0.1-8000/x.db"])
def test_metrics_that_cannot_be_read_are_named_and_no_other_port_is_advised(
    empty_home: Home, closed: str
) -> None:
    path = empty_home.data / "metrics" / "127.0.0.1-8000" / "x.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    of_somebody_else = empty_home.data / closed
    if os.geteuid() == 0:
        os.chown(of_somebody_else, 12345, 12345)
    of_somebody_else.chmod(0)
    try:
        status, said = ran(
            empty_home,
            *_UNKNOWN,
            *(PROGRAMS / "openwatt", "metrics", "--port", str(free_port())),
            OPENWATT_BIND="127.0.0.1:8000",
        )
    finally:
        of_somebody_else.chmod(0o755)
    assert status == 1
    assert "cannot be read: " in said
    assert "Permission denied; run this as the user of the service" in said
    assert "--port" not in said


@needs_mounts
def test_a_full_disk_is_named_where_the_embedded_database_is_made(empty_home: Home) -> None:
    empty_home.data.mkdir()
    script = f"mount -t tmpfs -o size=10m,mode=755 tmpfs {empty_home.data}; exec {PROGRAMS}/openwatt migrate"
    status, said = ran(empty_home, *_MOUNTS, script)
    assert status == 1
    assert "its disk is full: free some of it, or set OPENWATT_DATA_DIR to another folder" in said
