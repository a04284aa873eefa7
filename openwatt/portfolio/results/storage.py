"""Storage is a folder on a disk or at an fsspec address (s3://, gs://, memory:// …): the same few calls.

A file appears whole or not at all. On a disk it is written aside, flushed and renamed;
elsewhere it is one put, which object stores make whole.
"""

import errno
import fcntl
import logging
import os
import posixpath
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from openwatt.portfolio.errors import PortfolioError

# They log where they found keys and addresses, at each start.
for _name in ("aiobotocore", "botocore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_LOCK = "_lock"
#: The end of the name that a file has while it is written.
ASIDE = ".aside"


class Storage(Protocol):
    """One folder, without folders in it; it goes to other processes.

    A name that begins with `../` is one of the folder in which it lies. Every call raises
    OSError, and its text has no credentials.
    """

    def __str__(self) -> str:
        """What errors call it, without credentials."""

    def names(self) -> Mapping[str, int]:
        """The files of the folder with their sizes, but not the lock; none when there is no folder."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, None when there is no such file."""

    def open(self, name: str) -> BinaryIO:
        """A file to be read piece by piece."""

    def write(self, name: str, data: bytes) -> None:
        """Writes a file whole, in the place of one of that name."""

    def writing(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A stream that becomes the file when the block ends well: for what is larger than memory."""

    def claim(self, name: str, data: bytes) -> None:
        """Writes a file of which there can be one; raises BlockingIOError where another run wrote it.

        It is what protects a folder without locks from two runs that begin at once.
        """

    def remove(self, *names: str) -> None:
        """Removes those of some files that are there."""

    def locked(self) -> AbstractContextManager[None]:
        """Makes the folder and locks it; it is removed at the end when it is empty.

        The lock is the operating system's: it ends with the process, however that ends.
        Object stores have no locks, and nothing happens there. Raises BlockingIOError where another
        process holds it.
        """


def storage_at(address: str) -> Storage:
    """The folder of a path or of an address.

    Raises:
        PortfolioError: naming the package that an address needs and that is not installed.
    """
    if path := path_of(address):
        return DiskFolder(path)
    folder = AddressFolder(address.rstrip("/"))
    folder.check()
    return folder


def path_of(address: str) -> Path | None:
    """The path on a disk that is given as such or by file://, None for another address."""
    if "://" not in address:
        return Path(address).resolve()
    return Path(unquote(urlsplit(address).path)).resolve() if address.startswith("file://") else None


def without_credentials(address: str) -> str:
    """An address as it may be shown: without user, password and what follows a question mark."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"***@{host}" if "@" in parts.netloc else host, parts.path, "", ""))


@dataclass(frozen=True, slots=True)
class DiskFolder:
    """A folder of a disk of this machine, or one that machines share."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def names(self) -> Mapping[str, int]:
        """What lies in the folder."""
        try:
            found = list(os.scandir(self.path))
        except FileNotFoundError:
            return {}
        names = {}
        for one in found:
            with suppress(FileNotFoundError):  # Another process may end what it writes.
                names[one.name] = one.stat().st_size
        return {name: size for name, size in names.items() if name != _LOCK}

    def read(self, name: str) -> bytes | None:
        """The bytes of a file."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def open(self, name: str) -> BinaryIO:
        """A plain file."""
        return (self.path / name).open("rb")

    def write(self, name: str, data: bytes) -> None:
        """Writes aside, flushes and renames, so that the file outlives a loss of power."""
        with self.writing(name) as stream:
            stream.write(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Writes aside, under a name of its own: two machines may write the same file at once."""
        aside = self.path / f".{Path(name).name}.{uuid.uuid4().hex}{ASIDE}"
        try:
            with aside.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(self.path / name)
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise

    def claim(self, name: str, data: bytes) -> None:
        """Writes it: who has the lock is alone."""
        self.write(name, data)

    def remove(self, *names: str) -> None:
        """Unlinks them."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Locks the folder, and removes what a killed run left half written."""
        self.path.mkdir(exist_ok=True)
        lock = self.path / _LOCK
        try:
            with lock.open("a+") as stream:
                fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The other may have ended, and removed its lock, while we opened it.
                if not lock.exists() or lock.stat().st_ino != os.fstat(stream.fileno()).st_ino:
                    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
                self.remove(*(name for name in self.names() if name.endswith(ASIDE)))
                try:
                    yield
                finally:
                    lock.unlink(missing_ok=True)
        finally:
            with suppress(OSError):
                self.path.rmdir()


@dataclass(frozen=True, slots=True, repr=False)
class AddressFolder:
    """A folder at an address of fsspec; keys and endpoints come from its own and the store's settings."""

    address: str

    def __str__(self) -> str:
        return without_credentials(self.address)

    def __repr__(self) -> str:
        return f"AddressFolder({self})"

    def check(self) -> None:
        """Refuses an address that cannot be used.

        Raises:
            PortfolioError: naming the package that is missing.
        """
        try:
            self._files()
        except ModuleNotFoundError:
            raise PortfolioError(
                "an address needs the extra `portfolio`: pip install 'openwatt[portfolio]'"
            ) from None
        except ImportError as error:  # It names the package.
            raise PortfolioError(f"{self} cannot be used: {error}") from None
        except ValueError:
            protocol = self.address.partition("://")[0]
            raise PortfolioError(f"{self} cannot be used: fsspec knows no {protocol}://") from None
        except (OSError, TypeError) as error:
            raise PortfolioError(f"{self} cannot be used: {self._hidden(str(error))}") from None

    def names(self) -> Mapping[str, int]:
        """What is listed there now."""
        with self._errors():
            files, path = self._files()
            files.invalidate_cache()  # Other processes write there.
            try:
                found = files.ls(path, detail=True)
            except FileNotFoundError:
                return {}
            every = {one["name"].rstrip("/").rpartition("/")[2]: one.get("size") or 0 for one in found}
            return {name: size for name, size in every.items() if name}

    def read(self, name: str) -> bytes | None:
        """One get."""
        with self._errors():
            files, path = self._files()
            try:
                data: bytes = files.cat_file(f"{path}/{name}")
            except FileNotFoundError:
                return None
            return data

    def open(self, name: str) -> BinaryIO:
        """A file that is fetched by ranges."""
        with self._errors():
            files, path = self._files()
            stream: BinaryIO = files.open(f"{path}/{name}", "rb")
            return stream

    def write(self, name: str, data: bytes) -> None:
        """One put."""
        with self._errors():
            files, path = self._files()
            files.pipe_file(f"{path}/{name}", data)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Writes to a temporary file of this machine, which is put there at the end."""
        with tempfile.NamedTemporaryFile(prefix="openwatt-") as stream:
            yield stream  # type: ignore[misc]  # its type is a wrapper of one
            stream.flush()
            with self._errors():
                files, path = self._files()
                files.put_file(stream.name, posixpath.normpath(f"{path}/{name}"))

    def claim(self, name: str, data: bytes) -> None:
        """A put that the store refuses where there is such a file, as far as its library can say so."""
        with self._errors():
            files, path = self._files()
            try:
                files.pipe_file(f"{path}/{name}", data, mode="create")
            except FileExistsError:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None

    def remove(self, *names: str) -> None:
        """Deletes them, one by one."""
        with self._errors():
            files, path = self._files()
            for name in names:
                with suppress(FileNotFoundError):
                    files.rm_file(f"{path}/{name}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nothing: `claim` protects."""
        yield

    def _files(self) -> tuple[Any, str]:
        """The file system, which fsspec holds one of a process, and the path of the folder in it."""
        from fsspec.core import url_to_fs  # noqa: PLC0415 (an optional extra)

        files, path = url_to_fs(self.address)
        return files, path.rstrip("/")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Every error of a store as an OSError that shows the address without credentials."""
        try:
            yield
        except BlockingIOError:
            raise
        except Exception as error:  # noqa: BLE001 (each store has its own)
            text = self._hidden(getattr(error, "strerror", None) or str(error) or type(error).__name__)
            raise OSError(getattr(error, "errno", None) or errno.EIO, text) from None

    def _hidden(self, text: str) -> str:
        """A text without the credentials of the address."""
        userinfo, at, _ = urlsplit(self.address).netloc.rpartition("@")
        text = text.replace(self.address, str(self))
        return text.replace(userinfo, "***") if at else text
