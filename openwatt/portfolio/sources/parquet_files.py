"""Parquet files of one source, on a disk or at an fsspec address: which there are, and how one is opened."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from openwatt.portfolio.results.storage import without_credentials

#: Columns of few texts that follow each other: as dictionaries they are read much faster.
_TEXTS = ("home", "off_peak_hours")
ENDING = ".parquet"
#: What tells in a listing of a store that a file has changed; each store has some of them.
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "LastModified", "last_modified", "mtime", "updated")
#: What Hive calls a folder whose value is null.
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class ListedFile(NamedTuple):
    """A file by its path below its source, with what changes when it does."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class ParquetFiles:
    """One file, or a folder's files in the order of their paths, below which lie no others than Parquet.

    Names that begin with a dot or `_` are left out, as Hive, Spark and Dask do, and so are the paths of
    `left_out`.
    """

    address: str
    left_out: frozenset[Path] = frozenset()

    def __str__(self) -> str:
        return without_credentials(self.address)

    def is_dataset(self) -> bool:
        """Whether it is a folder of Parquet files; one that cannot be read is none."""
        try:
            return bool(self.listed())
        except OSError:
            return False

    def listed(self) -> list[ListedFile]:
        """Every file; a folder that holds another kind of file is no dataset, and has none.

        Raises:
            OSError: when the folder cannot be read.
        """
        found = []
        for one in self._on_disk() if self.is_local else self._at_address():
            if one.name and not one.name.endswith(ENDING):
                return []
            found.append(one)
        return sorted(found)

    def open(self, name: str) -> Any:
        """A file by its name below the source; none is the source itself. Its texts come as dictionaries."""
        import pyarrow as pa  # noqa: PLC0415 (an optional extra, and a folder of meter files needs none)
        import pyarrow.parquet as pq  # noqa: PLC0415 (the same)

        if self.is_local:
            stream: Any = self._path / name if name else self._path
        else:
            files, path = self._at()
            stream = files.open(f"{path}/{name}" if name else path, "rb")
        metadata = pq.read_metadata(stream)
        schema: Any = metadata.schema.to_arrow_schema()
        texts = [one.name for one in schema if pa.types.is_string(one.type) and one.name in _TEXTS]
        return pq.ParquetFile(stream, metadata=metadata, read_dictionary=texts, pre_buffer=not self.is_local)

    @property
    def is_local(self) -> bool:
        """Whether they lie on a disk."""
        return "://" not in self.address or self.address.startswith("file://")

    @property
    def _path(self) -> Path:
        is_address = self.address.startswith("file://")
        return Path(unquote(urlsplit(self.address).path) if is_address else self.address)

    def _at(self) -> tuple[Any, str]:
        """The file system, which fsspec holds one of a process, and the path in it."""
        from fsspec.core import url_to_fs  # noqa: PLC0415 (an optional extra)

        files, path = url_to_fs(self.address)
        return files, path.rstrip("/")

    def _on_disk(self) -> Iterator[ListedFile]:
        if not self._path.is_dir():
            found = self._path.stat()
            yield ListedFile("", f"{found.st_mtime_ns} {found.st_size}")
            return
        for place, folders, files in os.walk(self._path, onerror=_refuse):
            here = Path(place)
            folders[:] = [one for one in folders if _counts(one) and here / one not in self.left_out]
            for name in files:
                if not _counts(name) or here / name in self.left_out:
                    continue
                found = (here / name).stat()
                if stat.S_ISREG(found.st_mode):
                    version = f"{found.st_mtime_ns} {found.st_size}"
                    yield ListedFile((here / name).relative_to(self._path).as_posix(), version)

    def _at_address(self) -> Iterator[ListedFile]:
        files, path = self._at()
        if files.isfile(path):
            yield ListedFile("", _version_at(files.info(path)))
            return
        for where, found in files.find(path, detail=True).items():
            name = where.removeprefix(path).strip("/")
            if all(_counts(part) for part in name.split("/")):
                yield ListedFile(name, _version_at(found))


def hive_values(name: str) -> Mapping[str, str]:
    """What the folders of a file say, each `column=value`; nothing where that is null."""
    parts = (part.partition("=") for part in name.split("/")[:-1])
    return {column: unquote(value) for column, equals, value in parts if equals and value != _HIVE_NULL}


def _version_at(found: Mapping[str, Any]) -> str:
    versions = [str(found[key]) for key in _VERSIONS if found.get(key)]
    return " ".join([*versions, str(found.get("size"))])


def _counts(name: str) -> bool:
    return not name.startswith((".", "_"))


def _refuse(error: OSError) -> None:
    raise error
