"""Objects with a thread, and what a fork and the end of a process mean to them."""

import atexit
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Protocol


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


def _before_fork() -> None:
    for threaded in list(_followed):
        threaded.reporting.acquire()


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
