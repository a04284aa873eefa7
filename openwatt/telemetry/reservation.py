"""Reserves disk space before it is written: a hole in a mapped file on a full disk kills the process."""

import errno
import os
from typing import Final

_NOT_OFFERED: Final = frozenset({errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.EOPNOTSUPP})
#: No room on the disk, for this user or for this process: what is full today has room tomorrow.
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def reserve(descriptor: int, size: int) -> None:
    """Reserves the space of a file's first `size` bytes; its content stays as it is.

    Raises:
        OSError: there is no room; the file is as long as before.
    """
    before = os.fstat(descriptor).st_size
    try:
        try:
            os.posix_fallocate(descriptor, 0, size)
        except (AttributeError, OSError) as error:  # macOS has no such call, some file systems neither
            if isinstance(error, OSError) and error.errno not in _NOT_OFFERED:
                raise
            _fill(descriptor, before, size)
    except OSError:
        os.ftruncate(descriptor, before)  # some file systems have taken a part of it
        raise


def _fill(descriptor: int, start: int, end: int) -> None:
    while start < end:
        start += os.pwrite(descriptor, bytes(min(end - start, 1 << 16)), start)
