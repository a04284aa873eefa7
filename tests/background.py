"""Threads that work beside a test until it has seen enough."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Threads:
    """Some threads that do the same work, each with its number, until the event is set."""

    def __init__(self, number: int, work: Callable[[int, threading.Event], None]) -> None:
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=work, args=(each, self._stopped)) for each in range(number)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Sets the event and waits for the threads."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def threads(number: int, work: Callable[[int, threading.Event], None]) -> Iterator[None]:
    """Such threads for the length of a block."""
    started = Threads(number, work)
    try:
        yield
    finally:
        started.stop()
