"""The open-data package as the service gives it: made once for a version of the data, in temporary files."""

import datetime as dt
import gzip
import hashlib
import os
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedRandom, FileIO
from typing import Final

from openwatt.domain.legal_time import PARIS, day_start
from openwatt.open_data.package import DESCRIPTOR, MEDIA_TYPES, write_package
from openwatt.store.database import Database

#: All files of the package in one.
ARCHIVE: Final = "package.zip"
#: Parquet is left to the command: its library would take more memory in a worker than all else.
_FORMS = ("csv", "jsonl")
_COPIED_AT_ONCE = 1 << 20


class StoredFile:
    """A file without a name, which the system removes when this object, or the process, ends."""

    def __init__(self, stream: BufferedRandom) -> None:
        stream.flush()
        stream.seek(0)
        self.digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self._descriptor = os.dup(stream.fileno())
        self.size = os.fstat(self._descriptor).st_size

    def open(self) -> FileIO:
        """The file once more, with a position of its own."""
        return FileIO(f"/dev/fd/{self._descriptor}")

    def __del__(self) -> None:
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file of the package, and its compressed form where that is smaller."""

    name: str
    media_type: str
    plain: StoredFile
    compressed: StoredFile | None


@dataclass(frozen=True, slots=True)
class _Edition:
    """The files of one version of the data on one day."""

    key: tuple[int, dt.date]
    files: Mapping[str, PackageFile]


class StoredPackage:
    """The files of the package, made again when the data or the legal day have changed.

    They lie in temporary files and not in memory, so that the length of the history costs a worker
    nothing, slow clients hold no connection to the database, and a database that goes away is an error
    before the first byte. While a thread makes the files, others get those of before.
    """

    def __init__(
        self, database: Database, version: Callable[[], int], changes: Callable[[], Sequence[dt.date]]
    ) -> None:
        self._database = database
        self._version = version
        self._changes = changes
        self._lock = threading.Lock()
        self._edition: _Edition | None = None

    def file(self, name: str, now: dt.datetime) -> PackageFile:
        """A file by its name, as of the beginning of the legal day.

        Raises:
            DatabaseUnavailableError: it has to be made and the database does not answer to the end.
        """
        day = now.astimezone(PARIS).date()
        key = self._version(), day
        edition = self._edition
        if (edition is None or edition.key != key) and self._lock.acquire(blocking=edition is None):
            try:
                if self._edition is None or self._edition.key != key:
                    self._edition = _Edition(key, self._make(day))
                edition = self._edition
            finally:
                self._lock.release()
        assert edition is not None  # noqa: S101 - the lock is waited for where there is none
        return edition.files[name]

    def _make(self, day: dt.date) -> dict[str, PackageFile]:
        with ExitStack() as opened:
            streams: dict[str, BufferedRandom] = {}

            def temporary(name: str) -> BufferedRandom:
                streams[name] = opened.enter_context(tempfile.TemporaryFile(prefix="openwatt-"))
                return streams[name]

            with self._database.long_read() as connection:
                write_package(
                    connection, temporary, now=day_start(day), changes=self._changes(), forms=_FORMS
                )
            described = {name: stream for name, stream in streams.items() if not name.endswith(".jsonl")}
            files = {
                name: PackageFile(name, _media_type(name), StoredFile(stream), _compressed(stream))
                for name, stream in streams.items()
            }
            files[ARCHIVE] = PackageFile(ARCHIVE, "application/zip", _archive(described, day), None)
        return files


def _media_type(name: str) -> str:
    if name == DESCRIPTOR:
        return "application/json"
    kind = MEDIA_TYPES[name.rpartition(".")[2]]
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _compressed(stream: BufferedRandom) -> StoredFile:
    with tempfile.TemporaryFile(prefix="openwatt-") as compressed:
        stream.seek(0)
        with gzip.GzipFile(filename="", fileobj=compressed, mode="wb", compresslevel=6, mtime=0) as target:
            shutil.copyfileobj(stream, target, _COPIED_AT_ONCE)
        return StoredFile(compressed)


def _archive(streams: Mapping[str, BufferedRandom], day: dt.date) -> StoredFile:
    """The same files in a zip, whose bytes depend on them and the day alone."""
    with tempfile.TemporaryFile(prefix="openwatt-") as archive:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
            for name, stream in streams.items():
                entry = zipfile.ZipInfo(name, (day.year, day.month, day.day, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                stream.seek(0)
                with target.open(entry, "w", force_zip64=True) as member:
                    shutil.copyfileobj(stream, member, _COPIED_AT_ONCE)
        return StoredFile(archive)
