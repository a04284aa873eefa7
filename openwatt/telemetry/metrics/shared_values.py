"""The values of one process in files that every scrape reads, with their space reserved.

prometheus_client has such values too (`values.MultiProcessValue`, of which this follows version 0.26),
but its files have holes: on a full disk the first write to one ends the process by SIGBUS. Here a number
gets an entry in its file only when the disk has room for it. Until then it is counted in memory alone,
each update is reported as lost, and the entry is tried again; a process that lives until there is
room writes the whole number, so that nothing is missing any more.

The files are in the library's own format (`mmap_dict`), and the library reads them.
"""

import errno
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from prometheus_client.mmap_dict import mmap_key

from openwatt.telemetry.lost_writes import lost_writes
from openwatt.telemetry.reservation import reserve

#: The suffix of a damaged file: nothing reads it, and an operator may inspect it.
DAMAGED_SUFFIX: Final = ".damaged"
_FIRST_BYTES: Final = 1 << 16
_LARGEST_BYTES: Final = 1 << 26  # a worker's files have some hundred kB
_HEADER: Final = 8
_SIZE: Final = struct.Struct("i")
_NUMBERS: Final = struct.Struct("dd")  # value, time
#: Between two attempts to get room.
_RETRY_EVERY_S: Final = 1.0


class DamagedFileError(Exception):
    """A file is not in the format; the message says what is wrong with it."""


def entries(content: bytes) -> Iterator[tuple[str, int]]:
    """The key and the position of each number in a file's content.

    Raises:
        DamagedFileError: the content is not in the format.
    """
    if len(content) < _HEADER:
        raise DamagedFileError(f"{len(content)} bytes are no header")
    (used,) = _SIZE.unpack_from(content)
    if not _HEADER <= used <= len(content):
        raise DamagedFileError(f"{used} bytes are said to be used, of {len(content)}")
    position = _HEADER
    while position < used:
        if position + _SIZE.size > used:
            raise DamagedFileError(f"the entry at {position} ends after the used part")
        (length,) = _SIZE.unpack_from(content, position)
        number_at = position + _SIZE.size + length + (8 - (length + 4) % 8)
        if length <= 0 or number_at + _NUMBERS.size > used:
            raise DamagedFileError(f"the entry at {position} ends after the used part")
        start = position + _SIZE.size
        try:
            yield content[start : start + length].decode(), number_at
        except UnicodeDecodeError:
            raise DamagedFileError(f"the key at {position} is not UTF-8") from None
        position = number_at + _NUMBERS.size


def used_bytes(path: Path) -> int:
    """How much of a file is used, 0 when it was made and not filled.

    Raises:
        DamagedFileError: its length and its first bytes contradict each other.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # In this order: a file that its process makes or enlarges meanwhile has its length before its header.
        header = os.read(descriptor, _SIZE.size)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    used = _SIZE.unpack(header)[0] if len(header) == _SIZE.size else len(header)
    if used and not _HEADER <= used <= size <= _LARGEST_BYTES:
        raise DamagedFileError(f"{used} bytes are said to be used, of {size}")
    return int(used)


def set_aside(path: Path) -> None:
    """Renames a damaged file, so that nothing reads it.

    Raises:
        OSError: the folder may not be written.
    """
    with suppress(FileNotFoundError):  # another process has done so
        path.replace(path.with_name(path.name + DAMAGED_SUFFIX))


class _File:
    """One file of this process, mapped, every byte of it backed by the disk."""

    def __init__(self, path: Path, damaged: list[tuple[Path, str]]) -> None:
        """Opens a file or makes it; a damaged one is set aside, and listed with the reason.

        Raises:
            OSError: it cannot be opened, or the disk has no room for it.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except DamagedFileError as error:
            set_aside(path)
            damaged.append((path, str(error)))
            try:
                self._open()
            except DamagedFileError as again:  # damaged at once: another program writes it
                raise OSError(errno.EIO, str(again), str(path)) from again

    def _open(self) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            # Read, not mapped: a broken sector is an error here, and would be a SIGBUS there.
            content = os.pread(descriptor, min(size, _LARGEST_BYTES), 0)
            fresh = not any(content)
            self.positions = {} if fresh else dict(entries(content))
            capacity = max(len(content), _FIRST_BYTES)
            reserve(descriptor, capacity)
            self.memory = mmap.mmap(descriptor, capacity)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._capacity = capacity
        self._used = _HEADER if fresh else _SIZE.unpack_from(content)[0]
        self.memory[: _SIZE.size] = _SIZE.pack(self._used)

    def place(self, key: str) -> int:
        """The position of a number, made at its first use.

        Raises:
            OSError: the disk has no room for a larger file.
        """
        position = self.positions.get(key)
        if position is not None:
            return position
        encoded = key.encode()
        padded = encoded + b" " * (8 - (len(encoded) + 4) % 8)
        entry = _SIZE.pack(len(encoded)) + padded + _NUMBERS.pack(0.0, 0.0)
        end = self._used + len(entry)
        if end > self._capacity:
            self._grow(end)
        self.memory[self._used : end] = entry
        # A scrape that reads meanwhile sees the number from here on.
        self.memory[: _SIZE.size] = _SIZE.pack(end)
        self._used = end
        self.positions[key] = position = end - _NUMBERS.size
        return position

    def _grow(self, end: int) -> None:
        capacity = self._capacity
        while capacity < end:
            capacity *= 2
        reserve(self._descriptor, capacity)
        memory = mmap.mmap(self._descriptor, capacity)
        self.memory.close()
        self.memory, self._capacity = memory, capacity

    def is_intact(self) -> bool:
        """Whether it is what a scrape finds at its path, and says what this process has written."""
        try:
            there, here = self.path.stat(), os.fstat(self._descriptor)
        except OSError:
            return False
        if (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev) or here.st_size < self._capacity:
            return False
        return self.memory[: _SIZE.size] == _SIZE.pack(self._used)

    def close(self) -> None:
        """Unmaps and closes it; it stays on the disk."""
        self.memory.close()
        os.close(self._descriptor)


class _ProcessValues:
    """The values of this process and their files: one lock for all, as the library has it."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], SharedValue] = {}
        self.lock = threading.Lock()
        self.moved = False
        """Whether this process has become another one since the last use: its files are others."""
        self.damaged: list[tuple[Path, str]] = []
        """What was set aside and not yet reported, and why."""
        self._directory = Path()
        self._identify: Callable[[], str] = lambda: ""
        self._files: dict[str, _File] = {}
        self._refused: dict[str, tuple[float, OSError]] = {}
        """Until when no space is reserved for a kind of file, and why it has none."""
        os.register_at_fork(after_in_child=self._in_child)

    def _in_child(self) -> None:
        self.lock = threading.Lock()
        self.moved = True
        self.damaged = []

    def start(self, directory: Path, identify: Callable[[], str]) -> None:
        """Makes the values those of a process that `identify` names, in files of a directory."""
        with self.lock:
            self._directory, self._identify = directory, identify
            self.moved = True

    def move(self) -> None:
        """Gives every value its entry in the files of this process, and the number found there."""
        self.moved = False
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._refused.clear()
        for value in self.values.values():
            value.begin()

    def find(self, kind: str, key: str) -> tuple[_File, int]:
        """A number's file and its position there, made at its first use.

        Raises:
            OSError: there is no room, or there was none a moment ago.
        """
        file = self._files.get(kind)
        if file is not None and (position := file.positions.get(key)):
            return file, position
        self._check_refused(kind)
        try:
            if file is None:
                path = self._directory / f"{kind}_{self._identify()}.db"
                file = self._files[kind] = _File(path, self.damaged)
            return file, file.place(key)
        except OSError as error:
            self._refused[kind] = (time.monotonic() + _RETRY_EVERY_S, error)
            raise

    def _check_refused(self, kind: str) -> None:
        until, error = self._refused.get(kind, (0.0, None))
        if error is not None and time.monotonic() < until:
            raise OSError(error.errno, error.strerror)

    def place_all(self, kind: str) -> None:
        """Places the numbers of a kind that are in memory alone.

        Raises:
            OSError: as `find`; some may have been placed.
        """
        self._check_refused(kind)
        for value in self.values.values():
            if value.kind == kind and not value.position:
                value.place()

    def repair(self) -> list[tuple[Path, str]]:
        """Writes files again that were damaged, moved or removed, and places what had no room.

        Returns what was set aside, and why.
        """
        with self.lock:
            if self.moved:
                self.move()
            for kind, file in list(self._files.items()):
                if not file.is_intact():
                    self._drop(kind)
            for kind in {value.kind for value in self.values.values() if not value.position}:
                with suppress(OSError):
                    self.place_all(kind)
            damaged, self.damaged = self.damaged, []
        return damaged

    def _drop(self, kind: str) -> None:
        self._files.pop(kind).close()
        for value in self.values.values():
            if value.kind == kind:
                value.position = 0


_process: Final = _ProcessValues()
start = _process.start
repair = _process.repair


def move() -> None:
    """In a process that has become another one: its values are those of its new files from now on."""
    with _process.lock:
        _process.move()


class SharedValue:
    """One number, with the interface of prometheus_client's `values.ValueClass`."""

    _multiprocess = True

    def __init__(  # noqa: PLR0917 - the library's signature
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Any,
        labelvalues: Any,
        help_text: str,
        multiprocess_mode: str = "",
        **_: Any,
    ) -> None:
        self.kind = f"gauge_{multiprocess_mode}" if typ == "gauge" else typ
        self.position = 0
        self._key = mmap_key(metric_name, name, labelnames, labelvalues, help_text)
        self._value = self._timestamp = 0.0
        with _process.lock:
            if _process.moved:
                _process.move()
            self.begin()
            _process.values[self.kind, self._key] = self

    def begin(self) -> None:
        """Continues with the number that is in the file; 0 when there is none. The lock is held."""
        self.position = 0
        self._value = self._timestamp = 0.0
        try:
            self._file, self.position = _process.find(self.kind, self._key)
        except OSError as error:
            lost_writes.add("metrics", error)
            return
        self._value, self._timestamp = _NUMBERS.unpack_from(self._file.memory, self.position)

    def place(self) -> None:
        """Adds an entry and writes the number there. The lock is held.

        Raises:
            OSError: the disk has no room for it.
        """
        self._file, self.position = _process.find(self.kind, self._key)
        self._write()

    def _write(self) -> None:
        position = self.position
        if position:
            self._file.memory[position : position + 16] = _NUMBERS.pack(self._value, self._timestamp)
            return
        try:
            _process.place_all(self.kind)
        except OSError as error:
            if not self.position:
                lost_writes.add("metrics", error)

    def inc(self, amount: float) -> None:
        """Adds to the number."""
        with _process.lock:
            if _process.moved:
                _process.move()
            self._value += amount
            self._timestamp = 0.0
            self._write()

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replaces the number."""
        with _process.lock:
            if _process.moved:
                _process.move()
            self._value = value
            self._timestamp = timestamp or 0.0
            self._write()

    def get(self) -> float:
        """The number."""
        with _process.lock:
            if _process.moved:
                _process.move()
            return self._value

    def set_exemplar(self, exemplar: Any) -> None:
        """Nothing: shared files hold no exemplars."""

    def get_exemplar(self) -> None:
        """None: shared files hold no exemplars."""
