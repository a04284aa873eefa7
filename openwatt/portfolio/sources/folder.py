"""A folder of meter files as a source of homes: one file a home, of any maker, named by its path."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from openwatt.meter.contents import MAX_BYTES
from openwatt.portfolio.billing.kernel import MeteredHome, Unreadable
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.sources.source import Batch, HomeSettings, Piece, PieceIndex, batch_size, hashes_of


class Entry(NamedTuple):
    """Where a home's measurements lie: `at` and `size` are a file's time in ns and bytes, or rows.

    A `fault` says why there is nothing to read.
    """

    home: str
    at: int
    size: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Folder:
    """Every plain file below a folder but those whose name begins with a dot, and `left_out`."""

    path: Path
    left_out: frozenset[Path] = frozenset()

    def pieces(self) -> Sequence[Piece]:
        """The folder itself: its files and their times are its index."""
        if not self.path.is_dir():
            raise PortfolioError(f"there is no folder {self.path}")
        return [Piece("", "")]

    def has_powers(self) -> bool:
        """Meter files do not."""
        return False

    def index(self, number: int, piece: Piece, settings: HomeSettings) -> PieceIndex:  # noqa: ARG002 (there is one)
        """The files in the order of their paths."""
        entries = sorted(self._walk(self.path), key=lambda entry: os.fsencode(entry.home))
        batches = [Batch(len(some), some) for some in cut(entries, batch_size(len(entries)), MAX_BYTES)]
        homes = [printable(entry.home) for entry in entries]
        return PieceIndex(number, batches, hashes_of(homes), fingerprint(entries), settings.count(homes))

    def read(self, piece: Piece, batch: Batch, settings: HomeSettings) -> Iterator[MeteredHome]:  # noqa: ARG002
        """The bytes of each file."""
        for entry in batch.place:
            home = printable(entry.home)
            yield MeteredHome(home, settings.of(home), self._measured(entry))

    def _measured(self, entry: Entry) -> bytes | Unreadable:
        if entry.fault:
            return Unreadable(entry.fault)
        try:
            with (self.path / entry.home).open("rb") as stream:
                return stream.read(MAX_BYTES + 1)
        except OSError as error:
            return Unreadable(f"the file cannot be read: {error.strerror}")

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


def fingerprint(entries: Sequence[Entry]) -> str:
    """A hash that changes when a home comes, goes or changes."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(os.fsencode("\0".join(map(str, entry))) + b"\n")
    return digest.hexdigest()


def cut(entries: Sequence[Entry], homes: int, size: int) -> Sequence[Sequence[Entry]]:
    """The homes in batches of at most so many, and of at most that size unless one home alone is larger."""
    batches: list[list[Entry]] = []
    room = 0
    for entry in entries:
        if not batches or len(batches[-1]) == homes or entry.size > room:
            batches.append([])
            room = size
        batches[-1].append(entry)
        room -= entry.size
    return batches


def printable(home: str) -> str:
    """A home's name as it is written: what is no UTF-8 in a file's name is escaped."""
    return os.fsencode(home).decode("utf-8", "backslashreplace")
