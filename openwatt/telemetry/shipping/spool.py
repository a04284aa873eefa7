"""The spool keeps log lines on disk while Logstash is unavailable, and adopts those of dead processes."""

import contextlib
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from openwatt.telemetry.shipping import ring


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of lines that this process alone may send."""

    path: Path
    records: int
    size: int
    owner: str

    def lines(self) -> bytes:
        """Reads every line, each with its newline."""
        return ring.read_lines(self.path) if self.path.suffix == ".ring" else self.path.read_bytes()


class Spool:
    """The files of one process in a folder that all processes of a host share.

    `<time>.<owner>.lines` are segments, `<owner>.ring` is its owner's memory and,
    while locked, the sign that the owner lives. Only the shipping thread calls it.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        self.directory = directory
        self.max_bytes = max_bytes
        self.owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        self.segments: list[Segment] = []
        self._claims: dict[str, int] = {}

    @property
    def ring_path(self) -> str:
        """The path of this process's ring; text, for Python 3.13 makes no more Path while it is ending."""
        return f"{self.directory}/{self.owner}.ring"

    @property
    def records(self) -> int:
        """How many records are on disk and ours to send."""
        return sum(segment.records for segment in self.segments)

    @property
    def size(self) -> int:
        """How many bytes they take."""
        return sum(segment.size for segment in self.segments)

    def write(self, lines: bytes) -> Segment:
        """Keeps lines in a new segment, whole or not at all.

        Raises:
            OSError: the disk is full or refuses; nothing is left behind.
        """
        path = self.directory / f"{time.time_ns():020d}.{self.owner}.lines"
        part = path.with_suffix(".part")
        try:
            part.write_bytes(lines)
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        segment = Segment(path, lines.count(b"\n"), len(lines), self.owner)
        self.segments.append(segment)
        return segment

    def oldest_over_limit(self) -> Segment | None:
        """The segment to drop so that the rest stays within the limit; None when all do."""
        return self.segments[0] if self.size > self.max_bytes else None

    def adopt(self) -> list[Segment]:
        """Adopts the segments that dead processes left, and returns them.

        The owner's ring is the lock: two processes never take the same files.
        """
        names = [entry.name for entry in os.scandir(self.directory)]
        owners = {name.removesuffix(".ring") for name in names if name.endswith(".ring")}
        owners |= {name.split(".")[1] for name in names if name.endswith((".lines", ".part"))}
        adopted: list[Segment] = []
        for owner in sorted(owners - {self.owner} - self._claims.keys()):
            claim = ring.try_lock(self.directory / f"{owner}.ring")
            if claim is not None:
                self._claims[owner] = claim
                adopted += self._segments_of(owner)
        self.segments = sorted(adopted, key=_age) + self.segments
        for owner in list(self._claims):
            self._release(owner)
        return adopted

    def _segments_of(self, owner: str) -> list[Segment]:
        left = []
        for path in [*self.directory.glob(f"*.{owner}.lines"), self.directory / f"{owner}.ring"]:
            segment = Segment(path, 0, 0, owner)
            lines = segment.lines()
            if lines:
                left.append(Segment(path, lines.count(b"\n"), len(lines), owner))
            elif path.suffix != ".ring":
                path.unlink(missing_ok=True)
        for part in self.directory.glob(f"*.{owner}.part"):
            part.unlink(missing_ok=True)  # its lines are in the ring still
        return left

    def discard(self, segment: Segment) -> None:
        """Deletes a segment that was delivered or dropped."""
        self.segments.remove(segment)
        # A ring is its owner's lock as well: emptied here, deleted with the last of its files.
        with contextlib.suppress(FileNotFoundError):
            if segment.path.suffix == ".ring":
                os.truncate(segment.path, 0)
            else:
                segment.path.unlink()
        self._release(segment.owner)

    def _release(self, owner: str) -> None:
        if owner in self._claims and all(segment.owner != owner for segment in self.segments):
            (self.directory / f"{owner}.ring").unlink(missing_ok=True)
            os.close(self._claims.pop(owner))

    def close(self) -> None:
        """Releases every claim; the files stay for the next process."""
        for claim in self._claims.values():
            os.close(claim)
        self._claims.clear()


def _age(segment: Segment) -> tuple[bool, str]:
    return (segment.path.suffix == ".ring", segment.path.name)
