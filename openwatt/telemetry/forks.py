"""Objects with a thread, and what a fork and the end of a process mean to them."""

import atexit
import os
import threading
import weakref
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
