"""The folder beside an output where a run writes its manifest, its lock and the finished parts.

Everything lies in the folder `<output>.parts`. A part appears whole, under a name
that says how many homes it holds and how many of them failed, so that whatever
ends a run, the next knows from the names alone what is done. The lock is the
operating system's: it ends with the process, however that ends.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from openwatt.portfolio.errors import PortfolioError


class FinishedPart(NamedTuple):
    """A part that is done."""

    number: int
    homes: int
    failed: int
    rows: int

    @property
    def name(self) -> str:
        """Its file's name."""
        return f"{self.number:07}-{self.homes}-{self.failed}-{self.rows}.part"

    @classmethod
    def of(cls, path: Path) -> "FinishedPart":
        """What a file's name says."""
        return cls(*(int(number) for number in path.stem.split("-")))


class PartsFolder:
    """The folder of one output's parts, which only this process writes."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = parts_folder_path(out)
        self._manifest = self.folder / "manifest.json"

    def manifest(self) -> dict[str, Any] | None:
        """The conditions of an earlier run, None when there was none."""
        try:
            found = json.loads(self._manifest.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            raise PortfolioError(
                f"{self._manifest} is damaged; delete {self.folder} to start again"
            ) from None
        return found if isinstance(found, dict) else {}

    def start(self, manifest: dict[str, Any]) -> None:
        """Writes the conditions of this run."""
        write_whole(self._manifest, json.dumps(manifest, indent=2).encode())

    def done(self) -> dict[int, FinishedPart]:
        """The parts that lie there, by number; what a killed run left half written is removed."""
        for path in self.folder.glob("*.aside"):
            path.unlink(missing_ok=True)
        parts = [FinishedPart.of(path) for path in self.folder.glob("*.part")]
        return {part.number: part for part in parts}

    def join(self, write: Any, parts: int) -> None:
        """Writes the parts as the output, which takes its name when it is whole, and forgets them."""
        done = self.done()
        paths = [self.folder / done[number].name for number in range(parts)]
        aside = self.folder / "whole.aside"
        with aside.open("wb") as stream:
            write(paths, stream)
            _sync(stream)
        aside.replace(self.out)
        self._manifest.unlink()  # First: without it nothing is taken for a run to go on with.
        shutil.rmtree(self.folder)

    def remove_without_parts(self) -> None:
        """Removes the folder of a run that has finished no part."""
        if not any(self.folder.glob("*.part")):
            shutil.rmtree(self.folder, ignore_errors=True)


def parts_folder_path(out: Path) -> Path:
    """Where the parts of an output lie."""
    return out.with_name(f"{out.name}.parts")


@contextmanager
def locked_parts_folder(out: Path) -> Iterator[PartsFolder]:
    """The parts of an output, while no other run may touch them.

    Raises:
        PortfolioError: when another run holds them, or they cannot be written.
    """
    if out.is_dir():
        raise PortfolioError(f"{out} cannot be written: it is a folder")
    parts = PartsFolder(out)
    try:
        parts.folder.mkdir(exist_ok=True)
        with (parts.folder / "lock").open("a+") as lock:
            _lock(lock.fileno(), parts)
            try:
                yield parts
            finally:
                parts.remove_without_parts()
    except OSError as error:
        raise PortfolioError(f"{out} cannot be written: {error.strerror or error}") from error


def write_whole(path: Path, data: bytes) -> None:
    """A file that appears whole or not at all, and outlives a loss of power."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.aside")
    try:
        with aside.open("wb") as stream:
            stream.write(data)
            _sync(stream)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _lock(descriptor: int, parts: PartsFolder) -> None:
    refused = PortfolioError(f"another run is writing {parts.out}: wait for its end, or name another output")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The other may have ended, and removed the folder, while we opened the lock in it.
        if (parts.folder / "lock").stat().st_ino != os.fstat(descriptor).st_ino:
            raise refused
    except (BlockingIOError, FileNotFoundError):
        raise refused from None


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
