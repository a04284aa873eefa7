"""`openwatt database`: keeps the embedded server up for those who come and go, and leaves in order."""

import select
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.running import PROGRAMS, Home, Service


@contextmanager
def kept(home: Home, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    """The keeper, as soon as it has said that the server answers."""
    command = [str(PROGRAMS / "openwatt"), "database"]
    environment = home.environment(**variables)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as keeper:
        try:
            assert keeper.stdout is not None
            assert str(home.data / "run") in keeper.stdout.readline()
            yield keeper
        finally:
            keeper.kill()


def test_commands_find_the_server_and_leave_it_up_until_the_keeper_is_told_to_end(home: Home) -> None:
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(home.folder / "notify"))
    told.settimeout(40)
    with told, kept(home, NOTIFY_SOCKET=str(home.folder / "notify")) as keeper:
        assert told.recv(4096) == b"READY=1"
        first = home.postmaster()
        assert home.command("tariffs", "--on", "2025-09-01").returncode == 0
        assert (home.postmaster(), home.database_runs()) == (first, True)
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(40) == 143
    assert not home.database_runs()


def test_a_socket_of_systemd_that_is_for_somebody_else_ends_nothing(home: Home) -> None:
    # As in a container whose first process systemd-nspawn started: every process there inherits it.
    with kept(home, NOTIFY_SOCKET=str(home.folder / "nobody-listens")) as keeper:
        assert keeper.stdout is not None
        assert not select.select([keeper.stdout], [], [], 1)[0]
        assert keeper.poll() is None
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(40) == 143


def test_a_keeper_that_ends_takes_nothing_from_the_service(home: Home) -> None:
    with kept(home) as keeper:
        service: Service = home.service().ready()
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(40) == 143
        assert home.database_runs()
        assert service.answers()
        assert service.end() == 0
    assert not home.database_runs()


def test_another_postgresql_needs_no_keeper(home: Home) -> None:
    done = home.command("database", OPENWATT_DATABASE_URL="postgresql://db.example.org/openwatt")
    assert done.returncode == 1
    assert "names another PostgreSQL" in done.stderr
