"""The embedded PostgreSQL: made at first use, shared by a data folder's processes, stopped by the last."""

import fcntl
import logging
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Self

from psycopg.conninfo import make_conninfo

from openwatt.store.embedded import paths as server_paths
from openwatt.store.embedded.paths import (
    ENVIRONMENT,
    MAJOR,
    PORT,
    REMEDY,
    EmbeddedPostgresError,
    ServerPaths,
    check_private,
    find_binaries,
    find_paths,
    make_folder,
    make_private,
    run,
    shared_memory,
)
from openwatt.store.embedded.processes import command_of, locked, number_taken, unlock

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

logger = logging.getLogger(__name__)

FALLBACK_ROOT = Path("/var/lib/openwatt")
# Not TMPDIR nor XDG_RUNTIME_DIR: the service and a command line with another environment must meet.
SOCKET_ROOT = Path("/tmp")  # noqa: S108 - the folder made in it is private, and verified so
START_SECONDS = 30.0
ANSWER_SECONDS = 2.0
LOCK_SECONDS = 120.0
STOP_SIGNALS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))  # fast, then immediate shutdown
POLL_SECONDS = 0.005
LOG_BYTES = 8_000_000
# Written once into postgresql.conf, where an operator may change them.
TUNABLE = {"shared_buffers": "128MB", "max_connections": "100", "log_checkpoints": "off"}
# Given at each start, so that no edit of postgresql.conf opens a port or moves the socket.
FIXED = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "log_destination": "stderr",
    "logging_collector": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

_USER = b"user\0openwatt\0database\0openwatt\0\0"
_HELLO_AND_GOODBYE = struct.pack("!ii", 8 + len(_USER), 3 << 16) + _USER + struct.pack("!ci", b"X", 4)


class EmbeddedPostgres:
    """The PostgreSQL server of one data folder, which any number of processes share.

    Three files are locked with flock, which the kernel undoes whatever way a process dies:
    `start.lock` by the process that starts or stops the server; `users.lock`, shared, by each user;
    `server.lock` by the server's own processes, all of them, which tells a living server
    from a stale pid file whose number now belongs to another process.

    A forked child inherits the object but is no user until it says so: its `release` does
    nothing, and a worker that outlives its killed master does not keep the server up.
    """

    def __init__(
        self, data_dir: Path, *, fallback_root: Path = FALLBACK_ROOT, socket_root: Path = SOCKET_ROOT
    ) -> None:
        self.data_dir = data_dir.resolve()
        self._fallback_root = fallback_root
        self._socket_root = socket_root
        self._users: int | None = None
        """The descriptor of users.lock while this process is a user."""
        self._depth = 0
        os.register_at_fork(after_in_child=self._disown)

    @cached_property
    def paths(self) -> ServerPaths:
        """Where the server lives and as whom it runs; decided once, creates nothing."""
        with self._in_plain_words():
            return find_paths(self.data_dir, self._fallback_root, self._socket_root)

    def conninfo(self) -> str:
        """How libpq reaches the server; it need not be running."""
        return make_conninfo(host=str(self.paths.sockets), port=PORT, dbname="openwatt", user="openwatt")

    def ensure_running(self) -> str:
        """Returns the conninfo of a running server; one that is down is started, at first use created."""
        if not self._answers():
            with self._in_plain_words(), self._alone():
                self._start_if_down()
        return self.conninfo()

    def acquire(self) -> str:
        """Marks this process as a user until `release`, and returns the conninfo of a running server."""
        with self._in_plain_words(), self._alone():
            self._start_if_down()
            if self._users is None:
                users = self.paths.open("users.lock")
                # Free, or shared by other users: who stops the server holds start.lock as well.
                self._lock(users, fcntl.LOCK_SH)
                self._users = users
            self._depth += 1
        return self.conninfo()

    def release(self) -> None:
        """Ends one `acquire`; the last user of the last process stops the server."""
        if self._users is None:
            return
        with self._in_plain_words(), self._alone():
            self._depth -= 1
            if self._depth:
                return
            users, self._users = self._users, None
            try:
                if locked(users, fcntl.LOCK_EX):
                    self._stop()
            finally:
                unlock(users)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _disown(self) -> None:
        if self._users is not None:
            os.close(self._users)  # and no unlock: the lock is the parent's
            self._users, self._depth = None, 0

    # What follows runs with start.lock held.

    def _start_if_down(self) -> None:
        if self._answers():
            return
        make_private(self.paths.sockets, self.paths.account)
        server = self.paths.open("server.lock")
        try:
            # Held: the server is still starting, recovering or ending, left so by a process that was killed.
            deadline = time.monotonic() + START_SECONDS
            while not locked(server, fcntl.LOCK_EX):
                if self._answers():
                    return
                if self._lost_its_socket():
                    logger.warning(
                        "the embedded PostgreSQL is restarted, for its socket was removed",
                        extra={"path": str(self.paths.socket)},
                    )
                    self._stop()
                    deadline = time.monotonic() + START_SECONDS
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(self._not_started("runs but does not answer", 0))
                time.sleep(POLL_SECONDS)
            pid, log_start = self._launch(server)
        finally:
            os.close(server)
        self._wait_until_ready(pid, log_start)

    def _launch(self, server: int) -> tuple[int, int]:
        """Starts the postmaster with its lock; returns its pid, and where its words start in the log."""
        paths = self.paths
        programs = find_binaries(server_paths.bundled(), paths.account, self._fallback_root)
        self._create_cluster(programs)
        self._forget_stale_files()
        if paths.folder != self.data_dir:
            logger.warning(
                "the embedded PostgreSQL keeps its data elsewhere: its account cannot enter the data folder",
                extra={"data_dir": str(self.data_dir), "database_dir": str(paths.folder)},
            )
        with suppress(FileNotFoundError):
            if paths.log.stat().st_size > LOG_BYTES:
                paths.log.replace(paths.log.with_suffix(".log.1"))
        log = self.paths.open(paths.log.name)
        settings = FIXED | shared_memory() | {"unix_socket_directories": f'"{paths.sockets}"'}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        try:
            log_start = os.fstat(log).st_size
            # The shell exits at once: the starting process gets no SIGCHLD of the server and keeps no zombie.
            done = subprocess.run(  # noqa: S603 - the bundled server, with our own options
                [
                    "/bin/sh",
                    "-c",
                    '"$@" >&2 & echo $!',
                    "sh",
                    programs / "postgres",
                    "-D",
                    paths.cluster,
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                env=ENVIRONMENT,
                umask=0o077,
                start_new_session=True,  # Ctrl-C ends the users, and the last one ends the server
                pass_fds=(server,),
                user=paths.account.uid if paths.account else None,
                group=paths.account.gid if paths.account else None,
                extra_groups=[] if paths.account else None,
                check=False,
            )
        finally:
            os.close(log)
        return int(done.stdout), log_start

    def _wait_until_ready(self, pid: int, log_start: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._postmaster() == (pid, "ready") and self._answers():
                return
            if not self._is_held():
                raise EmbeddedPostgresError(self._not_started("did not start", log_start))
            time.sleep(POLL_SECONDS)
        raise EmbeddedPostgresError(
            self._not_started(f"is not ready after {START_SECONDS:.0f} seconds", log_start)
        )

    def _create_cluster(self, programs: Path) -> None:
        """A cluster with its database, made aside and put in place by one rename: whole or not there."""
        paths = self.paths
        with suppress(OSError):
            paths.cluster.rmdir()  # an empty folder holds no data
        if paths.cluster.exists():
            self._refuse_another_cluster()
            return
        for left in paths.folder.glob("postgresql.new-*"):
            shutil.rmtree(left, ignore_errors=True)
        being_made = Path(tempfile.mkdtemp(prefix="postgresql.new-", dir=paths.folder))
        if paths.account:
            os.chown(being_made, paths.account.uid, paths.account.gid)
        settings = [word for name, value in TUNABLE.items() for word in ("-c", f"{name}={value}")]
        # The builtin locale orders text alike on every machine, whatever locales it has.
        status, output = run(
            'initdb=$1 postgres=$2 cluster=$3; shift 3; "$initdb" -D "$cluster" "$@" && '
            'echo "CREATE DATABASE openwatt" | '
            '"$postgres" --single -c exit_on_error=on -D "$cluster" template1',
            programs / "initdb",
            programs / "postgres",
            being_made,
            *("--username=openwatt", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--data-checksums", "--no-instructions", *settings),
            account=paths.account,
        )
        if status:
            shutil.rmtree(being_made, ignore_errors=True)
            full = "its disk is full: free some of it, or " if "No space left on device" in output else ""
            tail = "\n".join(output.splitlines()[-8:])
            raise EmbeddedPostgresError(
                f"the embedded PostgreSQL could not create its data in {paths.folder}; {full}{REMEDY}. "
                f"It said:\n{tail}"
            )
        being_made.rename(paths.cluster)
        folder = os.open(paths.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _refuse_another_cluster(self) -> None:
        cluster = self.paths.cluster
        try:
            major = (cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise EmbeddedPostgresError(
                f"{cluster} holds files but no PostgreSQL data; move that folder away, or {REMEDY}"
            ) from None
        if major != MAJOR:
            raise EmbeddedPostgresError(
                f"{cluster} was written by PostgreSQL {major} and OpenWatt brings PostgreSQL {MAJOR}; "
                f"export it with pg_dump of version {major} and move the folder away, or {REMEDY}"
            )

    def _forget_stale_files(self) -> None:
        """What a killed server left: a pid that is now a zombie's or another's would keep PostgreSQL down."""
        for suffix in ("", ".lock"):
            (self.paths.sockets / f".s.PGSQL.{PORT}{suffix}").unlink(missing_ok=True)
        pid, _ = self._postmaster()
        if not pid or not number_taken(pid):
            return
        if b"postgres" in command_of(pid):
            raise EmbeddedPostgresError(
                f"process {pid} may be a PostgreSQL on {self.paths.cluster} that OpenWatt did not start; "
                f"stop it, or, if it is another one's, remove {self.paths.cluster / 'postmaster.pid'}"
            )
        (self.paths.cluster / "postmaster.pid").unlink()

    def _stop(self) -> None:
        pid, _ = self._postmaster()
        for ending, seconds in STOP_SIGNALS:
            if not pid or not self._is_held() or os.fsencode(self.paths.cluster) not in command_of(pid):
                return
            with suppress(ProcessLookupError):
                os.kill(pid, ending)
            deadline = time.monotonic() + seconds
            while self._is_held() and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        if self._is_held():
            logger.error("the embedded PostgreSQL did not stop", extra={"pid": pid})

    def _is_held(self) -> bool:
        """Whether a process of the server is alive."""
        server = self.paths.open("server.lock")
        try:
            return not locked(server, fcntl.LOCK_EX)
        finally:
            os.close(server)

    def _lost_its_socket(self) -> bool:
        """Whether a server that is ready has no socket: a cleaner of /tmp, or a person, removed it."""
        return self._postmaster()[1] == "ready" and not self.paths.socket.exists()

    def _postmaster(self) -> tuple[int, str]:
        """The pid and the status that postmaster.pid gives: (0, "") when there is no such file."""
        try:
            lines = (self.paths.cluster / "postmaster.pid").read_text(errors="replace").splitlines()
            return int(lines[0]), lines[-1].strip()
        except (FileNotFoundError, IndexError, ValueError):
            return 0, ""

    def _not_started(self, fault: str, log_start: int) -> str:
        tail = ""
        with suppress(FileNotFoundError), self.paths.log.open("rb") as log:
            log.seek(log_start)
            tail = "\n".join(log.read()[-4000:].decode(errors="replace").splitlines()[-8:])
        return f"the embedded PostgreSQL in {self.paths.folder} {fault}; {REMEDY}. Its log ends with:\n{tail}"

    # What follows needs no lock.

    def _answers(self) -> bool:
        """Whether our server accepts connections, even if they are all taken.

        It speaks PostgreSQL's own protocol: a hello and a goodbye. libpq's PQping would
        ask the same, but holds back every thread of the process while it waits.
        """
        try:
            check_private(self.paths.sockets, self.paths.account)
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(ANSWER_SECONDS)
                client.connect(str(self.paths.socket))
                client.sendall(_HELLO_AND_GOODBYE)
                response = b"".join(iter(lambda: client.recv(4096), b""))
        except OSError:
            return False
        return response.startswith((b"R", b"E")) and b"\0C57P03\0" not in response

    @contextmanager
    def _alone(self) -> Iterator[None]:
        make_folder(self.paths)
        start = self.paths.open("start.lock")
        try:
            self._lock(start, fcntl.LOCK_EX)
            yield
        finally:
            unlock(start)

    def _lock(self, descriptor: int, kind: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while not locked(descriptor, kind):
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"another process has been starting or stopping the embedded PostgreSQL in "
                    f"{self.paths.folder} for {LOCK_SECONDS:.0f} seconds; end it"
                )
            time.sleep(POLL_SECONDS)

    @contextmanager
    def _in_plain_words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self.data_dir
            raise EmbeddedPostgresError(
                f"the embedded PostgreSQL cannot use {where}: {error.strerror}; {REMEDY}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise EmbeddedPostgresError(
                f"the embedded PostgreSQL was not made in {error.timeout:.0f} seconds; {REMEDY}"
            ) from error
