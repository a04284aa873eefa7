"""What a process remembers of a database that does not answer, until it answers again."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable

import psycopg

from openwatt.domain.errors import OpenWattError

logger = logging.getLogger(__name__)

#: Between two attempts to reach the database: no answer waits for them, so they may be frequent.
TRY_EVERY_S = 0.25
#: Between two complaints that no thread can be started: each reader meets that.
COMPLAIN_EVERY_S = 60.0
_NUMBERS = re.compile(r"[0-9]+")


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
        self._complained_at = -COMPLAIN_EVERY_S

    @property
    def lasts(self) -> bool:
        """Whether the database is known to be away."""
        return self._in_process == os.getpid()

    def begin(self, reason: str) -> None:
        """Remembers that a reader got no answer, and why.

        Where no thread can be started (a limit of the container or the account), nothing is
        remembered, for nothing would end it: each reader waits its own deadline.
        """
        with self._lock:
            if self.lasts:
                return
            over = threading.Event()
            thread = threading.Thread(target=self._wait, args=(over, reason), name="outage", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._complain(error)
                return
            self._in_process, self._over = os.getpid(), over
        logger.warning("the database does not answer", extra={"reason": reason})

    def forget(self) -> None:
        """Ends the outage without a word: nobody reads any more, or a reader starts anew."""
        with self._lock:
            self._in_process = 0
            self._over.set()

    def _complain(self, error: RuntimeError) -> None:
        now = time.monotonic()
        if now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            logger.error(
                "no thread can wait for the database: raise the limit of processes (pids_limit, TasksMax)",
                extra={"reason": str(error)},
            )

    def _wait(self, over: threading.Event, reason: str) -> None:
        try:
            self._try_until(over, reason)
        finally:
            # Whatever ends this thread, no reader is refused for an outage that nobody ends.
            with self._lock:
                if self._over is over:
                    self._in_process = 0

    def _try_until(self, over: threading.Event, reason: str) -> None:
        began = time.monotonic()
        # At instants of the machine's clock, not of this outage: all workers find the database again
        # together, and no client is told by one that it is back and by the next that it is away.
        while not over.wait(TRY_EVERY_S - time.monotonic() % TRY_EVERY_S):
            try:
                self._attempt()
                with self._lock:
                    if over.is_set():
                        return
                    self._ended()
                    self._in_process = 0
            except Exception as error:
                foreseen = isinstance(error, psycopg.Error | OpenWattError)
                new = str(error) if foreseen else f"{type(error).__name__}: {error}"
                # Process ids and times in it change at each attempt, and are no other reason.
                if _NUMBERS.sub("", new) != _NUMBERS.sub("", reason):
                    reason = new
                    logger.log(
                        logging.WARNING if foreseen else logging.ERROR,
                        "the database does not answer yet",
                        extra={"reason": reason},
                        exc_info=None if foreseen else error,
                    )
            else:
                seconds = round(time.monotonic() - began, 3)
                logger.warning("the database answers again", extra={"seconds": seconds})
                return
