"""Fork and exit handlers for objects that own a thread."""

import atexit
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final, Protocol

#: A fork waits so long for an import of another thread: one that hangs must not hold up a master.
_IMPORT_SECONDS: Final = 5.0


class ThreadOwner(Protocol):
    """An object that owns a thread."""

    #: Held by the thread while it calls code of others, whose locks a forked child would inherit held.
    callback_lock: threading.Lock

    def reset_after_fork(self) -> None:
        """Resets the object in a forked child, which has the memory of its parent but not its threads."""

    def close(self) -> None:
        """Ends the thread."""


_owners: "weakref.WeakSet[ThreadOwner]" = weakref.WeakSet()


def register(owner: ThreadOwner) -> None:
    """Resets an object in forked children and closes it when the process ends, as long as it exists."""
    _owners.add(owner)


def start_thread(run: Callable[[], None], name: str) -> threading.Thread | None:
    """Starts a thread; None where none can be started now, which is to be tried again.

    That is so at a limit of the container or the account, and at the end of the interpreter,
    where starting one would wait for ever (3.11).
    """
    if sys.is_finalizing():
        return None
    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def _importing() -> bool:
    """Whether another thread is importing a module."""
    me = threading.get_ident()
    for thread, top in sys._current_frames().items():  # noqa: SLF001 - documented, whatever its name
        frame = None if thread == me else top
        while frame is not None:
            if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
                return True
            frame = frame.f_back
    return False


def _before_fork() -> None:
    for owner in list(_owners):
        owner.callback_lock.acquire()
    # The child would have that module half made, with its lock held, for its whole life: a worker in
    # which `encodings.idna` is half made returns 500 for every request, or hangs.
    end = time.monotonic() + _IMPORT_SECONDS
    while _importing() and time.monotonic() < end:
        time.sleep(0.001)


def _after_fork_in_parent() -> None:
    for owner in list(_owners):
        owner.callback_lock.release()


def _after_fork_in_child() -> None:
    for owner in list(_owners):
        owner.reset_after_fork()


def _at_exit() -> None:
    for owner in list(_owners):
        owner.close()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
atexit.register(_at_exit)
