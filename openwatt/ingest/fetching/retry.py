"""The retry of failed requests: which are sent again, and after which wait."""

import datetime as dt
from collections.abc import Callable, Generator
from email.utils import parsedate_to_datetime
from typing import Any

import backoff

from openwatt.ingest.errors import UnreachableError

#: Statuses that say "not now": everything else is an answer.
RETRIED_STATUSES = frozenset({408, 425, 429, *range(500, 600)})


class TransientError(UnreachableError):
    """Raised for a temporary fault; `retry_after_s` is the server's Retry-After, where it has one."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def parse_retry_after(header: str | None, now: dt.datetime) -> float | None:
    """Parses a Retry-After header in either of its forms (RFC 9110, 10.2.3), into seconds.

    A day that is past is no wait; None when the header says nothing that can be understood.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:12]), 10**9)) if len(text) <= 12 else 1e9
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000" and the forms without a zone: HTTP's days are GMT
        moment = moment.replace(tzinfo=dt.UTC)
    return max((moment - now).total_seconds(), 0.0)


def generate_waits(
    *, first_s: float, longest_s: float, jitter: Callable[[float], float] = backoff.full_jitter
) -> Generator[float, Any, None]:
    """Generates the waits for the `backoff` library: exponential with full jitter.

    The jitter is drawn here, not by the library, because what a server asks for is
    a floor: the wait is what it asks and the jitter on top, never less.
    """
    steps = backoff.expo(factor=first_s, max_value=longest_s)
    next(steps)
    fault: TransientError = yield 0.0  # the library's first step, no wait
    for step in steps:
        fault = yield (fault.retry_after_s or 0.0) + jitter(step)
