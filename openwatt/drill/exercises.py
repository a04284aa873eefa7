"""The exercises: an error, slow answers, a burst of errors, an old source, slow clients, a full disk."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from openwatt.doctor.context import CheckContext
from openwatt.doctor.prometheus import JOB, query_now
from openwatt.doctor.results import CheckFailedError, CheckSkippedError
from openwatt.drill.alerting import follow, require_inactive
from openwatt.drill.faults import MOST_A_SECOND, THREADS, FaultInjector, pressure
from openwatt.drill.full_disk import unfilled_file
from openwatt.drill.slow_clients import CLIENTS, slow_clients
from openwatt.drill.steps import DrillRun, Step, StepFailedError
from openwatt.drill.stopped_ingestion import SOURCE, stopped_ingestion
from openwatt.drill.traces import trace

#: Enough for Sentry's rule of more than 10 errors in a minute; the rest of a burst leaves no report.
_REPORTED_ERRORS = 15
_SLOW_S = 3
#: Shares of the traffic, well above what alerts begin at: 5 % errors, 1 % slower than the 99th percentile.
_BURST_SHARE, _SLOW_SHARE = 0.2, 0.03
_LEAST_A_SECOND = 1.0
#: How often and how soon a probe is answered beside slow clients.
_PROBES, _PROBE_S = 10, 1.0
#: A worker is slow for one drill request at a time, and few ask.
_MOST_SLOW_A_SECOND = THREADS / _SLOW_S


def error(run: DrillRun, injector: FaultInjector) -> Iterator[Step]:
    """One unhandled exception, from its answer to its log record and its error report (scenario 1)."""
    request_id, answer = injector.inject("error")
    if answer.status_code != 500 or answer.headers.get("X-Request-ID") != request_id:
        raise StepFailedError(
            run.failed(
                f"the service answers {answer.status_code}, id {answer.headers.get('X-Request-ID')}",
                "let every proxy before the service pass X-Request-ID and errors on as they are",
            )
        )
    yield run.passed(f"the service answers 500, X-Request-ID {request_id}")
    yield from trace(run, request_id, reported=True)


def slow(run: DrillRun, injector: FaultInjector) -> Iterator[Step]:
    """Answers of 3 s until HighLatency fires, and its end (scenario 2)."""
    alert = {"alertname": "HighLatency"}
    require_inactive(run, alert)
    request_id, answer = injector.inject("slow", seconds=1)
    if answer.status_code != 204:
        raise StepFailedError(
            run.failed(
                f"the service answers {answer.status_code} instead of being slow",
                "let no other drill run at the same time",
            )
        )
    yield run.passed(f"the service answers after 1 s, X-Request-ID {request_id}")
    yield from trace(run, request_id, reported=False)
    rate = _rate(run, _SLOW_SHARE, _MOST_SLOW_A_SECOND)
    yield run.passed(f"provoking {rate:.2g} answers of {_SLOW_S} s a second")
    yield from follow(
        run,
        alert,
        pressure(lambda: injector.inject("slow", seconds=_SLOW_S), rate, injector.until),
    )


def burst(run: DrillRun, injector: FaultInjector) -> Iterator[Step]:
    """Errors among the answers until HighErrorRate fires, and its end (scenario 3)."""
    alert = {"alertname": "HighErrorRate"}
    require_inactive(run, alert)  # the first error can be enough for it where no other client sends requests
    request_id, _ = injector.inject("error")
    yield run.passed(f"the first of them, X-Request-ID {request_id}")
    yield from trace(run, request_id, reported=True)
    reported = iter(range(_REPORTED_ERRORS))
    lock = threading.Lock()

    def provoke() -> None:
        with lock:
            fault = "error" if next(reported, None) is not None else "unavailable"
        injector.inject(fault)

    rate = _rate(run, _BURST_SHARE, MOST_A_SECOND)
    yield run.passed(
        f"provoking {rate:.2g} errors a second, of which the first {_REPORTED_ERRORS} are reported"
    )
    yield from follow(run, alert, pressure(provoke, rate, injector.until))


def ingestion(run: DrillRun, injector: FaultInjector) -> Iterator[Step]:
    """A source that has not been read for a month, until IngestionStale fires, and its end."""
    context = injector.context
    alert = {"alertname": "IngestionStale", "source": SOURCE}
    require_inactive(run, alert)

    @contextmanager
    def fault() -> Iterator[None]:
        with stopped_ingestion(context.settings):
            yield

    yield run.passed(f"the source `{SOURCE}` is written down as last read 30 days ago")
    yield from follow(run, alert, fault())


def disk(run: DrillRun, injector: FaultInjector) -> Iterator[Step]:
    """A file of the metrics as a full disk leaves it, until MetricsIncomplete fires, and its end."""
    context = injector.context
    alert = {"alertname": "MetricsIncomplete", "state": "empty"}
    require_inactive(run, alert)

    @contextmanager
    def fault() -> Iterator[None]:
        with unfilled_file(context.settings):
            yield

    yield run.passed("a file of the metrics is made and not filled; no disk is")
    yield from follow(run, alert, fault())


def clients(run: DrillRun, injector: FaultInjector) -> Iterator[Step]:
    """Clients that never finish their request: everybody else is answered, SlowClients fires, and its end."""
    context = injector.context
    alert = {"alertname": "SlowClients"}
    require_inactive(run, alert)
    injector.inject("unavailable")  # the service agrees to be drilled
    with slow_clients(context.url, injector.until):
        worst_s = 0.0
        for _ in range(_PROBES):
            began = time.monotonic()
            context.http.request(context.url, "/health")
            worst_s = max(worst_s, time.monotonic() - began)
        message = (
            f"{CLIENTS} clients hold half a request each; /health answers within {worst_s * 1000:.0f} ms"
        )
        if worst_s > _PROBE_S:
            raise StepFailedError(
                run.failed(message, "see ServiceSaturated in ops/runbook.md: the machine is busy")
            )
        yield run.passed(message)
    yield from follow(run, alert, slow_clients(context.url, injector.until))


def _rate(run: DrillRun, share: float, most: float) -> float:
    """Computes how many faults a second are a share of all traffic, as Prometheus has counted it."""
    seen = query_now(run.context, f'sum(rate(http_requests_total{{job="{JOB}"}}[5m]))')
    traffic = seen[0][1] if seen and seen[0][1] > 0 else 0.0
    rate = max(_LEAST_A_SECOND, traffic * share / (1 - share))
    if rate > most:
        raise StepFailedError(
            run.failed(
                f"{traffic:.0f} requests a second would need {rate:.2g} faults a second; a drill provokes at "
                f"most {most:.2g} of these",
                "drill when there is less traffic, or on a replica of its own",
            )
        )
    return rate


Exercise = Callable[[DrillRun, FaultInjector], Iterator[Step]]

EXERCISES: dict[str, Exercise] = {
    "error": error,
    "slow": slow,
    "burst": burst,
    "ingestion": ingestion,
    "disk": disk,
    "clients": clients,
}


@dataclass(frozen=True, slots=True)
class Drill:
    """A sequence of exercises within one time limit."""

    context: CheckContext
    injector: FaultInjector

    def steps(self, names: list[str]) -> Generator[Step, None, None]:
        """Yields every step as it comes; a failure ends its exercise and not the drill."""
        for name in names:
            run = DrillRun(name, self.context, self.injector.until)
            try:
                yield from EXERCISES[name](run, self.injector)
            except StepFailedError as missed:
                yield missed.step
            except CheckSkippedError as error:
                yield run.skipped(str(error))
            except CheckFailedError as error:
                yield run.failed(str(error), error.remedy or "see `openwatt doctor`")
