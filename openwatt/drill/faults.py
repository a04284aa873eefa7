"""The injection of faults into a running service, at a bounded rate, until the drill ends."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import ProbeError
from openwatt.doctor.results import CheckFailedError

#: No drill asks a service more often than this in a second, whatever its traffic.
MOST_A_SECOND = 20.0
#: How many ask at the same time.
THREADS = 4


@dataclass(frozen=True, slots=True)
class FaultInjector:
    """Injects faults into a service, with the token and the drill's end."""

    context: CheckContext
    token: str
    until: float

    def inject(self, fault: str, **query: str | int) -> tuple[str, httpx.Response]:
        """Injects one fault and returns the request id and the response.

        Raises:
            CheckFailedError: the service does not know drills, or refuses this one; the remedy says why.
            ProbeError: it does not answer.
        """
        made = f"drill-{uuid.uuid4()}"
        answer = self.context.http.request(
            self.context.url,
            f"/v1/drills/{fault}",
            query=query,
            content=b"",
            headers={"X-Request-ID": made, "X-Drill-Until": str(int(self.until))},
            token=self.token,
        )
        if answer.status_code == 404:
            raise CheckFailedError(
                "the service knows no drills",
                "set OPENWATT_DRILL_TOKEN for the service too, and restart it",
            )
        if answer.status_code in {401, 403}:
            raise CheckFailedError(
                f"the service refuses the drill: {answer.json().get('detail', answer.status_code)}",
                "give this command the OPENWATT_DRILL_TOKEN of the service, and set both clocks right",
            )
        return made, answer


@contextmanager
def pressure(provoke: Callable[[], object], per_second: float, until: float) -> Iterator[threading.Event]:
    """Injects faults at a rate while the block runs, from a few threads; setting the event stops it early.

    A refused or broken request does not end it: that is what a fault looks like.
    """
    per_second = min(per_second, MOST_A_SECOND)
    stop = threading.Event()

    def work(number: int) -> None:
        pause = THREADS / per_second
        stop.wait(pause * number / THREADS)
        while not stop.is_set() and time.time() < until:
            started_at = time.monotonic()
            try:
                provoke()
            except (CheckFailedError, ProbeError):
                stop.wait(1.0)
            stop.wait(max(0.0, pause - (time.monotonic() - started_at)))

    running = [threading.Thread(target=work, args=[number], daemon=True) for number in range(THREADS)]
    for thread in running:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in running:
            thread.join()
