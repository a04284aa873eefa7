"""Counts the writes of telemetry that failed, until they are reported: a full disk must be seen."""

import atexit
import os
import sys
import threading
from typing import Final, Literal, NamedTuple, get_args

#: The outputs of telemetry: the files of the metrics, OPENWATT_LOG_FILE, the standard output.
Target = Literal["log_file", "metrics", "stdout"]
TARGETS: Final[tuple[Target, ...]] = get_args(Target)


class Loss(NamedTuple):
    """The number of failed writes to a target since the last report, and the last one's reason."""

    writes: int
    reason: str


class LostWrites:
    """The losses of one process. `add` takes no other lock and logs nothing: loggers and metrics call it."""

    def __init__(self) -> None:
        self._clear()
        os.register_at_fork(after_in_child=self._clear)  # the parent reports its own

    def _clear(self) -> None:
        self._lock = threading.Lock()
        self._losses: dict[Target, Loss] = {}

    def add(self, target: Target, reason: OSError) -> None:
        """Counts a write that failed."""
        with self._lock:
            before = self._losses.get(target)
            self._losses[target] = Loss(before.writes + 1 if before else 1, reason.strerror or str(reason))

    def take(self) -> dict[Target, Loss]:
        """Returns every loss since the last call."""
        with self._lock:
            taken, self._losses = self._losses, {}
        return taken


lost_writes: Final = LostWrites()


@atexit.register
def _report_at_exit() -> None:
    """Writes the losses to stderr, for a process that reports to no metrics."""
    for target, loss in lost_writes.take().items():
        if sys.stderr is not None:
            sys.stderr.write(f"{loss.writes} writes to {target} were lost: {loss.reason}\n")
