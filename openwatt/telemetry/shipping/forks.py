"""Objects with a thread, and what a fork and the end of a process mean to them."""

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


class Threaded(Protocol):
    """Something that a thread works for."""

    #: Held by the thread while it calls code of others, whose locks a forked child would inherit held.
    reporting: threading.Lock

    def forget_parent(self) -> None:
        """Begins anew in a forked child, which has the memory of its parent but not its threads."""

    def close(self) -> None:
        """Ends in good order."""


_followed: "weakref.WeakSet[Threaded]" = weakref.WeakSet()


def follow(threaded: Threaded) -> None:
    """Keeps an object right across forks, and closes it when the process ends, for as long as it lives."""
    _followed.add(threaded)


def start_thread(run: Callable[[], None], name: str) -> threading.Thread | None:
    """A running thread, or None where none can be started now, which is to be tried again.

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
    for threaded in list(_followed):
        threaded.reporting.acquire()
    # The child would have that module half made, with its lock held, for its whole life: a worker in
    # which `encodings.idna` is so answers 500 to every request, or never.
    end = time.monotonic() + _IMPORT_SECONDS
    while _importing() and time.monotonic() < end:
        time.sleep(0.001)


def _after_fork_in_parent() -> None:
    for threaded in list(_followed):
        threaded.reporting.release()


def _after_fork_in_child() -> None:
    for threaded in list(_followed):
        threaded.forget_parent()


def _at_exit() -> None:
    for threaded in list(_followed):
        threaded.close()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
)
atexit.register(_at_exit)
