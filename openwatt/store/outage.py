"""What a process remembers of a database that does not answer, until it answers again."""

import logging
import os
import threading
import time
from collections.abc import Callable

import psycopg

from openwatt.domain.errors import OpenWattError

logger = logging.getLogger(__name__)

#: Between two attempts to reach the database: no answer waits for them, so they may be frequent.
TRY_EVERY_S = 0.25


class Outage:
    """Tells readers to fail at once while the database is away, and finds out by itself when it is back.

    Without it every request would wait its own deadline and those queued behind the
    busy threads several of them. One thread tries meanwhile, however many readers fail.
    `attempt` raises as long as the database does not answer; `ended` is told when it does.
    """

    def __init__(self, attempt: Callable[[], None], ended: Callable[[], None]) -> None:
        self._attempt = attempt
        self._ended = ended
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._in_process = 0
        """The process in which the outage lasts: a forked child has no thread that would end it."""

    @property
    def lasts(self) -> bool:
        """Whether the database is known to be away."""
        return self._in_process == os.getpid()

    def begin(self, reason: str) -> None:
        """Remembers that a reader got no answer, and why."""
        with self._lock:
            if self.lasts:
                return
            self._in_process = os.getpid()
            self._over = threading.Event()
            arguments = (self._over, reason)
            threading.Thread(target=self._wait, args=arguments, name="outage", daemon=True).start()
        logger.warning("the database does not answer", extra={"reason": reason})

    def forget(self) -> None:
        """Ends the outage without a word: nobody reads any more, or a reader starts anew."""
        with self._lock:
            self._in_process = 0
            self._over.set()

    def _wait(self, over: threading.Event, reason: str) -> None:
        began = time.monotonic()
        # At instants of the machine's clock, not of this outage: all workers find the database again
        # together, and no client is told by one that it is back and by the next that it is away.
        while not over.wait(TRY_EVERY_S - time.monotonic() % TRY_EVERY_S):
            try:
                self._attempt()
            except (psycopg.Error, OpenWattError) as error:
                if str(error) != reason:
                    reason = str(error)
                    logger.warning("the database does not answer yet", extra={"reason": reason})
            else:
                break
        with self._lock:
            if over.is_set():
                return
            self._ended()
            self._in_process = 0
        seconds = round(time.monotonic() - began, 3)
        logger.warning("the database answers again", extra={"seconds": seconds})
