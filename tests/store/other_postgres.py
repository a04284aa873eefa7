"""PostgreSQL servers of every version at hand, each in a folder of its own.

At hand are those that Debian has installed, the embedded one, and those in whole systems of other
Debian releases: `tests/store/make_postgres_roots FOLDER` makes such systems, and POSTGRES_ROOTS names
them, with a colon between two.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psycopg

from openwatt.store.embedded import paths as server_paths
from openwatt.store.embedded.paths import Account, bundled, find_binaries
from tests.programs import find_program

_ENVIRONMENT: Mapping[str, str] = MappingProxyType({"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"})


def _fields(line: str) -> list[str]:
    return line.split(":")


@dataclass(frozen=True)
class Programs:
    """The programs of one PostgreSQL, and the system that they belong to."""

    version: int
    folder: Path
    """Where they are, as seen within the system."""
    root: Path = Path("/")
    is_embedded: bool = False

    def __str__(self) -> str:
        return f"{self.version} embedded" if self.is_embedded else str(self.version)

    def command(self, program: str, *arguments: str | Path) -> list[str]:
        """The command line that runs a program there, as an account that PostgreSQL accepts."""
        called = [str(self.bin / program), *map(str, arguments)]
        if os.geteuid():
            return called
        # A process of its own that becomes the program: signals reach it.
        account = self._account()
        return [
            str(find_program("chroot")),
            f"--userspec={account.uid}:{account.gid}",
            "--groups=",
            str(self.root),
            *called,
        ]

    @property
    def bin(self) -> Path:
        """Where the programs are for the account that runs them."""
        if self.is_embedded and os.geteuid() == 0:
            return find_binaries(self.folder.parent, self._account(), Path("/var/lib/openwatt"))
        return self.folder

    def run(
        self,
        program: str,
        *arguments: str | Path,
        environment: Mapping[str, str] = MappingProxyType({}),
        said: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end, with what is said to it."""
        return subprocess.run(
            self.command(program, *arguments),
            cwd="/",
            # A root without /proc: the loader does not find by itself what lies beside a program.
            env={**_ENVIRONMENT, "LD_LIBRARY_PATH": str(self.bin.parent / "lib"), **environment},
            input=said,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """A folder of the account that runs the programs, as seen from here; `within` says it from there."""
        folder = Path(tempfile.mkdtemp(prefix="ow-pg-", dir=self.root / "tmp"))
        self.own(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def _account(self) -> Account:
        """PostgreSQL refuses to run as root: its package has made an account in that system."""
        lines = (self.root / "etc/passwd").read_text().splitlines()
        found = {fields[0]: Account(int(fields[2]), int(fields[3])) for fields in map(_fields, lines)}
        return found.get("postgres") or found["nobody"]

    def own(self, path: Path) -> None:
        """Gives a file or folder to the account that runs the programs."""
        if os.geteuid() == 0:
            os.chown(path, self._account().uid, self._account().gid)

    def within(self, path: Path) -> Path:
        """A path as the programs see it."""
        return Path("/") / path.relative_to(self.root)


def _of_system(root: Path) -> Iterator[Programs]:
    """Debian puts the programs of each major version into a folder of its own."""
    for found in sorted((root / "usr/lib/postgresql").glob("*/bin/initdb")):
        folder = Path("/") / found.parent.relative_to(root)
        yield Programs(int(folder.parent.name), folder, root)


_ROOTS = [
    Path("/"),
    *(Path(root).resolve() for root in os.environ.get("POSTGRES_ROOTS", "").split(":") if root),
]

#: Other servers than the embedded one, by their major version.
INSTALLED = {programs.version: programs for root in _ROOTS for programs in _of_system(root)}
EMBEDDED = Programs(int(server_paths.MAJOR), bundled() / "bin", is_embedded=True)
#: Every server at hand, the oldest first.
AT_HAND = [*(INSTALLED[version] for version in sorted(INSTALLED)), EMBEDDED]


@contextmanager
def running_postgres(programs: Programs, *settings: str) -> Iterator[str]:
    """A server that listens on a socket only; gives what leads to it but for the database's name."""
    with programs.new_folder() as folder:
        inside = programs.within(folder)

        def run(program: str, *arguments: str | Path) -> None:
            done = programs.run(program, *arguments)
            assert done.returncode == 0, done.stdout

        run(
            "initdb",
            *("--pgdata", inside / "data", "--username=openwatt", "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", "--locale=C"),
        )
        options = (
            f"-c listen_addresses='' -c unix_socket_directories={inside} -c fsync=off {' '.join(settings)}"
        )
        log = ("--log", inside / "log")
        run("pg_ctl", "start", "--wait", "--pgdata", inside / "data", *log, "-o", options)
        try:
            yield f"host={folder} user=openwatt dbname="
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=immediate", "--pgdata", inside / "data")


@contextmanager
def other_postgres(version: int) -> Iterator[str]:
    """An installed PostgreSQL that listens on a socket only; gives the conninfo of its empty database."""
    with running_postgres(INSTALLED[version]) as conninfo:
        with psycopg.connect(f"{conninfo}postgres", autocommit=True) as connection:
            assert connection.info.server_version // 10_000 == version
            connection.execute("create database openwatt")
        yield f"{conninfo}openwatt"
