"""A folder of meter files as a source of homes: one file a home, of any maker, named by its path."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from openwatt.domain.load_curve import LoadCurve
from openwatt.meter.contents import MAX_BYTES
from openwatt.portfolio.kernel import Unreadable


class Entry(NamedTuple):
    """Where a home's measurements lie: `at` and `size` are a file's time in ns and bytes, or rows.

    A `fault` says why there is nothing to read.
    """

    home: str
    at: int
    size: int
    fault: str = ""


class HomeSource(Protocol):
    """Where homes come from; it goes to worker processes, so it holds no open file."""

    @property
    def part_size(self) -> int:
        """How much `size` one part may hold, so that memory stays small."""

    @property
    def version(self) -> str:
        """What changes when the source does, beyond its entries."""

    def entries(self) -> Sequence[Entry]:
        """Every home, in an order that a second look gives again.

        Raises:
            PortfolioError: when nothing can be read of it.
        """

    def read(self, entries: Sequence[Entry]) -> Iterator[bytes | LoadCurve | Unreadable]:
        """What was measured in each of some homes that follow each other."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Every plain file below a folder but those whose name begins with a dot, and `left_out`."""

    path: Path
    left_out: frozenset[Path] = frozenset()

    @property
    def part_size(self) -> int:
        """Bytes of files, before they are unpacked."""
        return MAX_BYTES

    @property
    def version(self) -> str:
        """Nothing: the entries hold each file's time and size."""
        return ""

    def entries(self) -> Sequence[Entry]:
        """The files in the order of their paths."""
        return sorted(self._walk(self.path), key=lambda entry: os.fsencode(entry.home))

    def read(self, entries: Sequence[Entry]) -> Iterator[bytes | LoadCurve | Unreadable]:
        """The bytes of each file."""
        for entry in entries:
            if entry.fault:
                yield Unreadable(entry.fault)
                continue
            try:
                with (self.path / entry.home).open("rb") as stream:
                    yield stream.read(MAX_BYTES + 1)
            except OSError as error:
                yield Unreadable(f"the file cannot be read: {error.strerror}")

    def _walk(self, folder: Path) -> Iterator[Entry]:
        refused: list[OSError] = []
        for place, folders, files in os.walk(folder, onerror=refused.append):
            here = Path(place)
            folders[:] = [one for one in folders if not one.startswith(".") and self._wants(here / one)]
            yield from (
                _entry(here / name, str((here / name).relative_to(folder)))
                for name in files
                if not name.startswith(".") and self._wants(here / name)
            )
        for error in refused:
            name = str(Path(error.filename).relative_to(folder))
            yield Entry(name, 0, 0, f"the folder cannot be read: {error.strerror}")

    def _wants(self, path: Path) -> bool:
        return path not in self.left_out


def _entry(path: Path, name: str) -> Entry:
    try:
        found = path.stat()
    except OSError as error:
        return Entry(name, 0, 0, f"the file cannot be read: {error.strerror}")
    # A pipe would never end, a device neither.
    fault = "" if stat.S_ISREG(found.st_mode) else "it is no plain file"
    return Entry(name, found.st_mtime_ns, found.st_size, fault)


def fingerprint(entries: Sequence[Entry], version: str) -> str:
    """A hash that changes when a home comes, goes or changes."""
    digest = hashlib.sha256(version.encode())
    for entry in entries:
        digest.update(os.fsencode("\0".join(map(str, entry))) + b"\n")
    return digest.hexdigest()


def cut(entries: Sequence[Entry], homes: int, size: int) -> Sequence[Sequence[Entry]]:
    """The homes in parts of at most so many, and of at most that size unless one home alone is larger."""
    parts: list[list[Entry]] = []
    room = 0
    for entry in entries:
        if not parts or len(parts[-1]) == homes or entry.size > room:
            parts.append([])
            room = size
        parts[-1].append(entry)
        room -= entry.size
    return parts


def printable(home: str) -> str:
    """A home's name as it is written: what is no UTF-8 in a file's name is escaped."""
    return os.fsencode(home).decode("utf-8", "backslashreplace")
