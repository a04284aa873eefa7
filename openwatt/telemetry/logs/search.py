"""Searches the local JSON log: its present file, the rotated ones and the compressed ones."""

import bz2
import datetime as dt
import fnmatch
import glob
import gzip
import json
import lzma
import os
import re
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, cast

#: A line longer than this is no record of ours, and is not held in memory to find out.
LONGEST_LINE_BYTES: Final = 1024 * 1024
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_FOLLOW_SECONDS: Final = 0.2
_OPENERS: Final = cast(
    "dict[str, Callable[[Path], IO[bytes]]]", {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
)
_DURATION = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """The conditions of a search; every one that is set must hold.

    `level` is the least severe one; `path` may hold `*` and `?`.
    """

    request_id: str | None = None
    level: str | None = None
    since: dt.datetime | None = None
    path: str | None = None

    def matches(self, entry: dict[str, Any]) -> bool:
        """Whether a record meets every condition."""
        if self.request_id is not None and entry.get("request_id") != self.request_id:
            return False
        if self.level is not None and _severity(entry.get("level")) < _severity(self.level):
            return False
        if self.path is not None and not fnmatch.fnmatchcase(str(entry.get("path", "")), self.path):
            return False
        return self.since is None or _is_since(entry.get("@timestamp"), self.since)


@dataclass(slots=True)
class LogSearch:
    """One search over a log; `unreadable` counts the lines and files that were no records."""

    log: Path
    query: LogQuery
    unreadable: int = 0
    _needle: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        # Most lines are distinguished by their bytes, before they are decoded.
        if self.query.request_id is not None:
            self._needle = json.dumps(self.query.request_id, ensure_ascii=False).encode()

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yields every matching record, oldest file first."""
        for path in log_files(self.log, self.query.since):
            try:
                with _OPENERS.get(path.suffix, _open_plain)(path) as lines:
                    yield from self._matching(lines)
            except (OSError, EOFError, lzma.LZMAError):
                self.unreadable += 1  # rotated meanwhile, or truncated in the middle of compression

    def follow(self, idle: Callable[[], None] = lambda: None) -> Generator[dict[str, Any], None, None]:
        """Yields every matching record of the present file, then each new one, across rotations; never ends.

        `idle` is called each time that nothing new is there; what it raises ends the search.
        """
        while True:
            try:
                lines = _open_plain(self.log)
            except FileNotFoundError:
                idle()
                time.sleep(_FOLLOW_SECONDS)
                continue
            with lines:
                yield from self._followed(lines, idle)

    def _followed(self, lines: IO[bytes], idle: Callable[[], None]) -> Iterator[dict[str, Any]]:
        """Yields what is appended to one file until it is rotated; a line is read once its end is there."""
        rest = b""
        while True:
            chunk = lines.readline(LONGEST_LINE_BYTES)
            rest += chunk
            if rest.endswith(b"\n") or len(rest) >= LONGEST_LINE_BYTES:
                entry, rest = self._entry(rest), b""
                if entry is not None:
                    yield entry
            elif not chunk:
                if self._has_moved(lines):
                    return
                idle()
                time.sleep(_FOLLOW_SECONDS)

    def _matching(self, lines: IO[bytes]) -> Iterator[dict[str, Any]]:
        while line := lines.readline(LONGEST_LINE_BYTES):
            if not line.endswith(b"\n") and len(line) == LONGEST_LINE_BYTES:
                self.unreadable += 1
                while line and not line.endswith(b"\n"):
                    line = lines.readline(LONGEST_LINE_BYTES)
                continue
            entry = self._entry(line)
            if entry is not None:
                yield entry

    def _entry(self, line: bytes) -> dict[str, Any] | None:
        if self._needle not in line or not line.strip():
            return None
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            self.unreadable += 1
            return None
        return entry if self.query.matches(entry) else None

    def _has_moved(self, lines: IO[bytes]) -> bool:
        """Whether another file stands there now, or this one was cut shorter than what was read of it."""
        try:
            present = self.log.stat()
        except FileNotFoundError:
            return False
        opened = os.fstat(lines.fileno())
        return present.st_ino != opened.st_ino or present.st_size < lines.tell()


def log_files(log: Path, since: dt.datetime | None = None) -> list[Path]:
    """The log and its rotated files, oldest first, without those last written before `since`.

    Rotated are `log.1`, `log-20261122` and the like, compressed or not.
    """
    rotated = re.compile(re.escape(log.name) + r"[.-][\d.-]+(\.gz|\.bz2|\.xz)?")
    found = []
    for path in log.parent.glob(f"{glob.escape(log.name)}*"):
        if path == log or rotated.fullmatch(path.name):
            written = path.stat().st_mtime
            if since is None or written >= since.timestamp():
                found.append((path == log, written, path))
    return [path for _, _, path in sorted(found)]


def parse_since(text: str, now: dt.datetime) -> dt.datetime:
    """A moment: `15m`, `2h`, `3d` before now, or an ISO date or time (local unless it says otherwise).

    Raises:
        ValueError: the text is neither.
    """
    duration = _DURATION.fullmatch(text.strip())
    if duration is not None:
        return now - dt.timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    try:
        return dt.datetime.fromisoformat(text.strip()).astimezone()
    except ValueError:
        raise ValueError(f"{text!r} is neither a duration like 15m, 2h or 3d nor a date and time") from None


def _open_plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _severity(level: object) -> int:
    return LEVELS.index(level) if level in LEVELS else 0


def _is_since(timestamp: object, since: dt.datetime) -> bool:
    try:
        moment = dt.datetime.fromisoformat(str(timestamp))
    except ValueError:
        return False
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)) >= since
