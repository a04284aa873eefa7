"""A circuit breaker for the database: reads fail at once while it does not answer."""

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
#: Between two log records that no thread can be started: each reader meets that.
WARN_EVERY_S = 60.0
_NUMBERS = re.compile(r"[0-9]+")


class CircuitBreaker:
    """Makes readers fail at once while the database is unavailable, and closes by itself when it answers.

    Without it every request would wait its own deadline and those queued behind the
    busy threads several of them. One thread tries meanwhile, however many readers fail.
    `attempt` raises as long as the database does not answer; `on_close` is called when it does.
    """

    def __init__(self, attempt: Callable[[], None], on_close: Callable[[], None]) -> None:
        self._attempt = attempt
        self._on_close = on_close
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._open_in = 0
        """The process in which it is open: a forked child has no thread that would close it."""
        self._warned_at = -WARN_EVERY_S

    @property
    def is_open(self) -> bool:
        """Whether the database is known to be unavailable."""
        return self._open_in == os.getpid()

    def open(self, reason: str) -> None:
        """Opens after a read without an answer, for this reason.

        Where no thread can be started (a limit of the container or the account), it stays
        closed, for nothing would close it: each reader waits its own deadline.
        """
        with self._lock:
            if self.is_open:
                return
            closed = threading.Event()
            thread = threading.Thread(target=self._wait, args=(closed, reason), name="outage", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                self._warn(error)
                return
            self._open_in, self._closed = os.getpid(), closed
        logger.warning("the database does not answer", extra={"reason": reason})

    def reset(self) -> None:
        """Closes without a log record: the pool is closed, and a later read starts again."""
        with self._lock:
            self._open_in = 0
            self._closed.set()

    def _warn(self, error: RuntimeError) -> None:
        now = time.monotonic()
        if now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            logger.error(
                "no thread can wait for the database: raise the limit of processes (pids_limit, TasksMax)",
                extra={"reason": str(error)},
            )

    def _wait(self, closed: threading.Event, reason: str) -> None:
        try:
            self._try_until(closed, reason)
        finally:
            # Whatever ends this thread, no reader is refused by a breaker that nothing would close.
            with self._lock:
                if self._closed is closed:
                    self._open_in = 0

    def _try_until(self, closed: threading.Event, reason: str) -> None:
        began = time.monotonic()
        # At instants of the machine's clock, not of this breaker: all workers find the database again
        # together, and no client is served by one and refused by the next.
        while not closed.wait(TRY_EVERY_S - time.monotonic() % TRY_EVERY_S):
            try:
                self._attempt()
                with self._lock:
                    if closed.is_set():
                        return
                    self._on_close()
                    self._open_in = 0
            except Exception as error:
                expected = isinstance(error, psycopg.Error | OpenWattError)
                new = str(error) if expected else f"{type(error).__name__}: {error}"
                # Process ids and times in it change at each attempt, and are no other reason.
                if _NUMBERS.sub("", new) != _NUMBERS.sub("", reason):
                    reason = new
                    logger.log(
                        logging.WARNING if expected else logging.ERROR,
                        "the database does not answer yet",
                        extra={"reason": reason},
                        exc_info=None if expected else error,
                    )
            else:
                seconds = round(time.monotonic() - began, 3)
                logger.warning("the database answers again", extra={"seconds": seconds})
                return
