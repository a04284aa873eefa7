"""A bounded ring buffer of log lines in a mapped file, which survives the death of its process."""

import fcntl
import mmap
import os
import struct
from pathlib import Path

from openwatt.telemetry.reservation import reserve

_MAGIC = b"OWRING1\n"
_HEADER = struct.Struct("<8sQQQ")  # magic, capacity, head, tail
_OFFSETS = struct.Struct("<QQ")  # head and tail alone, at byte 16
_DATA = 64


class Ring:
    """Lines that end with a newline, between two offsets that only grow.

    The caller serializes `append` and `release` with a lock; reading what
    lies between the offsets needs none. With a path the memory is that of a file,
    locked for as long as its process lives: `kill -9` loses nothing that was
    appended. Without one, or on a full disk, it is plain memory.
    """

    def __init__(self, capacity: int, path: Path | str | None = None) -> None:
        self.capacity = capacity
        self.path = os.fspath(path) if path is not None else None
        self._file = _locked_file(self.path) if self.path is not None else None
        self._memory = self._map(capacity)
        self.head = 0
        self.tail = 0
        _HEADER.pack_into(self._memory, 0, _MAGIC, capacity, 0, 0)

    @property
    def is_durable(self) -> bool:
        """Whether what is in the ring can be read after this process is gone."""
        return self._durable

    def _map(self, capacity: int) -> mmap.mmap:
        self._durable = False
        if self._file is not None:
            try:
                # A hole in a file of a full disk would be a SIGBUS at the first write.
                reserve(self._file, _DATA + capacity)
                memory = mmap.mmap(self._file, _DATA + capacity)
            except OSError:
                os.ftruncate(self._file, 0)
            else:
                self._durable = True
                return memory
        return mmap.mmap(-1, _DATA + capacity)

    def append(self, line: bytes) -> bool:
        """Appends a line that ends with a newline; False when there is no room for it."""
        size, head, tail = len(line), self.head, self.tail
        if tail + size - head > self.capacity:
            return False
        start = tail % self.capacity
        first = min(size, self.capacity - start)
        self._memory[_DATA + start : _DATA + start + first] = line[:first]
        if first < size:
            self._memory[_DATA : _DATA + size - first] = line[first:]
        # The line is in the ring from here on, whatever kills the process.
        self.tail = tail + size
        _OFFSETS.pack_into(self._memory, 16, head, tail + size)
        return True

    def read(self, offset: int, limit: int) -> bytes:
        """Returns whole lines from an offset on, as many as fit in `limit` bytes (one at least)."""
        end = self.tail
        chunk = self.between(offset, min(end, offset + limit))
        cut = chunk.rfind(b"\n") + 1
        if cut == 0 and offset + limit < end:
            return self.read(offset, limit * 4)
        return chunk[:cut]

    def release(self, offset: int) -> None:
        """Removes every line before an offset."""
        self.head = max(self.head, offset)
        _OFFSETS.pack_into(self._memory, 16, self.head, self.tail)

    def between(self, start: int, end: int) -> bytes:
        """Returns the bytes between two offsets."""
        first, size = start % self.capacity, end - start
        if first + size <= self.capacity:
            return self._memory[_DATA + first : _DATA + first + size]
        rest = first + size - self.capacity
        return self._memory[_DATA + first : _DATA + self.capacity] + self._memory[_DATA : _DATA + rest]

    def close(self, *, keep_file: bool = False) -> None:
        """Unmaps the memory, releases the lock, and deletes the file unless it is to be adopted."""
        self._memory.close()
        if self._file is not None:
            if not keep_file and self.path is not None:
                Path(self.path).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def detach(self) -> None:
        """Unmaps the parent's ring in a forked child, without a change to its content."""
        self._memory.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def read_lines(path: Path) -> bytes:
    """Reads the lines that a dead process left in its ring; empty when the file holds none."""
    content = path.read_bytes()
    if len(content) < _DATA:
        return b""
    magic, capacity, head, tail = _HEADER.unpack_from(content)
    if magic != _MAGIC or not 0 <= tail - head <= capacity or len(content) < _DATA + capacity:
        return b""
    first, size = head % capacity, tail - head
    doubled = content[_DATA : _DATA + capacity] * 2
    return bytes(doubled[first : first + size])


def try_lock(path: Path) -> int | None:
    """Locks the file of a dead process and returns the descriptor; None when its process lives.

    The lock is flock's: the kernel releases it when the last process that holds it dies.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _locked_file(path: str) -> int | None:
    """Creates a file and locks it before it gets its name; None when the disk refuses."""
    hidden = f"{path.removesuffix('.ring')}.new"
    try:
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(hidden, path)  # noqa: PTH104  no Path can be made while the interpreter is ending
    except OSError:
        return None
    return descriptor
