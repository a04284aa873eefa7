"""A worker's heartbeat in memory alone: no full or read-only disk comes between a worker and its master."""

import os
from contextlib import suppress
from typing import Any

from gunicorn.workers.workertmp import WorkerTmp


class Heartbeat(WorkerTmp):  # type: ignore[misc]  # Gunicorn ships no types
    """Gunicorn's file for a worker's signs of life, of which only the time of change is used.

    Gunicorn makes it below `worker_tmp_dir`: a master that cannot make one, for want
    of an inode, ends with all its workers. Where the kernel has no file in memory
    (macOS) it is Gunicorn's own.
    """

    def __init__(self, cfg: Any) -> None:
        with suppress(AttributeError, OSError):
            descriptor = os.memfd_create("worker-heartbeat", os.MFD_CLOEXEC)
            if (cfg.uid, cfg.gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, cfg.uid, cfg.gid)  # only its owner may set a time
            self._tmp = os.fdopen(descriptor, "w+b", 0)
            return
        super().__init__(cfg)
